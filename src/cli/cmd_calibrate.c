/* ken calibrate: the thresholds of a rules file, fitted to labelled images. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/output_check.h"
#include "tasks/calibrate/calibrate.h"
#include "tasks/calibrate/rules_edit.h"
#include "tasks/classify/classify.h"

#include <stdlib.h>
#include <string.h>

static const size_t max_text_bytes = (size_t)1 << 30;

static const char *labels_path, *output, *plot_path, *maximize, *cost;
static bool folders_as_labels, dry_run, no_sandbox;
static double target_precision;
static int64_t n_folds = CALIBRATE_DEFAULT_FOLDS, seed;

static const option *options(void) {
    static const option table[] = {
        {.type = OPTION_GROUP, .help = "What to fit to"},
        {"labels", 0, OPTION_TEXT, &labels_path, "FILE",
         "CSV with id and label; an id may stand there again with another label", NULL, 0, 0},
        {"folders-as-labels", 0, OPTION_FLAG, &folders_as_labels, NULL,
         "the name of each image's folder is its label", NULL, 0, 0},
        {"target-precision", 0, OPTION_NUMBER, &target_precision, "P",
         "the most matches of which this share is right", NULL, 0.01, 0.999},
        {"maximize", 0, OPTION_CHOICE, &maximize, NULL, "the highest F1 (the default)", "f1", 0, 0},
        {"cost", 0, OPTION_TEXT, &cost, "FP:FN",
         "the lowest cost, when a wrong match costs FP and a miss costs FN", NULL, 0, 0},
        {"folds", 0, OPTION_INT, &n_folds, "K",
         "parts that are left out in turn to estimate what to expect (default 5)", NULL, 2, 100},
        {"seed", 0, OPTION_INT, &seed, "N", "seed of the deal into folds (default 0)", NULL, 0,
         9007199254740992.0},
        {.type = OPTION_GROUP, .help = "Results"},
        {"output", 'o', OPTION_TEXT, &output, "FILE",
         "write the rules with the fitted thresholds; without it only print them", NULL, 0, 0},
        {"plot", 0, OPTION_TEXT, &plot_path, "FILE.svg",
         "draw how often the probabilities came true", NULL, 0, 0},
        {"dry-run", 0, OPTION_FLAG, &dry_run, NULL, "print the results; write nothing", NULL, 0, 0},
        COMMON_MODEL_OPTIONS,
        IMAGE_OPTIONS,
        {"no-sandbox", 0, OPTION_FLAG, &no_sandbox, NULL,
         "decode the rules' examples without Landlock and seccomp", NULL, 0, 0},
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

/* ---- usage ------------------------------------------------------------------------------------
 */

/* "5:1" */
static bool parse_cost(const char *text, threshold_goal *goal) {
    char *end;
    goal->cost_fp = strtod(text, &end);
    if (end == text || *end != ':')
        return false;
    const char *rest = end + 1;
    goal->cost_fn = strtod(rest, &end);
    return end != rest && !*end && goal->cost_fp > 0 && goal->cost_fn > 0 && goal->cost_fp < 1e9 &&
           goal->cost_fn < 1e9;
}

static int check_goal(threshold_goal *goal) {
    if ((target_precision > 0) + (maximize != NULL) + (cost != NULL) > 1)
        return cli_usage("give one of '--target-precision', '--maximize' and '--cost'");
    *goal = (threshold_goal){.kind = target_precision > 0 ? GOAL_PRECISION
                                     : cost               ? GOAL_COST
                                                          : GOAL_F1,
                             .precision = target_precision};
    if (cost && !parse_cost(cost, goal))
        return cli_usage("'--cost %s' is not two costs above 0 with a colon, such as 5:1", cost);
    return 0;
}

static int check_usage(int n_args, char **args, threshold_goal *goal) {
    if (n_args != 2)
        return cli_usage("expected a rules file and a collection, found %d arguments", n_args);
    if (!labels_path == !folders_as_labels)
        return cli_usage("give '--labels FILE' or '--folders-as-labels'");
    const char *const outputs[] = {output, plot_path};
    for (size_t i = 0; i < 2; i++) {
        int bad = output_check(outputs[i], (const char *const *)args, 2);
        if (bad || (bad = output_check(outputs[i], &labels_path, 1)))
            return bad;
    }
    if (output && plot_path && output_is_file(output, plot_path))
        return cli_usage("two outputs cannot both be '%s'", output);
    return check_goal(goal);
}

/* ---- the run ----------------------------------------------------------------------------------
 */

/* Everything that one run makes, in the order in which it is made. */
typedef struct job {
    rules *rules;
    samples *samples;
    labels *labels;
    ken_model *model;
    char *model_id, *model_revision;
    arena memory;
    ken_pool *pool;
    classifier *classifier;
    results results;
    calibrated *calibration;
} job;

static void job_free(job *j) {
    calibrated_free(j->calibration);
    results_reset(&j->results);
    classifier_free(j->classifier);
    ken_pool_free(j->pool);
    arena_free(&j->memory);
    mem_free(j->model_revision);
    mem_free(j->model_id);
    ken_model_free(j->model);
    labels_free(j->labels);
    samples_free(j->samples);
    rules_free(j->rules);
}

/* The scores of the collection's images. */
static ken_status score(const char *collection_path, job *j, ken_error *err) {
    TRY(cli_load_model_of(j->samples->meta.model_id, "collection", &j->model, &j->model_id,
                          &j->model_revision, err));
    preprocess recipe;
    collection_meta meta;
    TRY(picture_recipe(j->model, &recipe, err));
    bool images = classify_needs_images(j->rules);
    TRY(collection_meta_of_model(j->model, j->model_id, j->model_revision, &recipe, images,
                                 &j->memory, &meta, err));
    TRY(collection_meta_match(&j->samples->meta, collection_path, &meta, j->model_id, err));
    TRY(ken_pool_new(cli_threads(), &j->pool, err));
    const pipeline_options pipeline = {
        .n_threads = cli_threads(),
        .limits = picture_limits(),
        .no_sandbox = no_sandbox,
        .preprocess = &recipe,
        .cancel = &cli_cancelled,
    };
    const classify_options how = {CLASSIFY_RULES, j->pool, &meta, &pipeline};
    buf warnings;
    buf_init(&warnings, max_text_bytes);
    ken_status status = classify_prepare(j->rules, j->model, &how, &j->classifier, &warnings, err);
    cli_note_lines(&warnings);
    buf_free(&warnings);
    TRY(status);
    return results_init(&j->results, j->classifier, j->samples, j->pool, err);
}

static ken_status write_rules(const job *j, ken_error *err) {
    const calibrated *c = j->calibration;
    const char **thresholds = mem_zalloc(c->n_categories, sizeof *thresholds);
    if (!thresholds)
        return error_no_memory(err, c->n_categories * sizeof *thresholds);
    for (size_t i = 0; i < c->n_categories; i++)
        thresholds[i] = c->categories[i].state == CALIBRATION_FITTED ? c->categories[i].text : NULL;
    buf text;
    buf_init(&text, max_text_bytes);
    ken_status status = rules_edit_thresholds(j->rules, thresholds, &text, err);
    if (status == KEN_OK && output && !dry_run)
        status = file_write_atomic(output, text.data, text.size, err);
    buf_free(&text);
    mem_free((void *)thresholds);
    return status;
}

static ken_status write_plot(const job *j, ken_error *err) {
    buf text;
    buf_init(&text, max_text_bytes);
    ken_status status = calibrated_put_plot(j->calibration, &text, err);
    if (status == KEN_OK)
        status = file_write_atomic(plot_path, text.data, text.size, err);
    buf_free(&text);
    return status;
}

static ken_status print_results(const calibrated *c, ken_error *err) {
    buf text, warnings;
    buf_init(&text, max_text_bytes);
    buf_init(&warnings, max_text_bytes);
    ken_status status =
        common.json ? calibrated_put_json(c, &text, err) : calibrated_put_text(c, &text, err);
    if (status == KEN_OK)
        status = calibrated_put_warnings(c, &warnings, err);
    if (status == KEN_OK && common.json)
        fwrite(text.data, 1, text.size, stdout);
    else if (status == KEN_OK && !common.quiet)
        cli_print_lines(stdout, &text);
    if (status == KEN_OK)
        cli_note_lines(&warnings);
    buf_free(&text);
    buf_free(&warnings);
    return status;
}

static ken_status run_job(char **args, const threshold_goal *goal, job *j, ken_error *err) {
    TRY(rules_load(args[0], &j->rules, err));
    TRY(rules_edit_check(j->rules, err));
    TRY(labels_path ? labels_read(labels_path, &j->labels, err)
                    : labels_from_folders(&j->labels, err));
    TRY(samples_open(args[1], &j->samples, err));
    TRY(score(args[1], j, err));
    const calibrate_options how = {*goal, (size_t)n_folds, (uint64_t)seed};
    TRY(calibrate(&j->results, j->rules, j->labels, &how, &j->calibration, err));
    TRY(write_rules(j, err));
    if (plot_path && !dry_run)
        TRY(write_plot(j, err));
    const char *first;
    size_t n_unused = labels_unused(j->labels, &first, 1);
    if (n_unused)
        cli_note("ken calibrate: %zu labelled ids are not among the images, such as '%s'", n_unused,
                 first);
    return print_results(j->calibration, err);
}

static int run(int n_args, char **args) {
    threshold_goal goal;
    int code = check_usage(n_args, args, &goal);
    if (code)
        return code;
    cli_catch_signals();
    job j = {0};
    ken_error err;
    if (run_job(args, &goal, &j, &err) != KEN_OK)
        code = cli_fail(&err);
    else
        code = cli_finish(j.calibration->n_fitted < j.calibration->n_categories);
    job_free(&j);
    return code;
}

const command cmd_calibrate = {
    .name = "calibrate",
    .group = "Work with photos",
    .summary = "fit the thresholds of rules to labelled images",
    .usage = "RULES.yaml COLLECTION --labels FILE -o FITTED.yaml",
    .details =
        "Chooses for each category of RULES.yaml the threshold that serves the goal best on the "
        "labelled images of COLLECTION, and says what precision and recall to expect of it on "
        "other images: every image is decided with thresholds that were fitted without it.\n\n"
        "FITTED.yaml is RULES.yaml with other thresholds and nothing else changed: comments, order "
        "and quotes stay. RULES.yaml itself is never overwritten.\n\n"
        "A category with fewer labelled images than folds is left as it is, and so is one for "
        "which no threshold reaches the target. --json and --plot also give a probability for each "
        "score, by Platt's curve and by isotonic regression.\n\n"
        "Exit code 1 when some categories were left as they are, 65 when all were.",
    .examples = "  ken calibrate clothes.yaml photos.parquet --folders-as-labels -o fitted.yaml\n"
                "  ken calibrate clothes.yaml photos.parquet --labels labels.csv \\\n"
                "      --target-precision 0.95 -o fitted.yaml --plot fitted.svg\n",
    .options = options,
    .run = run,
};
