/* Factors and solutions against the matrices they came from. */
#include "train/cholesky.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { max_n = 40 };

static double number(uint64_t *state) {
    return (double)(random_next(state) >> 11) * 0x1p-52 - 1;
}

/* A A^T + I of a random A. */
static void make_positive(uint64_t *state, size_t n, double *out) {
    double a[max_n * max_n];
    for (size_t i = 0; i < n * n; i++)
        a[i] = number(state);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            out[i * n + j] = i == j;
            for (size_t k = 0; k < n; k++)
                out[i * n + j] += a[i * n + k] * a[j * n + k];
        }
}

static void factors_multiply_back(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (size_t n = 1; n <= max_n; n++) {
        double p[max_n * max_n], l[max_n * max_n];
        make_positive(&seed, n, p);
        memcpy(l, p, sizeof p);
        assert_true(cholesky_factor(l, n));
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double product = 0;
                for (size_t k = 0; k <= j; k++)
                    product += l[i * n + k] * l[j * n + k];
                assert_true(fabs(product - p[i * n + j]) < 1e-10);
            }
    }
}

static void solutions_solve(void **state) {
    (void)state;
    uint64_t seed = 2;
    for (size_t n = 1; n <= max_n; n++) {
        double l[max_n * max_n], y[max_n], x[max_n];
        make_positive(&seed, n, l);
        assert_true(cholesky_factor(l, n));
        for (size_t i = 0; i < n; i++)
            y[i] = number(&seed);
        memcpy(x, y, sizeof x);
        cholesky_solve_right(l, n, x);
        for (size_t j = 0; j < n; j++) { /* x L = y */
            double product = 0;
            for (size_t k = j; k < n; k++)
                product += x[k] * l[k * n + j];
            assert_true(fabs(product - y[j]) < 1e-9);
        }
        memcpy(x, y, sizeof x);
        cholesky_solve_right_transposed(l, n, x);
        for (size_t j = 0; j < n; j++) { /* x L^T = y */
            double product = 0;
            for (size_t k = 0; k <= j; k++)
                product += x[k] * l[j * n + k];
            assert_true(fabs(product - y[j]) < 1e-9);
        }
    }
}

static void not_positive_definite(void **state) {
    (void)state;
    double indefinite[] = {1, 0, 2, 1}, not_a_number[] = {NAN}, zero[] = {0};
    assert_false(cholesky_factor(indefinite, 2));
    assert_false(cholesky_factor(not_a_number, 1));
    assert_false(cholesky_factor(zero, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_multiply_back),
        cmocka_unit_test(solutions_solve),
        cmocka_unit_test(not_positive_definite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
