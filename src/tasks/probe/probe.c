#include "tasks/probe/probe.h"

#include "base/checked.h"
#include "base/sys.h"
#include "train/logistic.h"

#include <math.h>
#include <string.h>

enum { coarse_first = -6, coarse_last = 6, coarse_step = 2, refinements = 4 };
static const double default_c = 1;

/* What a run owns. Rows of x: those to learn from, to choose by, the rest. */
typedef struct training {
    const probe_options *options;
    const split *split;
    probe_report *report;
    float *x;       /* [n, D] */
    float *weights; /* [n_train + n_validation], or NULL */
    double *w, *b;  /* [C, D], [C] of the fit at hand */
    probe_candidate best;
    double *best_w, *best_b;
    float *w32, *b32, *packed, *logits;
    size_t dim;
} training;

/* ---- the data -------------------------------------------------------------------------------- */

static size_t n_all(const split *s) {
    return s->n_train + s->n_validation + s->n_rest;
}

enum { rows_at_once = 256 };

static ken_status allocate(training *t, ken_error *err) {
    const split *s = t->split;
    size_t nr = t->options->kernels->gemm_f32_nr, x_bytes, w_bytes;
    size_t columns = (s->n_classes + nr - 1) / nr * nr;
    if (!checked_mul3(n_all(s), t->dim, sizeof *t->x, &x_bytes) ||
        !checked_mul3(columns, t->dim, sizeof *t->w, &w_bytes))
        return error_no_memory(err, SIZE_MAX);
    t->x = mem_alloc(x_bytes);
    t->w = mem_zalloc(1, w_bytes);
    t->b = mem_zalloc(s->n_classes, sizeof *t->b);
    t->best_w = mem_alloc(w_bytes);
    t->best_b = mem_alloc(s->n_classes * sizeof *t->best_b);
    t->w32 = mem_alloc(w_bytes);
    t->b32 = mem_alloc(s->n_classes * sizeof *t->b32);
    t->packed = mem_alloc(w_bytes);
    t->logits = mem_alloc(rows_at_once * s->n_classes * sizeof *t->logits);
    if (t->options->balanced)
        t->weights = mem_alloc((s->n_train + s->n_validation) * sizeof *t->weights);
    return t->x && t->w && t->b && t->best_w && t->best_b && t->w32 && t->b32 && t->packed &&
                   t->logits && (t->weights || !t->options->balanced)
               ? KEN_OK
               : error_no_memory(err, x_bytes);
}

static void release(training *t) {
    mem_free(t->x);
    mem_free(t->weights);
    mem_free(t->w);
    mem_free(t->b);
    mem_free(t->best_w);
    mem_free(t->best_b);
    mem_free(t->w32);
    mem_free(t->b32);
    mem_free(t->packed);
    mem_free(t->logits);
}

/* n / (C n_class), as scikit-learn balances, over the first n samples. */
static ken_status balance(training *t, size_t n, ken_error *err) {
    size_t n_classes = t->split->n_classes;
    size_t *counts = mem_zalloc(n_classes, sizeof *counts);
    if (!counts)
        return error_no_memory(err, n_classes * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[t->split->y[i]]++;
    for (size_t i = 0; i < n; i++)
        t->weights[i] = (float)((double)n / ((double)n_classes * (double)counts[t->split->y[i]]));
    mem_free(counts);
    return KEN_OK;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* Counts the right answers among rows of logits, and adds up their losses. */
static void judge(const float *logits, const uint32_t *y, size_t rows, size_t n_classes,
                  size_t *n_right, double *loss) {
    for (size_t r = 0; r < rows; r++, logits += n_classes) {
        size_t best = 0;
        for (size_t c = 1; c < n_classes; c++)
            best = logits[c] > logits[best] ? c : best;
        double sum = 0;
        for (size_t c = 0; c < n_classes; c++)
            sum += exp((double)logits[c] - (double)logits[best]);
        *n_right += best == y[r];
        *loss += log(sum) + (double)logits[best] - (double)logits[y[r]];
    }
}

/* The fit at hand on samples [begin, begin + n). */
static void measure(const training *t, size_t begin, size_t n, double *accuracy, double *loss) {
    const kernels *k = t->options->kernels;
    size_t n_classes = t->split->n_classes, n_right = 0;
    for (size_t i = 0; i < n_classes * t->dim; i++)
        t->w32[i] = (float)t->w[i];
    for (size_t c = 0; c < n_classes; c++)
        t->b32[c] = (float)t->b[c];
    k->gemm_f32_pack(t->w32, t->dim, n_classes, t->dim, t->packed);
    *loss = 0;
    for (size_t at = begin, rows; at < begin + n; at += rows) {
        rows = begin + n - at < rows_at_once ? begin + n - at : rows_at_once;
        k->gemm_f32(&(gemm_f32_args){.a = t->x + at * t->dim,
                                     .lda = t->dim,
                                     .b = t->packed,
                                     .bias = t->b32,
                                     .c = t->logits,
                                     .ldc = n_classes,
                                     .m = rows,
                                     .n = n_classes,
                                     .k = t->dim});
        judge(t->logits, t->split->y + at, rows, n_classes, &n_right, loss);
    }
    *accuracy = n ? (double)n_right / (double)n : NAN;
    *loss = n ? *loss / (double)n : NAN;
}

/* ---- choosing C ------------------------------------------------------------------------------ */

static ken_status fit(training *t, logistic *problem, double c, double total_weight,
                      logistic_result *result, ken_error *err) {
    const logistic_options options = {.l2 = 1 / (c * total_weight), .cancel = t->options->cancel};
    return logistic_fit(problem, &options, t->w, t->b, result, err);
}

/* Higher accuracy is better, then lower loss, then the stronger penalty. */
static bool is_better(const probe_candidate *a, const probe_candidate *b) {
    if (a->accuracy != b->accuracy)
        return a->accuracy > b->accuracy;
    if (a->loss != b->loss)
        return a->loss < b->loss;
    return a->c < b->c;
}

static void insert(probe_report *r, const probe_candidate *candidate) {
    size_t at = r->n_candidates++;
    for (; at > 0 && r->candidates[at - 1].c > candidate->c; at--)
        r->candidates[at] = r->candidates[at - 1];
    r->candidates[at] = *candidate;
}

static void copy_fit(const training *t, const double *w, const double *b, double *to_w,
                     double *to_b) {
    memcpy(to_w, w, t->split->n_classes * t->dim * sizeof *w);
    memcpy(to_b, b, t->split->n_classes * sizeof *b);
}

/* Fits from the best solution so far: neighbours in C are neighbours in W. */
static ken_status try_c(training *t, logistic *problem, double log10_c, ken_error *err) {
    probe_candidate candidate = {.c = pow(10, log10_c)};
    logistic_result result;
    if (t->report->n_candidates)
        copy_fit(t, t->best_w, t->best_b, t->w, t->b);
    TRY(fit(t, problem, candidate.c, (double)t->split->n_train, &result, err));
    candidate.n_iterations = result.n_iterations;
    measure(t, t->split->n_train, t->split->n_validation, &candidate.accuracy, &candidate.loss);
    if (t->report->n_candidates == 0 || is_better(&candidate, &t->best)) {
        t->best = candidate;
        copy_fit(t, t->w, t->b, t->best_w, t->best_b);
    }
    insert(t->report, &candidate);
    return KEN_OK;
}

static ken_status sweep(training *t, ken_error *err) {
    const split *s = t->split;
    if (t->weights)
        TRY(balance(t, s->n_train, err));
    const logistic_data data = {t->x, s->y, t->weights, s->n_train, t->dim, s->n_classes};
    logistic *problem;
    TRY(logistic_new(&data, t->options->kernels, t->options->pool, &problem, err));
    ken_status status = KEN_OK;
    for (int c = coarse_first; c <= coarse_last && status == KEN_OK; c += coarse_step)
        status = try_c(t, problem, c, err);
    double step = coarse_step;
    for (int i = 0; i < refinements && status == KEN_OK; i++) {
        double centre = log10(t->best.c);
        step /= 2;
        status = try_c(t, problem, centre + step, err);
        if (status == KEN_OK)
            status = try_c(t, problem, centre - step, err);
    }
    logistic_free(problem);
    t->report->c = t->best.c;
    copy_fit(t, t->best_w, t->best_b, t->w, t->b);
    return status;
}

/* ---- the head -------------------------------------------------------------------------------- */

static ken_status fit_all(training *t, ken_error *err) {
    const split *s = t->split;
    probe_report *r = t->report;
    size_t n = s->n_train + s->n_validation;
    if (t->weights)
        TRY(balance(t, n, err));
    const logistic_data data = {t->x, s->y, t->weights, n, t->dim, s->n_classes};
    logistic *problem;
    logistic_result result;
    TRY(logistic_new(&data, t->options->kernels, t->options->pool, &problem, err));
    ken_status status = fit(t, problem, r->c, (double)n, &result, err);
    logistic_free(problem);
    TRY(status);
    r->objective = result.objective;
    r->loss = result.loss;
    r->n_iterations = result.n_iterations;
    r->converged = result.converged;
    double loss;
    measure(t, 0, n, &r->train_accuracy, &loss);
    measure(t, n, s->n_rest, &r->rest_accuracy, &loss);
    return KEN_OK;
}

static ken_status make_head(const training *t, const collection_meta *meta, head **out,
                            ken_error *err) {
    const split *s = t->split;
    TRY(head_new(s->classes, s->n_classes, t->dim, meta, out, err));
    head *h = *out;
    for (size_t i = 0; i < s->n_classes * t->dim; i++)
        h->weight[i] = (float)t->w[i];
    for (size_t c = 0; c < s->n_classes; c++)
        h->bias[c] = (float)t->b[c];
    h->training =
        (head_training){.c = t->report->c,
                        .validation_accuracy = t->report->n_candidates ? t->best.accuracy : NAN,
                        .n_samples = s->n_train + s->n_validation,
                        .n_validation = s->n_validation,
                        .seed = t->options->split.seed};
    return KEN_OK;
}

static ken_status train(training *t, const samples *s, head **out, ken_error *err) {
    const split *parts = t->split;
    TRY(allocate(t, err));
    for (size_t i = 0; i < n_all(parts); i++)
        memcpy(t->x + i * t->dim, s->embeddings + parts->samples[i] * t->dim,
               t->dim * sizeof *t->x);
    if (t->options->c > 0)
        t->report->c = t->options->c;
    else if (parts->n_validation == 0)
        t->report->c = default_c;
    else
        TRY(sweep(t, err));
    TRY(fit_all(t, err));
    return make_head(t, &s->meta, out, err);
}

ken_status probe_train(const samples *s, const labels *l, const probe_options *options, head **out,
                       probe_report *report, ken_error *err) {
    double begin = sys_seconds();
    *out = NULL;
    split *parts;
    TRY(split_new(l, s, &options->split, &parts, err));
    *report = (probe_report){.n_classes = parts->n_classes,
                             .n_train = parts->n_train,
                             .n_validation = parts->n_validation,
                             .n_rest = parts->n_rest};
    training t = {.options = options, .split = parts, .report = report, .dim = s->dim};
    ken_status status = train(&t, s, out, err);
    release(&t);
    split_free(parts);
    report->seconds = sys_seconds() - begin;
    return status;
}
