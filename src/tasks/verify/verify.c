/* tasks/verify/verify.c: choosing the reader of the goldens, and the rows of the report. */
#include "tasks/verify/verify.h"

#include "base/file.h"
#include "tasks/verify/verify_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a precision is held to, unless the user says otherwise. */
static const struct limits {
    double min_cosine, max_abs_diff;
} limits_of[] = {[KEN_PRECISION_F32] = {0.999999, 1e-4},
                 [KEN_PRECISION_S16] = {0.99999, 5e-2},
                 [KEN_PRECISION_INT8] = {0.995, 0.5},
                 [KEN_PRECISION_AUTO] = {0.995, 0.5}};

ken_status verify_find_goldens(const char *dir, buf *path, ken_error *err) {
    static const char *const names[] = {"goldens.safetensors", "goldens.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!file_join(path, dir, names[i]))
            return buf_check(path, err);
        if (file_exists(path->data))
            return KEN_OK;
    }
    error_set(err, KEN_NOT_FOUND,
              "no goldens in '%s': neither goldens.safetensors nor goldens.json", dir);
    return error_hint(err, KEN_NOT_FOUND,
                      "name the file: ken verify MODEL GOLDENS; docs/models/goldens.md says how to "
                      "make one");
}

verify_row *report_find(const verify_report *report, const char *name) {
    for (size_t i = 0; i < report->n_rows; i++)
        if (strcmp(report->rows[i].name, name) == 0)
            return &report->rows[i];
    return NULL;
}

/* The next row, zeroed but for its name. */
static ken_status add_row(verify_report *report, const char *name, verify_row **out,
                          ken_error *err) {
    size_t size = report->n_rows * sizeof *report->rows;
    verify_row *rows = mem_grow(report->rows, size, size + sizeof *rows);
    if (!rows)
        return error_no_memory(err, size + sizeof *rows);
    report->rows = rows;
    char *copy = arena_strdup(&report->memory, name);
    if (!copy)
        return error_no_memory(err, strlen(name) + 1);
    rows[report->n_rows] = (verify_row){.name = copy, .min_cosine = 1, .problem = ""};
    *out = &rows[report->n_rows++];
    return KEN_OK;
}

/* 1 for two zero vectors: a picture's features behind a ReLU may be exactly that. -1, the worst,
 * when a number is not finite: no NaN may slip through a comparison. */
static double cosine(const float *a, const float *b, size_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    if (aa == 0 && bb == 0)
        return 1;
    double value = aa == 0 || bb == 0 ? 0 : ab / sqrt(aa * bb);
    return isfinite(value) ? value : -1;
}

/* Infinite when a number is not finite. */
static double abs_diff(const float *a, const float *b, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double diff = fabs((double)a[i] - b[i]);
        if (isnan(diff))
            return INFINITY;
        largest = fmax(largest, diff);
    }
    return largest;
}

static void count_embedding(verify_report *report, double value) {
    size_t n = report->n_embeddings++;
    report->cosine_min = fmin(report->cosine_min, value);
    report->cosine_mean = (report->cosine_mean * (double)n + value) / (double)(n + 1);
}

ken_status report_compare(verify_report *report, const char *name, const float *got,
                          const float *expected, const size_t *order, size_t n_vectors,
                          size_t width, ken_error *err) {
    verify_row *row = report_find(report, name);
    if (!row)
        TRY(add_row(report, name, &row, err));
    report->n_failed -= row->n_vectors && !row->ok;
    row->n_vectors += n_vectors;
    row->width = width;
    bool embeddings = strcmp(name, "image_embeddings") == 0 || strcmp(name, "text_embeddings") == 0;
    for (size_t i = 0; i < n_vectors; i++) {
        const float *a = got + i * width, *b = expected + (order ? order[i] : i) * width;
        double diff = abs_diff(a, b, width), c = cosine(a, b, width);
        row->max_abs_diff = fmax(row->max_abs_diff, diff);
        row->min_cosine = fmin(row->min_cosine, c);
        if (embeddings)
            count_embedding(report, c);
    }
    row->ok = row->max_abs_diff <= report->max_abs_diff && row->min_cosine >= report->min_cosine;
    report->n_failed += !row->ok;
    return KEN_OK;
}

ken_status report_same(verify_report *report, const char *name, size_t n_vectors, ken_error *err) {
    verify_row *row = NULL;
    TRY(add_row(report, name, &row, err));
    row->n_vectors = n_vectors;
    row->ok = true;
    return KEN_OK;
}

ken_status report_problem(verify_report *report, const char *name, ken_error *err,
                          const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    verify_row *row = NULL;
    TRY(add_row(report, name, &row, err));
    row->min_cosine = row->max_abs_diff = NAN;
    report->n_failed++;
    row->problem = arena_strdup(&report->memory, text);
    if (row->problem)
        return KEN_OK;
    row->problem = "";
    return error_no_memory(err, sizeof text);
}

ken_status verify_run(const ken_model *model, const char *goldens_path,
                      const verify_options *options, verify_report *report, ken_error *err) {
    verify_options chosen = options ? *options : (verify_options){0};
    *report = (verify_report){.cosine_min = 1, .cosine_mean = 1};
    ken_model_info info;
    ken_model_get_info(model, &info);
    struct limits limits = limits_of[info.precision];
    report->min_cosine = chosen.min_cosine != 0 ? chosen.min_cosine : limits.min_cosine;
    report->max_abs_diff = chosen.max_abs_diff != 0 ? chosen.max_abs_diff : limits.max_abs_diff;
    if (strcmp(file_extension(goldens_path), ".json") == 0)
        return verify_photos(model, goldens_path, &chosen, report, err);
    return verify_layers(model, goldens_path, &chosen, report, err);
}

void verify_report_free(verify_report *report) {
    arena_free(&report->memory);
    MEM_FREE(report->rows);
    *report = (verify_report){0};
}
