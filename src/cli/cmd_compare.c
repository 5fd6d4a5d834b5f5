/* ken compare: which rules, head or model is right most often on labelled images, and can the
 * difference be chance? */
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/compare_entries.h"
#include "cli/images.h"
#include "cli/output_check.h"

#include <string.h>
#include <strings.h>

static const size_t max_text_bytes = (size_t)1 << 30;

static const char *labels_path, *output, *format, *against, *template_text, *mode_name;
static option_list models, data, rules_files;
static bool folders_as_labels, no_sandbox;
static int64_t seed, n_resamples = 2000;

static const option *options(void) {
    static const option table[] = {
        {.type = OPTION_GROUP, .help = "What to compare"},
        {"model", 'm', OPTION_LIST, &models, "M[:PRECISION]",
         "embed the images with this model, in f32, s16, int8 or auto (demo:int8); give it again "
         "for each model",
         NULL, 0, 0},
        {"rules", 0, OPTION_LIST, &rules_files, "FILE", "the same as a rules file among the names",
         NULL, 0, 0},
        {"data", 0, OPTION_LIST, &data, "D",
         "a collection, or images; what else is named is then a model", NULL, 0, 0},
        {"template", 0, OPTION_TEXT, &template_text, "TEXT",
         "sentence around a label, when no rules or heads are named (default 'This is a photo of "
         "{}.')",
         NULL, 0, 0},
        {"mode", 0, OPTION_CHOICE, &mode_name, NULL,
         "how rules decide: by thresholds and margins, by probability, or the highest score "
         "(default rules)",
         "rules|softmax|argmax", 0, 0},
        {.type = OPTION_GROUP, .help = "What is right"},
        {"labels", 0, OPTION_TEXT, &labels_path, "FILE",
         "CSV with id and label; an id may stand there again with another label", NULL, 0, 0},
        {"folders-as-labels", 0, OPTION_FLAG, &folders_as_labels, NULL,
         "the name of each image's folder is its label", NULL, 0, 0},
        {"against", 0, OPTION_CHOICE, &against, NULL,
         "whom the others are measured against (default best)", "best|first", 0, 0},
        {"bootstrap", 0, OPTION_INT, &n_resamples, "N",
         "resamples behind the intervals; 0: no intervals (default 2000)", NULL, 0, 1000000},
        {"seed", 0, OPTION_INT, &seed, "N", "seed of the resamples (default 0)", NULL, 0,
         9007199254740992.0},
        {.type = OPTION_GROUP, .help = "Results"},
        {"output", 'o', OPTION_TEXT, &output, "FILE",
         "write the table to FILE; its extension chooses the format", NULL, 0, 0},
        {"format", 0, OPTION_CHOICE, &format, NULL, "format of the table (default table)",
         "table|csv|json", 0, 0},
        {.type = OPTION_GROUP, .help = "Model"},
        COMMON_ENGINE_OPTIONS,
        IMAGE_OPTIONS,
        {"no-sandbox", 0, OPTION_FLAG, &no_sandbox, NULL,
         "decode without Landlock and seccomp, for pictures that are trusted", NULL, 0, 0},
        COMMON_OUTPUT_OPTIONS,
        COMMON_PROGRESS_OPTION,
        OPTIONS_END,
    };
    return table;
}

/* ---- usage ------------------------------------------------------------------------------------
 */

static const char *format_of_extension(const char *path) {
    static const char *const known[][2] = {{".csv", "csv"}, {".json", "json"}, {".txt", "table"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(file_extension(path), known[i][0]) == 0)
            return known[i][1];
    return NULL;
}

static int settle_format(void) {
    if (common.json && format && strcmp(format, "json") != 0)
        return cli_usage("'--json' and '--format %s' cannot both be given", format);
    if (!format)
        format = common.json ? "json" : output ? format_of_extension(output) : "table";
    if (!format)
        return cli_usage("'%s' has no extension that names a format; give --format", output);
    return 0;
}

static int check_usage(int n_args, char **args) {
    if (!labels_path == !folders_as_labels)
        return cli_usage("give '--labels FILE' or '--folders-as-labels'");
    int bad = output_check(output, (const char *const *)args, (size_t)n_args);
    if (bad || (bad = output_check(output, data.items, data.n)) ||
        (bad = output_check(output, rules_files.items, rules_files.n)) ||
        (bad = output_check(output, &labels_path, 1)))
        return bad;
    return settle_format();
}

static ken_status gather(int n_args, char **args, compare_request *r, ken_error *err) {
    *r = (compare_request){
        .template_text = template_text, .mode = mode_name, .no_sandbox = no_sandbox};
    for (size_t i = 0; i < rules_files.n; i++)
        TRY(compare_request_add(r, rules_files.items[i], false, err));
    for (int i = 0; i < n_args; i++)
        TRY(compare_request_add(r, args[i], data.n > 0, err));
    for (size_t i = 0; i < data.n; i++)
        TRY(compare_request_add(r, data.items[i], false, err));
    for (size_t i = 0; i < models.n; i++)
        TRY(compare_request_add_model(r, models.items[i], err));
    return KEN_OK;
}

static int check_request(const compare_request *r) {
    if (r->collections.n + r->images.n == 0)
        return cli_usage("no collection and no images to compare on");
    if (compare_request_count(r) < 2)
        return cli_usage("there is only one thing to compare: name another rules file, head, model "
                         "or collection");
    if (template_text && r->rules.n + r->heads.n)
        return cli_usage("'--template' is for labels as classes; rules have their own");
    return 0;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static ken_status write_result(const comparison *c, ken_error *err) {
    buf text;
    buf_init(&text, max_text_bytes);
    bool is_table = strcmp(format, "table") == 0;
    ken_status status = is_table                     ? comparison_put_text(c, &text, err)
                        : strcmp(format, "csv") == 0 ? comparison_put_csv(c, &text, err)
                                                     : comparison_put_json(c, &text, err);
    if (status == KEN_OK && output)
        status = file_write_atomic(output, text.data, text.size, err);
    else if (status == KEN_OK && is_table)
        cli_print_lines(stdout, &text);
    else if (status == KEN_OK)
        fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
    return status;
}

static ken_status print_warnings(const comparison *c, size_t n_failures, ken_error *err) {
    buf warnings;
    buf_init(&warnings, max_text_bytes);
    ken_status status = comparison_put_warnings(c, &warnings, err);
    if (status == KEN_OK)
        cli_note_lines(&warnings);
    if (status == KEN_OK && n_failures)
        cli_note("ken compare: %zu images could not be read", n_failures);
    buf_free(&warnings);
    return status;
}

static ken_status run_job(const compare_request *r, labels **l, compare_entries *e,
                          comparison **out, ken_error *err) {
    TRY(labels_path ? labels_read(labels_path, l, err) : labels_from_folders(l, err));
    TRY(compare_entries_new(r, *l, e, err));
    const compare_options how = {against && strcmp(against, "first") == 0, (size_t)n_resamples,
                                 (uint64_t)seed, e->pool};
    TRY(compare(e->items, e->n, *l, &how, out, err));
    TRY(print_warnings(*out, e->n_failures, err));
    return write_result(*out, err);
}

static int run(int n_args, char **args) {
    int code = check_usage(n_args, args);
    if (code)
        return code;
    cli_catch_signals();
    compare_request request;
    compare_entries entries = {0};
    labels *l = NULL;
    comparison *result = NULL;
    ken_error err;
    ken_status status = gather(n_args, args, &request, &err);
    if (status == KEN_OK)
        code = check_request(&request);
    if (status == KEN_OK && code == 0)
        status = run_job(&request, &l, &entries, &result, &err);
    if (status != KEN_OK)
        code = cli_fail(&err);
    else if (code == 0)
        code = cli_finish(entries.n_failures > 0);
    comparison_free(result);
    compare_entries_free(&entries);
    labels_free(l);
    compare_request_free(&request);
    return code;
}

const command cmd_compare = {
    .name = "compare",
    .group = "Work with photos",
    .summary = "find the best rules, head or model for labelled images",
    .usage = "[RULES.yaml|HEAD]... COLLECTION|IMAGES... | [MODEL]... [RULES.yaml] --data D",
    .details =
        "Decides the same labelled images in each of the ways that are named and puts accuracy, "
        "F1, "
        "time and size side by side. Each is measured against the best: the difference with its "
        "interval from a paired bootstrap, and McNemar's test, which looks at the images that only "
        "one of the two gets right. So it can be seen which differences may be chance.\n\n"
        "Rules files and heads are told by their extension. They are compared on one collection or "
        "on several, which may be of different models; a head goes with its own model only. "
        "Without rules and heads the labels themselves are the classes.\n\n"
        "With --model the images are embedded by each model in turn, which also measures time and "
        "memory. 'ken compare MODEL... --data D' is the same.\n\n"
        "Images that not all have, or that have no label, are left out and counted.",
    .examples =
        "  ken compare old.yaml new.yaml head.safetensors photos.parquet --labels labels.csv\n"
        "  ken compare rules.yaml small.parquet large.parquet --folders-as-labels\n"
        "  ken compare demo demo:int8 --data photos/ --folders-as-labels --json\n",
    .options = options,
    .run = run,
};
