/* tasks/classify/evaluation_bootstrap.c: how far the figures would move with other images of the
 * same kind: percentiles over resamples, drawn with replacement from the labelled images.
 *
 * Each resample has random numbers of its own, made from the seed and its number, so that neither
 * threads nor platforms change an interval. */
#include "base/random.h"
#include "tasks/classify/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Average precision walks through images x categories in each resample; beyond this it has no
 * interval, rather than a wait of minutes. */
static const size_t max_ranked_scores = (size_t)1 << 22;

typedef struct bootstrap {
    const evaluation *e;
    uint64_t seed;
    size_t n_resamples;
    scored *sorted; /* [n_ranked, images]: the categories that have labelled images */
    size_t n_ranked;
    uint32_t *weights; /* [threads, images] */
    tally *tallies;    /* [threads] */
    size_t n_threads;
    double *values; /* [N_FIGURES, n_resamples] */
} bootstrap;

static void draw(uint64_t key, size_t n, uint32_t *weights) {
    memset(weights, 0, n * sizeof *weights);
    for (size_t i = 0; i < n; i++)
        weights[random_scaled(random_at(key, i), n)]++;
}

static void resample(void *context, size_t item, int thread) {
    const bootstrap *b = context;
    size_t n = b->e->observations->n;
    uint32_t *weights = b->weights + (size_t)thread * n;
    tally *t = &b->tallies[thread];
    double figures[N_FIGURES];
    draw(random_at(b->seed, item), n, weights);
    tally_count(t, b->e, weights);
    tally_figures(t, b->e, figures);
    double sum = 0;
    size_t n_present = 0;
    for (size_t i = 0; i < b->n_ranked; i++) {
        double precision = average_precision(b->sorted + i * n, n, weights);
        if (isnan(precision))
            continue;
        sum += precision;
        n_present++;
    }
    if (n_present)
        figures[FIGURE_MEAN_AVERAGE_PRECISION] = sum / (double)n_present;
    for (size_t i = 0; i < N_FIGURES; i++)
        b->values[i * b->n_resamples + item] = figures[i];
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The p-th part of n sorted values, between two of them when need be. */
static double percentile(const double *sorted, size_t n, double p) {
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

evaluation_interval evaluation_interval_of(double *values, size_t n) {
    size_t n_defined = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[n_defined++] = values[i];
    if (n_defined == 0)
        return (evaluation_interval){NAN, NAN};
    qsort(values, n_defined, sizeof *values, by_value);
    return (evaluation_interval){percentile(values, n_defined, 0.025),
                                 percentile(values, n_defined, 0.975)};
}

static ken_status sort_categories(bootstrap *b, ken_error *err) {
    const evaluation *e = b->e;
    size_t n = e->observations->n, n_ranked = 0;
    for (size_t i = 0; i < e->rules->n_categories; i++)
        n_ranked += e->classes[i].n_labelled > 0;
    if (n_ranked > max_ranked_scores / n)
        return KEN_OK;
    b->sorted = mem_zalloc(n_ranked * n, sizeof *b->sorted);
    if (!b->sorted)
        return error_no_memory(err, n_ranked * n * sizeof *b->sorted);
    for (size_t i = 0; i < e->rules->n_categories; i++)
        if (e->classes[i].n_labelled)
            observations_sort(e, i, b->sorted + b->n_ranked++ * n);
    return KEN_OK;
}

static ken_status prepare(bootstrap *b, ken_error *err) {
    size_t n = b->e->observations->n;
    b->weights = mem_zalloc(b->n_threads * n, sizeof *b->weights);
    b->tallies = mem_zalloc(b->n_threads, sizeof *b->tallies);
    b->values = mem_zalloc(N_FIGURES * b->n_resamples, sizeof *b->values);
    if (!b->weights || !b->tallies || !b->values)
        return error_no_memory(err, b->n_threads * n * sizeof *b->weights);
    for (size_t i = 0; i < b->n_threads; i++)
        TRY(tally_init(&b->tallies[i], b->e->n_classes, err));
    return sort_categories(b, err);
}

ken_status evaluation_bootstrap(evaluation *e, const evaluation_options *options, ken_error *err) {
    for (size_t i = 0; i < N_FIGURES; i++)
        e->intervals[i] = (evaluation_interval){NAN, NAN};
    if (options->n_resamples == 0)
        return KEN_OK;
    bootstrap b = {
        .e = e,
        .seed = options->seed,
        .n_resamples = options->n_resamples,
        .n_threads = (size_t)ken_pool_threads(options->pool),
    };
    ken_status status = prepare(&b, err);
    if (status == KEN_OK) {
        pool_run(options->pool, resample, &b, b.n_resamples);
        for (size_t i = 0; i < N_FIGURES; i++)
            e->intervals[i] = evaluation_interval_of(b.values + i * b.n_resamples, b.n_resamples);
        e->n_resamples = b.n_resamples;
        e->seed = b.seed;
    }
    for (size_t i = 0; b.tallies && i < b.n_threads; i++)
        tally_reset(&b.tallies[i]);
    mem_free(b.tallies);
    mem_free(b.weights);
    mem_free(b.values);
    mem_free(b.sorted);
    return status;
}
