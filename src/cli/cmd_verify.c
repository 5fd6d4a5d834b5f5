/* ken verify: parity with stored reference activations. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "tasks/verify/verify.h"

#include <math.h>
#include <string.h>

static const char *photos;
static double min_cosine, max_abs_diff;

static const option *options(void) {
    static const option table[] = {
        {"photos", 0, OPTION_TEXT, &photos, "DIR",
         "folder of the photos that a goldens.json names; without it only texts are checked", NULL,
         0, 0},
        {"min-cosine", 0, OPTION_NUMBER, &min_cosine, "X",
         "smallest cosine of a vector to its reference (default by precision: f32 0.999999, s16 "
         "0.99999, int8 and auto 0.995)",
         NULL, 0.5, 1},
        {"max-abs-diff", 0, OPTION_NUMBER, &max_abs_diff, "X",
         "largest difference of a number from its reference (default by precision: f32 1e-4, s16 "
         "5e-2, int8 and auto 0.5)",
         NULL, 1e-9, 1e3},
        COMMON_MODEL_OPTIONS,
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

/* Bad numbers print as null: JSON has no NaN. */
static void put_number(buf *out, int digits, double value) {
    if (isfinite(value))
        buf_printf(out, "%.*g", digits, value);
    else
        buf_puts(out, "null");
}

static void put_row_json(buf *out, const verify_row *row) {
    buf_puts(out, "{\"name\":");
    buf_put_json(out, row->name, strlen(row->name));
    buf_printf(out, ",\"n_vectors\":%zu,\"width\":%zu,\"max_abs_diff\":", row->n_vectors,
               row->width);
    put_number(out, 6, row->max_abs_diff);
    buf_puts(out, ",\"min_cosine\":");
    put_number(out, 10, row->min_cosine);
    buf_printf(out, ",\"ok\":%s,\"problem\":", row->ok ? "true" : "false");
    buf_put_json(out, row->problem, strlen(row->problem));
    buf_puts(out, "}");
}

/* How many linear layers a tower has in int8, and which AUTO keeps in s16. */
static ken_status put_towers_json(buf *out, const ken_model *model, ken_error *err) {
    static const char *const names[] = {"text", "vision"};
    const char *comma = "";
    buf_puts(out, ",\"towers\":{");
    for (int images = 0; images < 2; images++) {
        size_t n_int8, n = model_layer_count(model, images, &n_int8);
        if (n == 0)
            continue;
        buf_printf(out, "%s\"%s\":{\"n_layers\":%zu,\"n_int8\":%zu,\"kept_in_s16\":\"", comma,
                   names[images], n, n_int8);
        TRY(model_put_s16_layers(model, images, out, err));
        buf_puts(out, "\"}");
        comma = ",";
    }
    buf_puts(out, "}");
    return buf_check(out, err);
}

static ken_status put_json(buf *out, const ken_model *model, const verify_report *r,
                           const ken_model_info *info, ken_error *err) {
    buf_puts(out, "{\"model\":");
    buf_put_json(out, info->id, strlen(info->id));
    buf_printf(out,
               ",\"cpu_tier\":\"%s\",\"precision\":\"%s\",\"n_compared\":%zu,\"n_failed\":%zu,"
               "\"n_without_reference\":%zu,\"n_embeddings\":%zu,\"cosine_min\":",
               info->cpu_tier, ken_precision_name(info->precision), r->n_rows, r->n_failed,
               r->n_without_reference, r->n_embeddings);
    put_number(out, 10, r->cosine_min);
    buf_puts(out, ",\"cosine_mean\":");
    put_number(out, 10, r->cosine_mean);
    TRY(put_towers_json(out, model, err));
    buf_puts(out, ",\"layers\":[");
    for (size_t i = 0; i < r->n_rows; i++) {
        buf_puts(out, i ? ",\n" : "\n");
        put_row_json(out, &r->rows[i]);
    }
    buf_puts(out, "]}\n");
    return buf_check(out, err);
}

static void put_row(buf *out, const verify_row *row) {
    buf_printf(out, "%-24s ", row->name);
    if (row->problem[0])
        buf_printf(out, "%s: differs\n", row->problem);
    else
        buf_printf(out, "%7zu %6zu %13.2e %13.9f  %s\n", row->n_vectors, row->width,
                   row->max_abs_diff, row->min_cosine, row->ok ? "ok" : "differs");
}

static void put_table(buf *out, const verify_report *r, const ken_model_info *info) {
    buf_printf(out, "%-24s %7s %6s %13s %13s\n", "layer", "vectors", "width", "max abs diff",
               "min cosine");
    for (size_t i = 0; i < r->n_rows; i++)
        put_row(out, &r->rows[i]);
    buf_printf(out,
               "%zu of %zu agree with the reference (%s, %s; limits: cosine %g, difference "
               "%g)\n",
               r->n_rows - r->n_failed, r->n_rows, ken_precision_name(info->precision),
               info->cpu_tier, r->min_cosine, r->max_abs_diff);
    if (r->n_embeddings)
        buf_printf(out, "cosine of %zu embeddings to the reference: min %.9f, mean %.9f\n",
                   r->n_embeddings, r->cosine_min, r->cosine_mean);
    if (r->n_without_reference)
        buf_printf(out, "%zu layers computed have no reference in the goldens\n",
                   r->n_without_reference);
}

static ken_status print_report(const ken_model *model, const verify_report *report,
                               ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    buf text;
    buf_init(&text, (size_t)1 << 26);
    ken_status status = KEN_OK;
    if (common.json)
        status = put_json(&text, model, report, &info, err);
    else if (!common.quiet)
        put_table(&text, report, &info);
    if (status == KEN_OK)
        status = buf_check(&text, err);
    if (status == KEN_OK && text.size)
        fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
    return status;
}

static ken_status verify(const ken_model *model, const char *goldens, verify_report *report,
                         ken_error *err) {
    buf path;
    buf_init(&path, 1 << 16);
    ken_pool *pool = NULL;
    ken_status status = ken_pool_new(cli_threads(), &pool, err);
    if (status == KEN_OK && !goldens)
        status = verify_find_goldens(model_dir(model), &path, err);
    if (status == KEN_OK) {
        const verify_options chosen = {photos, min_cosine, max_abs_diff, pool};
        status = verify_run(model, goldens ? goldens : path.data, &chosen, report, err);
    }
    ken_pool_free(pool);
    buf_free(&path);
    return status;
}

static int run(int n_args, char **args) {
    bool named = !common.model && n_args > 0; /* by the first argument */
    if (n_args > named + 1)
        return cli_usage("expected a model and its goldens, found %d arguments", n_args);
    const char *goldens = n_args > named ? args[named] : NULL;
    ken_error err;
    ken_model *model;
    ken_status loaded = named ? cli_load_model_named(args[0], NULL, &model, NULL, NULL, &err)
                              : cli_load_model(NULL, &model, NULL, NULL, &err);
    if (loaded != KEN_OK)
        return cli_fail(&err);
    verify_report report = {0};
    ken_status status = verify(model, goldens, &report, &err);
    if (status == KEN_OK)
        status = print_report(model, &report, &err);
    int code = status != KEN_OK ? cli_fail(&err) : report.n_failed ? 1 : 0;
    verify_report_free(&report);
    ken_model_free(model);
    return code;
}

const command cmd_verify = {
    .name = "verify",
    .group = "Look inside",
    .summary = "compare a model with stored reference activations",
    .usage = "MODEL [GOLDENS]",
    .details =
        "Computes what GOLDENS holds (by default MODEL/goldens.safetensors, else "
        "MODEL/goldens.json) and compares every layer: the largest difference of a number, and the "
        "smallest cosine of a vector, to the reference. A .safetensors file holds inputs and the "
        "reference's activations; a .json file holds photos' names, texts, token ids and "
        "embeddings, and so checks decoding, preprocessing and tokenization as well.\n\n"
        "Exit code 1 when something differs.",
    .examples = "  ken verify tests/data/models/hf_siglip\n"
                "  ken verify demo --photos examples/photos\n"
                "  ken verify demo --cpu avx2 --json\n",
    .options = options,
    .run = run,
};
