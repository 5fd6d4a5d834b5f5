/* ken classify: images into categories by rules, or by a list of class names. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/classify_output.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/output_check.h"
#include "cli/progress.h"
#include "tasks/classify/classify.h"
#include "tasks/classify/prompt_files.h"
#include "tasks/probe/apply.h"

#include <stdlib.h>
#include <string.h>

enum { max_warning_bytes = 1 << 16 };

static option_list classes;
static const char *class_file, *template_text, *template_spec, *head_path, *mode_name, *labels_path;
static bool folders_as_labels, all, no_sandbox;
static int64_t top_k, seed, n_resamples = EVALUATION_DEFAULT_RESAMPLES;
static classify_output output = {.max_thumbnails = REPORT_DEFAULT_THUMBNAILS};

static const option *options(void) {
    static const option table[] = {
        {.type = OPTION_GROUP, .help = "Categories"},
        {"classes", 0, OPTION_COMMAS, &classes, "A,B,..",
         "these names instead of a rules file: zero-shot probabilities", NULL, 0, 0},
        {"class-file", 0, OPTION_TEXT, &class_file, "FILE[#KEY]",
         "the same, from a .txt file (a name a line) or a .json file: a list, CLIP_benchmark's "
         "class names, or CuPL's descriptions",
         NULL, 0, 0},
        {"template", 0, OPTION_TEXT, &template_text, "TEXT",
         "sentence around a class name (default 'This is a photo of {}.')", NULL, 0, 0},
        {"templates", 0, OPTION_TEXT, &template_spec, "NAME",
         "several sentences: openai-80, openai-7, a .txt file or a .json file (FILE#KEY)", NULL, 0,
         0},
        {"head", 0, OPTION_TEXT, &head_path, "FILE",
         "a head that 'ken probe train' wrote, instead of a rules file", NULL, 0, 0},
        {"mode", 0, OPTION_CHOICE, &mode_name, NULL,
         "how to decide: by thresholds and margins, by probability, or the highest score (default "
         "rules; softmax with classes and --head)",
         "rules|softmax|argmax", 0, 0},
        {"labels", 0, OPTION_TEXT, &labels_path, "FILE",
         "CSV with id and label: print accuracy, precision, recall and confusion; an id may stand "
         "there again with another label",
         NULL, 0, 0},
        {"folders-as-labels", 0, OPTION_FLAG, &folders_as_labels, NULL,
         "the same, with the name of each image's folder as its label", NULL, 0, 0},
        {"bootstrap", 0, OPTION_INT, &n_resamples, "N",
         "resamples behind the intervals of the figures; 0: no intervals (default 1000)", NULL, 0,
         1000000},
        {"seed", 0, OPTION_INT, &seed, "N", "seed of the resamples (default 0)", NULL, 0,
         9007199254740992.0},
        {"clip-benchmark", 0, OPTION_TEXT, &output.clip_benchmark_path, "FILE",
         "write the figures as CLIP_benchmark's result JSON", NULL, 0, 0},
        {.type = OPTION_GROUP, .help = "Results"},
        {"output", 'o', OPTION_TEXT, &output.path, "FILE",
         "write the rows to FILE; its extension chooses the format", NULL, 0, 0},
        {"format", 0, OPTION_CHOICE, &output.format, NULL, "format of the rows (default table)",
         "table|csv|jsonl|json|parquet|html", 0, 0},
        {"report", 0, OPTION_TEXT, &output.report_path, "FILE",
         "write a page with the pictures by category", NULL, 0, 0},
        {"thumbnails", 0, OPTION_INT, &output.max_thumbnails, "N",
         "pictures in the page, the best of each category first (default 10000)", NULL, 0, 1000000},
        {"preview", 0, OPTION_SWITCH, &output.preview, NULL,
         "show the pictures on the terminal, by its own protocol or by half blocks; none: a box "
         "with the name (needs a terminal and no other output)",
         "auto|kitty|iterm|sixel|blocks|none", 0, 0},
        {"all", 0, OPTION_FLAG, &all, NULL, "rows for categories that did not match, too", NULL, 0,
         0},
        {"top-k", 0, OPTION_INT, &top_k, "N", "at most N rows an image", NULL, 1, 1000000},
        {"explain", 0, OPTION_TEXT, &output.explain, "ID",
         "print every number behind the categories of one image", NULL, 0, 0},
        COMMON_MODEL_OPTIONS,
        IMAGE_OPTIONS,
        {"no-sandbox", 0, OPTION_FLAG, &no_sandbox, NULL,
         "decode without Landlock and seccomp, for pictures that are trusted", NULL, 0, 0},
        COMMON_OUTPUT_OPTIONS,
        COMMON_PROGRESS_OPTION,
        OPTIONS_END,
    };
    return table;
}

/* Everything that one run makes, in the order in which it is made. */
typedef struct job {
    head *head; /* NULL: prompts decide */
    rules *rules;
    thumbnailer *thumbnailer;
    ken_model *model;
    char *model_id, *model_revision;
    arena memory;
    preprocess recipe;
    collection_meta meta;
    ken_pool *pool;
    samples *samples;
    classifier *classifier;
    results results;
    labels *labels;
    evaluation *evaluation;
} job;

static void job_free(job *j) {
    evaluation_free(j->evaluation);
    labels_free(j->labels);
    results_reset(&j->results);
    classifier_free(j->classifier);
    samples_free(j->samples);
    ken_pool_free(j->pool);
    arena_free(&j->memory);
    mem_free(j->model_revision);
    mem_free(j->model_id);
    ken_model_free(j->model);
    thumbnailer_free(j->thumbnailer);
    rules_free(j->rules);
    head_free(j->head);
}

/* Classes by name instead of rules. */
static bool by_names(void) {
    return classes.n > 0 || class_file;
}

/* What is decided by is named by an option, not by a rules file. */
static bool without_rules(void) {
    return by_names() || head_path;
}

static classify_mode chosen_mode(void) {
    if (!mode_name)
        return without_rules() ? CLASSIFY_SOFTMAX : CLASSIFY_RULES;
    for (classify_mode mode = CLASSIFY_RULES; mode < CLASSIFY_ARGMAX; mode++)
        if (strcmp(mode_name, classify_mode_name(mode)) == 0)
            return mode;
    return CLASSIFY_ARGMAX;
}

static ken_status load_names(job *j, ken_error *err) {
    const char *one = template_text ? template_text : "This is a photo of {}.";
    rules_texts templates = {&one, 1};
    if (template_spec)
        TRY(templates_read(template_spec, ".", &j->memory, &templates, err));
    return class_file ? rules_from_class_file(class_file, &templates, &j->rules, err)
                      : rules_from_classes(classes.items, classes.n, &templates, &j->rules, err);
}

/* The rules; a head's classes come with the head's classifier. */
static ken_status load_rules(const char *path, job *j, ken_error *err) {
    if (head_path)
        return head_load(head_path, &j->head, err);
    if (by_names())
        return load_names(j, err);
    return rules_load(path, &j->rules, err);
}

/* A collection, or NULL samples when the arguments are images. */
static ken_status open_collection(int n_args, char **args, job *j, ken_error *err) {
    if (n_args != 1 || !collection_looks_like(args[0]))
        return KEN_OK;
    return samples_open(args[0], &j->samples, err);
}

static ken_status describe_model(job *j, ken_error *err) {
    TRY(picture_recipe(j->model, &j->recipe, err));
    /* Rules meet a collection's vectors through texts only: how its pictures were prepared is its
     * own affair, so only images embedded here are described with a recipe. */
    return collection_meta_of_model(j->model, j->model_id, j->model_revision, &j->recipe,
                                    j->samples == NULL, &j->memory, &j->meta, err);
}

/* The model, and whether everything belongs to it. A head needs none on a collection. */
static ken_status open_model(const char *collection_path, job *j, ken_error *err) {
    if (!j->head || !j->samples) {
        const char *id = j->samples ? j->samples->meta.model_id
                         : j->head  ? j->head->meta.model_id
                                    : NULL;
        TRY(cli_load_model_of(id, j->samples ? "collection" : "head", &j->model, &j->model_id,
                              &j->model_revision, err));
        TRY(describe_model(j, err));
    }
    if (j->samples && j->head)
        return head_match(j->head, head_path, &j->samples->meta, collection_path, err);
    if (j->samples)
        return collection_meta_match(&j->samples->meta, collection_path, &j->meta, j->model_id,
                                     err);
    return j->head ? head_match(j->head, head_path, &j->meta, j->model_id, err) : KEN_OK;
}

static ken_status prepare_head(job *j, ken_error *err) {
    const kernels *k = j->model ? model_kernels(j->model) : kernels_best();
    return head_classifier(j->head, k, chosen_mode(), &j->rules, &j->classifier, err);
}

static ken_status prepare(job *j, const pipeline_options *pipeline, ken_error *err) {
    TRY(ken_pool_new(cli_threads(), &j->pool, err));
    if (j->head)
        return prepare_head(j, err);
    collection_meta image_meta = j->meta;
    if (j->samples && classify_needs_images(j->rules))
        TRY(collection_meta_of_model(j->model, j->model_id, j->model_revision, &j->recipe, true,
                                     &j->memory, &image_meta, err));
    const classify_options how = {chosen_mode(), j->pool, &image_meta, pipeline};
    buf warnings;
    buf_init(&warnings, max_warning_bytes);
    ken_status status = classify_prepare(j->rules, j->model, &how, &j->classifier, &warnings, err);
    cli_note_lines(&warnings);
    buf_free(&warnings);
    return status;
}

static ken_status evaluate(job *j, ken_error *err) {
    if (labels_path)
        TRY(labels_read(labels_path, &j->labels, err));
    else if (folders_as_labels)
        TRY(labels_from_folders(&j->labels, err));
    else
        return KEN_OK;
    const evaluation_options how = {(size_t)n_resamples, (uint64_t)seed, j->pool};
    ken_status status = evaluation_of_results(&j->results, j->labels, &how, &j->evaluation, err);
    return status != KEN_OK && labels_path ? error_prefix(err, status, "'%s'", labels_path)
                                           : status;
}

static void show_plan(void *context, const char *line) {
    (void)context;
    if (common.verbose)
        cli_note("ken classify: %s", line);
}

/* Embeds the images that were named, with a bar. */
static ken_status embed_images(int n_args, char **args, pipeline_options *pipeline, job *j,
                               ken_error *err) {
    const inputs_options in = {.args = (const char *const *)args, .n_args = (size_t)n_args};
    progress_view view;
    progress_begin(&view, "images");
    pipeline->progress = progress_show;
    pipeline->progress_context = &view;
    ken_status status = samples_embed(j->model, &j->meta, &in, pipeline, &j->samples, err);
    progress_clear(&view);
    pipeline->progress = NULL;
    return status;
}

/* The decoders of the pictures to be shown, forked before anything makes threads. */
static ken_status start_thumbnailer(const image_limits *limits, job *j, ken_error *err) {
    terminal t;
    bool previews = classify_output_preview(&output, &t) != PREVIEW_NONE;
    if (!previews && (!output.report_path || output.max_thumbnails == 0))
        return KEN_OK;
    ken_error why;
    ken_status status =
        thumbnailer_new(cli_threads(), limits, no_sandbox, &cli_cancelled, &j->thumbnailer, &why);
    if (status == KEN_UNAVAILABLE) {
        cli_note("ken classify: there will be no pictures: %s", why.message);
        return KEN_OK;
    }
    if (status != KEN_OK)
        *err = why;
    return status;
}

static ken_status classify(int n_args, char **args, const char *rules_path, job *j,
                           ken_error *err) {
    TRY(load_rules(rules_path, j, err));
    image_limits limits = picture_limits();
    TRY(start_thumbnailer(&limits, j, err));
    TRY(open_collection(n_args, args, j, err));
    TRY(open_model(args[0], j, err));
    pipeline_options pipeline = {
        .n_threads = cli_threads(),
        .limits = limits,
        .no_sandbox = no_sandbox,
        .preprocess = &j->recipe,
        .cancel = &cli_cancelled,
        .plan = show_plan,
    };
    if (!j->samples)
        TRY(embed_images(n_args, args, &pipeline, j, err));
    TRY(prepare(j, &pipeline, err));
    TRY(results_init(&j->results, j->classifier, j->samples, j->pool, err));
    j->results.all = all || by_names();
    j->results.top_k = (size_t)top_k;
    TRY(evaluate(j, err));
    output.dataset = args[0];
    return classify_write(&output, &j->results, j->labels, j->evaluation, j->thumbnailer, err);
}

/* Neither result may replace an argument, the labels or the other result. */
static int check_outputs(int n_args, char **args) {
    const char *const outputs[] = {output.path, output.report_path, output.clip_benchmark_path};
    for (size_t i = 0; i < 3; i++) {
        int bad = output_check(outputs[i], (const char *const *)args, (size_t)n_args);
        if (bad || (bad = output_check(outputs[i], &labels_path, 1)) ||
            (bad = output_check(outputs[i], &head_path, 1)))
            return bad;
        for (size_t j = 0; j < i; j++)
            if (outputs[i] && outputs[j] && output_is_file(outputs[i], outputs[j]))
                return cli_usage("two outputs cannot both be '%s'", outputs[i]);
    }
    return 0;
}

static int check_usage(int n_args, char **args) {
    if ((head_path != NULL) + (classes.n > 0) + (class_file != NULL) > 1)
        return cli_usage("only one of '--classes', '--class-file' and '--head' can be given");
    if (template_text && template_spec)
        return cli_usage("'--template' and '--templates' cannot both be given");
    if (head_path && mode_name && strcmp(mode_name, "rules") == 0)
        return cli_usage("'--mode rules' needs rules; a head knows softmax and argmax");
    if (!by_names() && (template_text || template_spec))
        return cli_usage("'--template' and '--templates' go with '--classes' and '--class-file'; "
                         "rules have their own");
    if (!without_rules() && n_args == 0)
        return cli_usage("no rules file and no images to classify");
    if (n_args == (without_rules() ? 0 : 1))
        return cli_usage("no images to classify");
    if (labels_path && folders_as_labels)
        return cli_usage("'--labels' and '--folders-as-labels' cannot both be given");
    if (output.clip_benchmark_path && !labels_path && !folders_as_labels)
        return cli_usage("'--clip-benchmark' needs '--labels' or '--folders-as-labels'");
    int bad = classify_output_check(&output);
    return bad ? bad : check_outputs(n_args, args);
}

static int run(int n_args, char **args) {
    int bad = check_usage(n_args, args);
    if (bad)
        return bad;
    cli_catch_signals();
    const char *rules_path = NULL;
    if (!without_rules()) {
        rules_path = args[0];
        args++;
        n_args--;
    }
    job j = {0};
    ken_error err;
    int code;
    if (classify(n_args, args, rules_path, &j, &err) != KEN_OK)
        code = cli_fail(&err);
    else
        code = !j.samples->collection && j.samples->n_failures ? 1 : 0;
    job_free(&j);
    return code;
}

const command cmd_classify = {
    .name = "classify",
    .group = "Work with photos",
    .summary = "sort images into categories by rules",
    .usage = "RULES.yaml INPUT... | --classes A,B,.. INPUT... | --head FILE INPUT...",
    .details =
        "INPUT is a collection that ken embed made, or images, folders and everything else that "
        "ken embed takes, which are then embedded on the fly. RULES.yaml says for each category "
        "which prompts speak for it and against it, and by how much an image must pass; see "
        "docs/rules.md. An image that matches no category is said to be so.\n\n"
        "Prints a row per image and matched category; -o writes them as CSV, JSON lines or "
        "Parquet, and --report as a page with the pictures. With labels it also says how often "
        "the categories were right.\n\n"
        "With --classes, prints the probability of every class for every image; with --head, the "
        "most probable class by a linear probe (see 'ken help probe').\n\n"
        "Exit code 1 when some images could not be read; they are listed in OUT.errors.csv beside "
        "the output, or on standard error.",
    .examples =
        "  ken classify examples/clothes.yaml photos.parquet --report clothes.html\n"
        "  ken classify examples/clothes.yaml photos.parquet -o clothes.csv --folders-as-labels\n"
        "  ken classify --model demo --classes dress,hat,shoes photo.jpg\n"
        "  ken classify examples/clothes.yaml photos.parquet --explain dress/1.jpg\n",
    .options = options,
    .run = run,
};
