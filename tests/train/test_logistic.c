/* The fit is the minimum: f is convex, so a vanishing gradient, computed here in double from the
 * definition, proves it. Then threads, weights, bad arguments and interruption. */
#include "train/logistic.h"

#include "base/mem.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Clusters on the unit sphere that lie close together and overlap, as embeddings of classes do. */
typedef struct clusters {
    float *x;
    uint32_t *y;
    size_t n, dim, n_classes;
} clusters;

static double gauss(uint64_t *state) {
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_next(state) >> 11) * 0x1p-53;
    return sum - 6;
}

static clusters make_clusters(size_t n, size_t dim, size_t n_classes, uint64_t seed) {
    clusters s = {mem_alloc(n * dim * sizeof(float)), mem_alloc(n * sizeof(uint32_t)), n, dim,
                  n_classes};
    double *centres = mem_alloc(n_classes * dim * sizeof *centres);
    assert_true(s.x && s.y && centres);
    for (size_t d = 0; d < dim; d++) {
        double common = 3 * gauss(&seed);
        for (size_t c = 0; c < n_classes; c++)
            centres[c * dim + d] = common + 0.5 * gauss(&seed);
    }
    for (size_t i = 0; i < n; i++) {
        s.y[i] = (uint32_t)(i < n_classes ? i : random_below(&seed, n_classes));
        double square = 0;
        for (size_t d = 0; d < dim; d++) {
            double value = centres[s.y[i] * dim + d] + gauss(&seed) / (1 + 0.1 * (double)d);
            s.x[i * dim + d] = (float)value;
            square += value * value;
        }
        for (size_t d = 0; d < dim; d++)
            s.x[i * dim + d] /= (float)sqrt(square);
    }
    mem_free(centres);
    return s;
}

static void free_clusters(clusters *s) {
    mem_free(s->x);
    mem_free(s->y);
}

/* f, and the length of its gradient, from the definition. */
static double objective(const clusters *s, const float *weights, double l2, const double *w,
                        const double *b, double *gradient_norm) {
    size_t n = s->n_classes, dim = s->dim;
    double *d_w = mem_zalloc(n * (dim + 1), sizeof *d_w), *p = mem_zalloc(n, sizeof *p);
    assert_true(d_w && p);
    double loss = 0, total = 0, squares = 0, norm = 0;
    for (size_t i = 0; i < s->n; i++)
        total += weights ? (double)weights[i] : 1;
    for (size_t i = 0; i < s->n; i++) {
        const float *x = s->x + i * dim;
        double largest = -INFINITY, sum = 0, share = (weights ? (double)weights[i] : 1) / total;
        for (size_t c = 0; c < n; c++) {
            p[c] = b[c];
            for (size_t d = 0; d < dim; d++)
                p[c] += w[c * dim + d] * (double)x[d];
            largest = fmax(largest, p[c]);
        }
        for (size_t c = 0; c < n; c++)
            sum += exp(p[c] - largest);
        loss += share * (log(sum) + largest - p[s->y[i]]);
        for (size_t c = 0; c < n; c++) {
            double d_z = share * (exp(p[c] - largest) / sum - (c == s->y[i]));
            for (size_t d = 0; d < dim; d++)
                d_w[c * (dim + 1) + d] += d_z * (double)x[d];
            d_w[c * (dim + 1) + dim] += d_z;
        }
    }
    for (size_t c = 0; c < n; c++)
        for (size_t d = 0; d <= dim; d++) {
            double g = d_w[c * (dim + 1) + d];
            if (d < dim) {
                g += l2 * w[c * dim + d];
                squares += w[c * dim + d] * w[c * dim + d];
            }
            norm += g * g;
        }
    mem_free(d_w);
    mem_free(p);
    *gradient_norm = sqrt(norm);
    return loss + l2 / 2 * squares;
}

typedef struct solution {
    double *w, *b;
    logistic_result result;
} solution;

static solution fit(const clusters *s, const float *weights, double l2, int n_threads,
                    const char *tier) {
    solution out = {.w = mem_zalloc(s->n_classes * s->dim, sizeof(double)),
                    .b = mem_zalloc(s->n_classes, sizeof(double))};
    ken_pool *pool;
    logistic *problem;
    ken_error err;
    assert_int_equal(ken_pool_new(n_threads, &pool, &err), KEN_OK);
    const kernels *k = tier ? kernels_find(tier, NULL) : kernels_best();
    const logistic_data data = {s->x, s->y, weights, s->n, s->dim, s->n_classes};
    assert_int_equal(logistic_new(&data, k, pool, &problem, &err), KEN_OK);
    assert_int_equal(
        logistic_fit(problem, &(logistic_options){.l2 = l2}, out.w, out.b, &out.result, &err),
        KEN_OK);
    logistic_free(problem);
    ken_pool_free(pool);
    return out;
}

static void free_solution(solution *s) {
    mem_free(s->w);
    mem_free(s->b);
}

static void finds_the_minimum(void **state) {
    (void)state;
    static const struct {
        size_t n, dim, n_classes;
        double l2;
    } cases[] = {{300, 12, 3, 1e-3}, {1500, 40, 7, 1e-4},  {700, 17, 2, 1e-2}, {90, 64, 10, 1e-3},
                 {513, 1, 4, 1e-3},  {1200, 30, 60, 1e-4}, {2000, 20, 5, 1e-1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clusters s = make_clusters(cases[i].n, cases[i].dim, cases[i].n_classes, i);
        solution found = fit(&s, NULL, cases[i].l2, 1, NULL);
        double norm, value = objective(&s, NULL, cases[i].l2, found.w, found.b, &norm);
        assert_true(found.result.converged);
        assert_true(fabs(value - found.result.objective) < 1e-5 * (1 + value));
        /* Strong convexity in W: f - min f is at most norm^2 / (2 l2). */
        assert_true(norm < 2e-3);
        assert_true(norm * norm / (2 * cases[i].l2) < 1e-4);
        assert_true(found.result.loss < log((double)cases[i].n_classes));
        free_solution(&found);
        free_clusters(&s);
    }
}

static void every_tier_agrees(void **state) {
    (void)state;
    clusters s = make_clusters(800, 24, 6, 9);
    solution first = fit(&s, NULL, 1e-3, 1, "scalar");
    for (size_t i = 0; kernels_tier_name(i); i++) {
        if (!kernels_find(kernels_tier_name(i), NULL))
            continue;
        solution other = fit(&s, NULL, 1e-3, 1, kernels_tier_name(i));
        assert_true(fabs(other.result.objective - first.result.objective) < 1e-5);
        free_solution(&other);
    }
    free_solution(&first);
    free_clusters(&s);
}

static void threads_do_not_show(void **state) {
    (void)state;
    clusters s = make_clusters(5000, 24, 6, 3);
    solution one = fit(&s, NULL, 1e-4, 1, NULL);
    for (int threads = 2; threads <= 5; threads++) {
        solution many = fit(&s, NULL, 1e-4, threads, NULL);
        assert_memory_equal(one.w, many.w, s.n_classes * s.dim * sizeof(double));
        assert_memory_equal(one.b, many.b, s.n_classes * sizeof(double));
        free_solution(&many);
    }
    free_solution(&one);
    free_clusters(&s);
}

/* A sample of weight 2 counts as two samples, one of weight 0 as none. */
static void weights_count(void **state) {
    (void)state;
    clusters s = make_clusters(400, 10, 4, 5);
    float *weights = mem_alloc(s.n * sizeof *weights);
    clusters copies = make_clusters(800, 10, 4, 5);
    assert_non_null(weights);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        weights[i] = (float)(i % 3);
        for (size_t copy = 0; copy < i % 3; copy++, n++) {
            memcpy(copies.x + n * s.dim, s.x + i * s.dim, s.dim * sizeof *s.x);
            copies.y[n] = s.y[i];
        }
    }
    copies.n = n;
    solution weighted = fit(&s, weights, 1e-2, 1, NULL), copied = fit(&copies, NULL, 1e-2, 1, NULL);
    double norm;
    objective(&s, weights, 1e-2, weighted.w, weighted.b, &norm);
    assert_true(norm < 1e-3);
    assert_true(fabs(weighted.result.objective - copied.result.objective) < 1e-5);
    mem_free(weights);
    free_solution(&weighted);
    free_solution(&copied);
    free_clusters(&copies);
    free_clusters(&s);
}

static void constant_features_do_no_harm(void **state) {
    (void)state;
    clusters s = make_clusters(300, 8, 3, 6);
    for (size_t i = 0; i < s.n; i++)
        s.x[i * s.dim + 3] = 0.25f;
    solution found = fit(&s, NULL, 1e-3, 1, NULL);
    double norm;
    objective(&s, NULL, 1e-3, found.w, found.b, &norm);
    assert_true(norm < 1e-3);
    for (size_t c = 0; c < s.n_classes; c++)
        assert_true(fabs(found.w[c * s.dim + 3]) < 1e-2);
    free_solution(&found);
    free_clusters(&s);
}

static void refuses_what_is_no_problem(void **state) {
    (void)state;
    float x[4] = {1, 0, 0, 1};
    uint32_t y[2] = {0, 0};
    logistic *problem;
    ken_error err;
    const logistic_data one_class = {x, y, NULL, 2, 2, 1}, no_sample = {x, y, NULL, 0, 2, 2};
    assert_int_equal(logistic_new(&one_class, kernels_best(), NULL, &problem, &err),
                     KEN_BAD_ARGUMENT);
    assert_non_null(strstr(err.message, "two classes"));
    assert_int_equal(logistic_new(&no_sample, kernels_best(), NULL, &problem, &err),
                     KEN_BAD_ARGUMENT);
    assert_null(problem);
}

static void stops_when_asked(void **state) {
    (void)state;
    clusters s = make_clusters(300, 8, 3, 6);
    logistic *problem;
    ken_error err;
    const logistic_data data = {s.x, s.y, NULL, s.n, s.dim, s.n_classes};
    assert_int_equal(logistic_new(&data, kernels_best(), NULL, &problem, &err), KEN_OK);
    volatile sig_atomic_t cancel = 1;
    double w[24] = {0}, b[3] = {0};
    logistic_result result;
    assert_int_equal(logistic_fit(problem, &(logistic_options){.l2 = 1e-3, .cancel = &cancel}, w, b,
                                  &result, &err),
                     KEN_CANCELLED);
    assert_int_equal(logistic_fit(problem, &(logistic_options){.l2 = 1e-6, .max_iterations = 2}, w,
                                  b, &result, &err),
                     KEN_OK);
    assert_false(result.converged);
    assert_int_equal(result.n_iterations, 2);
    logistic_free(problem);
    free_clusters(&s);
}

static void survives_a_lack_of_memory(void **state) {
    (void)state;
    clusters s = make_clusters(40, 6, 3, 1);
    const logistic_data data = {s.x, s.y, NULL, s.n, s.dim, s.n_classes};
    ken_error err;
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status == KEN_NO_MEMORY && n < 100; n++) {
        logistic *problem = NULL;
        double w[18] = {0}, b[3] = {0};
        logistic_result result;
        mem_fail_after(n, false);
        status = logistic_new(&data, kernels_best(), NULL, &problem, &err);
        if (status == KEN_OK)
            status = logistic_fit(problem, &(logistic_options){.l2 = 1e-2}, w, b, &result, &err);
        logistic_free(problem);
    }
    mem_fail_after(0, false);
    assert_int_equal(status, KEN_OK);
    free_clusters(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_minimum),
        cmocka_unit_test(every_tier_agrees),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(weights_count),
        cmocka_unit_test(constant_features_do_no_harm),
        cmocka_unit_test(refuses_what_is_no_problem),
        cmocka_unit_test(stops_when_asked),
        cmocka_unit_test(survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
