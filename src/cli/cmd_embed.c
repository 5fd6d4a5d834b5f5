/* ken embed: images or texts into a collection of vectors. */
#include "base/mem.h"
#include "base/sys.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/embed_output.h"
#include "cli/embed_texts.h"
#include "cli/images.h"
#include "cli/output_check.h"
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *output, *texts_file, *shard, *resume;
static option_list texts, keep;
static const char *path_col, *image_col, *id_col, *text_col, *caption_col;
static int64_t limit, batch, decoders, max_file_size, part_rows, seed = -1;
static double timeout_seconds;
static bool null_separated, update, restart, dry_run, no_sandbox;

static const option *options(void) {
    static const option table[] = {
        {"output", 'o', OPTION_TEXT, &output, "OUT",
         "photos.parquet: one file; photos/: a folder that stays in parts", NULL, 0, 0},
        {.type = OPTION_GROUP, .help = "Inputs"},
        {"text", 0, OPTION_LIST, &texts, "TEXT", "embed this text (may be given again)", NULL, 0,
         0},
        {"texts", 0, OPTION_TEXT, &texts_file, "FILE",
         "embed the lines of a text file, or a table's texts", NULL, 0, 0},
        {"null", '0', OPTION_FLAG, &null_separated, NULL,
         "names on standard input are separated by zero bytes", NULL, 0, 0},
        {"path-col", 0, OPTION_TEXT, &path_col, "COL", "table column that holds image paths", NULL,
         0, 0},
        {"image-col", 0, OPTION_TEXT, &image_col, "COL",
         "table column that holds image bytes, or {bytes, path} structs", NULL, 0, 0},
        {"id-col", 0, OPTION_TEXT, &id_col, "COL", "table column that holds the ids", NULL, 0, 0},
        {"text-col", 0, OPTION_TEXT, &text_col, "COL", "table column that holds the texts", NULL, 0,
         0},
        {"caption-col", 0, OPTION_TEXT, &caption_col, "COL",
         "table column that becomes the collection's captions", NULL, 0, 0},
        {"keep", 0, OPTION_COMMAS, &keep, "COL,..",
         "columns of the table, of a shard's .json or of a photo's .json to keep", NULL, 0, 0},
        {"limit", 0, OPTION_INT, &limit, "N", "only the first N items", NULL, 1, 9e15},
        {"shuffle", 0, OPTION_INT, &seed, "SEED", "order the files by chance, the same for a seed",
         NULL, 0, 9e15},
        {"shard", 0, OPTION_TEXT, &shard, "I/N",
         "only every N-th item from item I on, I from 0; shards of one output folder share it",
         NULL, 0, 0},
        {.type = OPTION_GROUP, .help = "Long runs"},
        {"resume", 0, OPTION_CHOICE, &resume, NULL,
         "go on where an interrupted run stopped, or begin anew (default auto)", "auto|never", 0,
         0},
        {"restart", 0, OPTION_FLAG, &restart, NULL,
         "begin anew and replace the output; same as --resume never", NULL, 0, 0},
        {"update", 0, OPTION_FLAG, &update, NULL,
         "bring an output folder up to date: only new and changed images are embedded", NULL, 0, 0},
        {"part-rows", 0, OPTION_INT, &part_rows, "N",
         "items that are safe at a time (default by the model's size)", NULL, 1, 10000000},
        {"dry-run", 0, OPTION_FLAG, &dry_run, NULL, "print the ids of the inputs and stop", NULL, 0,
         0},
        {.type = OPTION_GROUP, .help = "Work"},
        {"batch", 0, OPTION_INT, &batch, "N", "items encoded at a time (default by memory)", NULL,
         1, 1024},
        {"decoders", 0, OPTION_INT, &decoders, "N",
         "processes that decode images (default: as many as threads)", NULL, 1, 1024},
        {"timeout", 0, OPTION_NUMBER, &timeout_seconds, "SECONDS",
         "give up an image that takes longer to decode (default 30)", NULL, 0.001, 86400},
        {"max-file-size", 0, OPTION_INT, &max_file_size, "BYTES",
         "refuse larger image files (default 1 GiB)", NULL, 1, 9e15},
        {"no-sandbox", 0, OPTION_FLAG, &no_sandbox, NULL,
         "decode without Landlock and seccomp, for pictures that are trusted", NULL, 0, 0},
        IMAGE_OPTIONS,
        COMMON_MODEL_OPTIONS,
        COMMON_OUTPUT_OPTIONS,
        COMMON_PROGRESS_OPTION,
        OPTIONS_END,
    };
    return table;
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* "I/N" */
static bool parse_shard(inputs_options *in) {
    char end;
    return !shard || (sscanf(shard, "%d/%d%c", &in->shard_index, &in->shard_count, &end) == 2 &&
                      in->shard_index >= 0 && in->shard_index < in->shard_count);
}

/* An option that could not change anything is a misunderstanding. NULL when there is none; else
 * its name, and in *where what it would need. */
static const char *misplaced_option(int n_args, char **args, const char **where) {
    bool are_texts = texts.n || texts_file, from_stdin = false;
    for (int i = 0; i < n_args; i++)
        from_stdin = from_stdin || strcmp(args[i], "-") == 0;
    const struct {
        bool given, fits;
        const char *name, *where;
    } rules[] = {
        {null_separated, from_stdin, "--null", "names on standard input ('-')"},
        {text_col, texts_file, "--text-col", "--texts"},
        {path_col, !are_texts, "--path-col", "images"},
        {image_col, !are_texts, "--image-col", "images"},
        {caption_col, !are_texts, "--caption-col", "images"},
        {decoders, !are_texts, "--decoders", "images"},
        {timeout_seconds > 0, !are_texts, "--timeout", "images"},
        {max_file_size, !are_texts, "--max-file-size", "images"},
        {no_sandbox, !are_texts, "--no-sandbox", "images"},
        {picture.background, !are_texts, "--background", "images"},
        {picture.resize, !are_texts, "--resize", "images"},
        {picture.max_pixels, !are_texts, "--max-pixels", "images"},
        {picture.strict, !are_texts, "--strict", "images"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        *where = rules[i].where;
        if (rules[i].given && !rules[i].fits)
            return rules[i].name;
    }
    return NULL;
}

static inputs_options input_options(int n_args, char **args) {
    return (inputs_options){.args = (const char *const *)args,
                            .n_args = (size_t)n_args,
                            .texts = texts.items,
                            .n_texts = texts.n,
                            .texts_file = texts_file,
                            .null_separated = null_separated,
                            .stdin_fd = STDIN_FILENO,
                            .path_col = path_col,
                            .image_col = image_col,
                            .id_col = id_col,
                            .text_col = text_col,
                            .caption_col = caption_col,
                            .keep = keep.items,
                            .n_keep = keep.n,
                            .limit = (uint64_t)limit,
                            .shuffle = seed >= 0,
                            .seed = seed >= 0 ? (uint64_t)seed : 0};
}

/* ---- what is said ---------------------------------------------------------------------------- */

static progress_view view;

static void say_plan(void *context, const char *line) {
    (void)context;
    progress_clear(&view);
    cli_note("ken embed: %s", line);
}

static void say_damaged(void *context, const char *path, const char *warning) {
    (void)context;
    progress_clear(&view);
    cli_note("ken embed: '%s': damaged, taken as far as it goes: %s", path, warning);
}

/* ---- the run --------------------------------------------------------------------------------- */

static ken_status list_inputs(inputs *in, ken_error *err) {
    uint64_t n = 0;
    for (;; n++) {
        input_item item;
        bool more;
        TRY(inputs_next(in, &item, &more, err));
        if (!more)
            break;
        puts(item.id);
    }
    cli_note("ken embed: %llu items would be embedded into '%s'", (unsigned long long)n,
             output ? output : "");
    return KEN_OK;
}

static ken_status embed(const inputs_options *named, inputs *in, embed_outcome *outcome,
                        ken_error *err) {
    embed_report *report = &outcome->report;
    bool are_texts = inputs_are_texts(in);
    ken_model_options load = {.vision_only = !are_texts, .text_only = are_texts};
    ken_model *model;
    char *id = NULL, *revision = NULL;
    double since = sys_seconds();
    TRY(cli_load_model(&load, &model, &id, &revision, err));
    outcome->load_seconds = sys_seconds() - since;
    preprocess recipe;
    ken_status status = picture_recipe(model, &recipe, err);
    progress_begin(&view, are_texts ? "texts" : "images");
    embed_options job = {
        .output = output,
        .model_id = id,
        .model_revision = revision,
        .shard_index = named->shard_index,
        .shard_count = named->shard_count,
        .part_rows = (uint64_t)part_rows,
        .restart = restart || (resume && strcmp(resume, "never") == 0),
        .update = update,
        .damaged = common.verbose ? say_damaged : NULL,
        .pipeline = {.n_threads = cli_threads(),
                     .n_decoders = (int)decoders,
                     .batch = (int)batch,
                     .limits = picture_limits(),
                     .item_timeout = timeout_seconds,
                     .max_file_bytes = (uint64_t)max_file_size,
                     .no_sandbox = no_sandbox,
                     .preprocess = &recipe,
                     .cancel = &cli_cancelled,
                     .progress = progress_show,
                     .progress_context = &view,
                     .plan = common.verbose ? say_plan : NULL},
    };
    if (status == KEN_OK)
        status = embed_run(model, in, &job, report, err);
    progress_clear(&view);
    ken_model_free(model);
    mem_free(id);
    mem_free(revision);
    if (status == KEN_CANCELLED)
        error_hint(err, status, "the same command goes on from here: %llu items are done",
                   (unsigned long long)(report->n_rows + report->n_failed));
    return status;
}

static ken_status print_texts(inputs *in, uint64_t *n_failed, ken_error *err) {
    ken_model *model;
    TRY(cli_load_model(&(ken_model_options){.text_only = true}, &model, NULL, NULL, err));
    ken_status status = embed_print_texts(model, in, n_failed, err);
    ken_model_free(model);
    return status;
}

/* Texts without an output go to standard output. */
static int run_print(const inputs_options *named) {
    ken_error err;
    inputs *in;
    uint64_t n_failed = 0;
    cli_catch_signals();
    if (inputs_open(named, &in, &err) != KEN_OK)
        return cli_fail(&err);
    ken_status status = print_texts(in, &n_failed, &err);
    inputs_close(in);
    return status == KEN_OK ? cli_finish(n_failed ? 1 : 0) : cli_fail(&err);
}

static int run(int n_args, char **args) {
    inputs_options named = input_options(n_args, args);
    const char *where, *misplaced = misplaced_option(n_args, args, &where);
    if (misplaced)
        return cli_usage("'%s' changes nothing here: it goes with %s", misplaced, where);
    bool prints = !output && !dry_run && n_args == 0 && (texts.n || texts_file);
    if (prints && !update && !shard)
        return run_print(&named);
    if (!output && !dry_run)
        return cli_usage("no output was named: give '-o photos.parquet' or '-o photos/'");
    if (!parse_shard(&named))
        return cli_usage("'--shard %s' is not I/N with I from 0 to N-1", shard);
    if (update && named.shard_count)
        return cli_usage("'--update' and '--shard' cannot be given together");
    if (restart && resume && strcmp(resume, "auto") == 0)
        return cli_usage("'--restart' and '--resume auto' contradict each other");
    int bad = output_check(output, named.args, named.n_args);
    if (bad || (bad = output_check(output, &texts_file, 1)))
        return bad;
    cli_catch_signals();
    ken_error err;
    bool folder;
    if (output && embed_output_is_folder(output, &folder, &err) != KEN_OK)
        return cli_fail(&err);
    inputs *in;
    double since = sys_seconds();
    if (inputs_open(&named, &in, &err) != KEN_OK)
        return cli_fail(&err);
    if (inputs_note(in))
        cli_note("ken embed: %s", inputs_note(in));
    embed_outcome outcome = {.output = output,
                             .noun = inputs_are_texts(in) ? "texts" : "images",
                             .update = update,
                             .list_seconds = sys_seconds() - since};
    ken_status status = dry_run ? list_inputs(in, &err) : embed(&named, in, &outcome, &err);
    inputs_close(in);
    if (status != KEN_OK)
        return cli_fail(&err);
    if (!dry_run && common.json)
        embed_print_json(&outcome);
    else if (!dry_run)
        embed_say(&outcome);
    return cli_finish(outcome.report.n_failed ? 1 : 0);
}

const command cmd_embed = {
    .name = "embed",
    .group = "Work with photos",
    .summary = "turn images or texts into a collection of vectors",
    .usage = "[INPUT...] [-o OUT]",
    .details =
        "INPUT is any mix of image files, folders (searched recursively; hidden files and links "
        "that lead out are skipped), quoted globs, '-' for a list of names on standard input, "
        "webdataset .tar shards (also '{00000..00099}.tar') and tables (.parquet, .csv, .tsv, "
        ".jsonl) with image paths or bytes. Texts come from --text and --texts; without -o their "
        "vectors are "
        "printed, a JSON array a line, or with --json as objects that say more.\n\n"
        "An image that cannot be read or decoded becomes a line in OUT.errors.csv and never stops "
        "the run; the exit code is 1 then. Images are decoded in sandboxed processes.\n\n"
        "A run that was interrupted, by Ctrl-C, by a full disk or by a power cut, goes on when the "
        "same command is given again, and the result has the same bytes as if nothing had "
        "happened. Ctrl-C once finishes or drops the part in hand within five seconds; twice "
        "stops at once. Both lose nothing that was finished.",
    .examples =
        "  ken embed photos -o photos.parquet --model demo\n"
        "  find . -name '*.jpg' -print0 | ken embed - -0 -o found.parquet\n"
        "  ken embed '{00000..00099}.tar' -o big/ --shard 3/16\n"
        "  ken embed products.csv --path-col file --id-col sku --keep price -o shop.parquet\n"
        "  ken embed photos -o photos/ --update\n"
        "  ken embed --text 'a red dress' --text 'a shoe' -o queries.parquet\n"
        "  ken embed --text 'a red dress' --model demo\n",
    .options = options,
    .run = run,
};
