/* ken probe: a linear probe on embeddings: train it, apply it, measure it. */
#include "base/file.h"
#include "base/mem.h"
#include "cli/classify_output.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output_check.h"
#include "tasks/probe/apply.h"
#include "tasks/probe/probe.h"

#include <math.h>
#include <string.h>

static const char *labels_path, *class_weight;
static bool folders_as_labels, all;
static double c_value, validation = 0.2;
static int64_t few_shot, seed, top_k;
static classify_output output = {.max_thumbnails = REPORT_DEFAULT_THUMBNAILS};

static const option *options(void) {
    static const option table[] = {
        {.type = OPTION_GROUP, .help = "Labels"},
        {"labels", 0, OPTION_TEXT, &labels_path, "FILE", "CSV with id and label", NULL, 0, 0},
        {"folders-as-labels", 0, OPTION_FLAG, &folders_as_labels, NULL,
         "take the name of each image's folder as its label", NULL, 0, 0},
        {.type = OPTION_GROUP, .help = "Training"},
        {"c", 0, OPTION_NUMBER, &c_value, "C",
         "inverse strength of the penalty, as scikit-learn's (default: chosen on the held-out "
         "part)",
         NULL, 1e-12, 1e12},
        {"validation", 0, OPTION_NUMBER, &validation, "SHARE",
         "share of each class held out to choose C by (default 0.2)", NULL, 0.01, 0.9},
        {"class-weight", 0, OPTION_CHOICE, &class_weight, NULL,
         "balanced: classes weigh alike, however many images they have (default none)",
         "none|balanced", 0, 0},
        {"few-shot", 0, OPTION_INT, &few_shot, "K",
         "learn from K images of each class, and measure on the others", NULL, 1, 1000000},
        {"seed", 0, OPTION_INT, &seed, "S", "which images are drawn and held out (default 0)", NULL,
         0, 0},
        {.type = OPTION_GROUP, .help = "Results"},
        {"output", 'o', OPTION_TEXT, &output.path, "FILE",
         "the head, or the rows that 'apply' writes", NULL, 0, 0},
        {"format", 0, OPTION_CHOICE, &output.format, NULL,
         "format of the rows of 'apply' (default by the extension, else table)",
         "table|csv|jsonl|json|parquet", 0, 0},
        {"all", 0, OPTION_FLAG, &all, NULL, "rows for every class, not only the best", NULL, 0, 0},
        {"top-k", 0, OPTION_INT, &top_k, "N", "at most N rows an image, with --all", NULL, 1,
         1000000},
        {"threads", 0, OPTION_INT, &common.threads, "N",
         "threads to use (default: the CPUs this process may run on)", NULL, 1, 1024},
        {"cpu", 0, OPTION_TEXT, &common.cpu, "TIER",
         "use the kernels of this CPU tier instead of the best one (see ken doctor)", NULL, 0, 0},
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

static ken_status choose_kernels(const kernels **out, ken_error *err) {
    const char *reason = NULL;
    *out = common.cpu ? kernels_find(common.cpu, &reason) : kernels_best();
    return *out ? KEN_OK
                : error_set(err, KEN_BAD_ARGUMENT, "CPU tier '%s' cannot be used: %s", common.cpu,
                            reason);
}

static ken_status read_labels(labels **out, ken_error *err) {
    return labels_path ? labels_read(labels_path, out, err) : labels_from_folders(out, err);
}

static void warn_of_unused(const labels *l) {
    const char *first;
    size_t n = labels_unused(l, &first, 1);
    if (n)
        cli_note("ken probe: %zu labels are of ids that the collection does not have, such as '%s'",
                 n, first);
}

/* ---- train ----------------------------------------------------------------------------------- */

static void put_percent(buf *out, const char *what, double share) {
    if (!isnan(share))
        buf_printf(out, "%s %.1f%%\n", what, 100 * share);
}

static void put_report(buf *out, const probe_report *r) {
    if (r->n_candidates)
        buf_printf(out, "%12s %10s %10s %6s\n", "C", "accuracy", "loss", "steps");
    for (size_t i = 0; i < r->n_candidates; i++) {
        const probe_candidate *c = &r->candidates[i];
        buf_printf(out, "%12.4g %9.1f%% %10.4f %6d%s\n", c->c, 100 * c->accuracy, c->loss,
                   c->n_iterations, c->c == r->c ? "  chosen" : "");
    }
    buf_printf(out, "%zu classes, %zu images, %zu of them held out to choose C = %.4g\n",
               r->n_classes, r->n_train + r->n_validation, r->n_validation, r->c);
    buf_printf(out, "loss %.4f after %d steps%s, %.2f s\n", r->loss, r->n_iterations,
               r->converged ? "" : " (not converged)", r->seconds);
    put_percent(out, "accuracy on the images it was trained on", r->train_accuracy);
    if (r->n_rest)
        put_percent(out, "accuracy on the images that were not drawn", r->rest_accuracy);
}

static void put_number(buf *out, const char *key, double value) {
    if (isfinite(value))
        buf_printf(out, ",\"%s\":%.9g", key, value);
    else
        buf_printf(out, ",\"%s\":null", key);
}

static void put_report_json(buf *out, const probe_report *r) {
    buf_puts(out, "{\"output\":");
    buf_put_json(out, output.path, strlen(output.path));
    buf_printf(out, ",\"n_classes\":%zu,\"n_train\":%zu,\"n_validation\":%zu,\"n_rest\":%zu",
               r->n_classes, r->n_train, r->n_validation, r->n_rest);
    put_number(out, "c", r->c);
    put_number(out, "loss", r->loss);
    put_number(out, "objective", r->objective);
    put_number(out, "train_accuracy", r->train_accuracy);
    put_number(out, "rest_accuracy", r->rest_accuracy);
    put_number(out, "seconds", r->seconds);
    buf_printf(out, ",\"n_iterations\":%d,\"converged\":%s,\"candidates\":[", r->n_iterations,
               r->converged ? "true" : "false");
    for (size_t i = 0; i < r->n_candidates; i++) {
        const probe_candidate *c = &r->candidates[i];
        buf_printf(out, "%s{\"n_iterations\":%d", i ? "," : "", c->n_iterations);
        put_number(out, "c", c->c);
        put_number(out, "accuracy", c->accuracy);
        put_number(out, "loss", c->loss);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

static ken_status print(void (*put)(buf *, const probe_report *), const probe_report *r,
                        ken_error *err) {
    buf text;
    buf_init(&text, 1 << 20);
    put(&text, r);
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
    return status;
}

static ken_status train(const samples *s, ken_pool *pool, const kernels *k, ken_error *err) {
    labels *l = NULL;
    head *h = NULL;
    probe_report report;
    ken_status status = read_labels(&l, err);
    if (status == KEN_OK) {
        const probe_options chosen = {
            .c = c_value,
            .balanced = class_weight && strcmp(class_weight, "balanced") == 0,
            .split = {c_value > 0 ? 0 : validation, (size_t)few_shot, (uint64_t)seed},
            .kernels = k,
            .pool = pool,
            .cancel = &cli_cancelled,
        };
        status = probe_train(s, l, &chosen, &h, &report, err);
    }
    if (status == KEN_OK)
        warn_of_unused(l);
    if (status == KEN_OK && c_value == 0 && report.n_validation == 0)
        cli_note("ken probe: there are too few images of each class to hold some out; C is 1");
    if (status == KEN_OK)
        status = head_save(h, output.path, err);
    if (status == KEN_OK && (common.json || !common.quiet))
        status = print(common.json ? put_report_json : put_report, &report, err);
    head_free(h);
    labels_free(l);
    return status;
}

/* ---- apply and eval -------------------------------------------------------------------------- */

static ken_status evaluate(const results *r, ken_pool *pool, ken_error *err) {
    labels *l = NULL;
    evaluation *e = NULL;
    buf text;
    buf_init(&text, (size_t)1 << 30);
    const evaluation_options how = {EVALUATION_DEFAULT_RESAMPLES, (uint64_t)seed, pool};
    ken_status status = read_labels(&l, err);
    if (status == KEN_OK)
        status = evaluation_of_results(r, l, &how, &e, err);
    if (status == KEN_OK)
        warn_of_unused(l);
    if (status == KEN_OK)
        status =
            common.json ? evaluation_put_json(e, &text, err) : evaluation_put_text(e, &text, err);
    if (status == KEN_OK)
        fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
    evaluation_free(e);
    labels_free(l);
    return status;
}

static ken_status apply(const char *head_path, const char *collection_path, const samples *s,
                        bool evaluates, ken_pool *pool, const kernels *k, ken_error *err) {
    head *h;
    TRY(head_load(head_path, &h, err));
    rules *by = NULL;
    classifier *c = NULL;
    results r = {0};
    ken_status status = head_match(h, head_path, &s->meta, collection_path, err);
    if (status == KEN_OK)
        status = head_classifier(h, k, CLASSIFY_SOFTMAX, &by, &c, err);
    if (status == KEN_OK)
        status = results_init(&r, c, s, pool, err);
    r.all = all;
    r.top_k = (size_t)top_k;
    if (status == KEN_OK)
        status = evaluates ? evaluate(&r, pool, err)
                           : classify_write(&output, &r, NULL, NULL, NULL, err);
    results_reset(&r);
    classifier_free(c);
    rules_free(by);
    head_free(h);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

typedef enum action { ACTION_TRAIN, ACTION_APPLY, ACTION_EVAL } action;

static int find_action(int n_args, char **args, action *out) {
    static const char *const names[] = {"train", "apply", "eval"};
    for (size_t i = 0; n_args > 0 && i < 3; i++) {
        if (strcmp(args[0], names[i]) == 0) {
            *out = (action)i;
            return 0;
        }
    }
    return cli_usage(n_args ? "unknown action '%s', expected train, apply or eval"
                            : "expected train, apply or eval",
                     n_args ? args[0] : "");
}

static int check_usage(action a, int n_args, char **args) {
    if (a == ACTION_TRAIN && n_args != 2)
        return cli_usage("'train' takes one collection, found %d", n_args - 1);
    if (a != ACTION_TRAIN && n_args != 3)
        return cli_usage("'%s' takes a head and a collection, found %d arguments", args[0],
                         n_args - 1);
    if (a != ACTION_APPLY && !labels_path && !folders_as_labels)
        return cli_usage("no labels were given: add '--labels FILE' or '--folders-as-labels'");
    if (labels_path && folders_as_labels)
        return cli_usage("'--labels' and '--folders-as-labels' cannot both be given");
    if (a == ACTION_TRAIN && !output.path)
        return cli_usage("no output was named: give '-o head.safetensors'");
    if (a == ACTION_EVAL && output.path)
        return cli_usage("'eval' prints its result: '-o' has nothing to write");
    int bad = output_check(output.path, (const char *const *)args + 1, (size_t)n_args - 1);
    if (!bad)
        bad = output_check(output.path, &labels_path, 1);
    return bad || a != ACTION_APPLY ? bad : classify_output_check(&output);
}

static int run(int n_args, char **args) {
    action a;
    int bad = find_action(n_args, args, &a);
    if (!bad)
        bad = check_usage(a, n_args, args);
    if (bad)
        return bad;
    cli_catch_signals();
    const char *collection_path = args[n_args - 1];
    const kernels *k;
    samples *s = NULL;
    ken_pool *pool = NULL;
    ken_error err;
    ken_status status = choose_kernels(&k, &err);
    if (status == KEN_OK)
        status = samples_open(collection_path, &s, &err);
    if (status == KEN_OK)
        status = ken_pool_new(cli_threads(), &pool, &err);
    if (status == KEN_OK)
        status = a == ACTION_TRAIN
                     ? train(s, pool, k, &err)
                     : apply(args[1], collection_path, s, a == ACTION_EVAL, pool, k, &err);
    ken_pool_free(pool);
    samples_free(s);
    return status == KEN_OK ? 0 : cli_fail(&err);
}

const command cmd_probe = {
    .name = "probe",
    .group = "Work with photos",
    .summary = "train, apply and measure a linear probe on embeddings",
    .usage = "train COLLECTION -o HEAD | apply HEAD COLLECTION | eval HEAD COLLECTION",
    .details =
        "train: multinomial logistic regression by L-BFGS on the labelled images of COLLECTION. "
        "The strength of the penalty is chosen on a part of each class that is held out, as "
        "CLIP's authors did, and the head is then fitted on all. HEAD is a safetensors file with "
        "the labels and the model's identity in its metadata.\n\n"
        "apply: the best class of each image and its probability; 'ken classify --head' does the "
        "same for pictures. pos_sim is the class's logit.\n\n"
        "A head may also be a .pth file with the state dict of a torch.nn.Linear, such as LAION's "
        "aesthetic predictors; with one output the score is that number.\n\n"
        "eval: accuracy, precision, recall and confusion on labelled images. Measure on images "
        "that the head was not trained on.",
    .examples =
        "  ken probe train train.parquet --folders-as-labels -o clothes.safetensors\n"
        "  ken probe eval clothes.safetensors test.parquet --folders-as-labels\n"
        "  ken probe train photos.parquet --labels labels.csv --few-shot 16 -o few.safetensors\n",
    .options = options,
    .run = run,
};
