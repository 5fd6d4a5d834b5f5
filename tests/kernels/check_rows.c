/* tests/kernels/check_rows.c: softmax, layer norm, dot product, L2 norm. */
#include "checks.h"

static void softmax_of(const kernels *k, guard_side side, size_t n, float scale) {
    float *x = random_floats(side, n, scale);
    double expected[1024], sum = 0, max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += expected[i] = exp(x[i] - max);
    k->softmax_f32(x, n);
    for (size_t i = 0; i < n; i++) {
        /* x - max is rounded, which the exponential turns into a relative error. */
        double relative = ROUNDING * (10 + 2 * scale);
        CHECK_NEAR(x[i], expected[i] / sum, relative * expected[i] / sum + 1e-37,
                   "n %zu scale %g at %zu: ", n, (double)scale, i);
    }
    guard_free_all();
}

void check_softmax_f32(const kernels *k) {
    for (size_t n = 0; n <= 200; n++)
        for (guard_side side = 0; side < GUARD_SIDES; side++)
            softmax_of(k, side, n, n % 3 ? 5 : 60);
    softmax_of(k, GUARD_AFTER, 1000, 30);
    float x[21];
    for (size_t i = 0; i < 21; i++)
        x[i] = -200; /* far below zero, also in the masked lanes' neighbours */
    k->softmax_f32(x, 21);
    for (size_t i = 0; i < 21; i++)
        CHECK_NEAR(x[i], 1.0 / 21, 1e-8, "equal values at %zu: ", i);
    float masked[] = {1, -INFINITY, 1, -INFINITY, -3e38f};
    k->softmax_f32(masked, 5);
    assert_true(masked[0] == 0.5f && masked[1] == 0 && masked[2] == 0.5f && masked[3] == 0 &&
                masked[4] == 0);
    float spoiled[] = {1, NAN, 2};
    k->softmax_f32(spoiled, 3);
    assert_true(isnan(spoiled[0]) && isnan(spoiled[1]) && isnan(spoiled[2]));
}

static void layer_norm_of(const kernels *k, guard_side side, size_t rows, size_t n, float offset) {
    size_t ld = n + rows % 2;
    float *x = random_floats(side, (rows - 1) * ld + n, 1);
    for (size_t i = 0; i < (rows - 1) * ld + n; i++)
        x[i] += offset;
    layer_norm_f32_args l = {.x = x, .ldx = ld, .ldy = n, .rows = rows, .width = n, .eps = 1e-5f};
    l.y = guard_floats(side, rows * n);
    l.gamma = n % 3 ? random_floats(side, n, 2) : NULL;
    l.beta = n % 4 ? random_floats(side, n, 2) : NULL;
    k->layer_norm_f32(&l);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++)
            mean += x[r * ld + i] / (double)n;
        for (size_t i = 0; i < n; i++)
            variance += pow(x[r * ld + i] - mean, 2) / (double)n;
        double scale = 1 / sqrt(variance + (double)l.eps);
        for (size_t i = 0; i < n; i++) {
            double gamma = l.gamma ? l.gamma[i] : 1, beta = l.beta ? l.beta[i] : 0;
            double expected = (x[r * ld + i] - mean) * scale * gamma + beta;
            double limit =
                ROUNDING * 16 * (fabs(expected) + 2) * (1 + fabs((double)offset) * scale);
            CHECK_NEAR(l.y[r * n + i], expected, limit, "rows %zu width %zu at %zu: ", rows, n, i);
        }
    }
    l.x = x;
    float *before = guard_floats(side, rows * n);
    memcpy(before, l.y, rows * n * sizeof(float));
    l.y = x;
    l.ldy = ld;
    k->layer_norm_f32(&l); /* in place */
    for (size_t r = 0; r < rows; r++)
        assert_memory_equal(x + r * ld, before + r * n, n * sizeof(float));
    guard_free_all();
}

void check_layer_norm_f32(const kernels *k) {
    for (size_t n = 1; n <= 200; n++)
        for (guard_side side = 0; side < GUARD_SIDES; side++)
            layer_norm_of(k, side, n % 5 + 1, n, n % 7 ? 0.3f : 20);
    layer_norm_of(k, GUARD_AFTER, 2, 1024, 0);
}

void check_dot_f32(const kernels *k) {
    for (size_t n = 0; n <= 200; n++) {
        for (guard_side side = 0; side < GUARD_SIDES; side++) {
            float *a = random_floats(side, n, 1), *b = random_floats(side, n, 1);
            double sum = 0, size = 0;
            for (size_t i = 0; i < n; i++) {
                sum += (double)a[i] * b[i];
                size += fabs((double)a[i] * b[i]);
            }
            CHECK_NEAR(k->dot_f32(a, b, n), sum, ROUNDING * 8 * size, "n %zu: ", n);
            guard_free_all();
        }
    }
}

void check_l2_normalize_f32(const kernels *k) {
    const float scales[] = {1, 1e-30f, 1e30f};
    for (size_t n = 0; n <= 200; n++) {
        float *x = random_floats(n % 2 ? GUARD_AFTER : GUARD_BEFORE, n, scales[n % 3]);
        double y[200], norm = 0;
        for (size_t i = 0; i < n; i++) {
            y[i] = x[i];
            norm += y[i] * y[i];
        }
        norm = sqrt(norm);
        CHECK_NEAR(k->l2_normalize_f32(x, n), norm, 2 * ROUNDING * norm, "n %zu: ", n);
        for (size_t i = 0; i < n; i++)
            CHECK_NEAR(x[i], y[i] / norm, 3 * ROUNDING * fabs(y[i] / norm), "n %zu: ", n);
        guard_free_all();
    }
    float zero[5] = {0, -0.0f, 0, 0, 0}, same[5] = {0, -0.0f, 0, 0, 0};
    assert_true(k->l2_normalize_f32(zero, 5) == 0);
    assert_memory_equal(zero, same, sizeof zero);
    float large[2] = {INFINITY, 1};
    assert_true(isinf(k->l2_normalize_f32(large, 2)) && isinf(large[0]) && large[1] == 1);
    float spoiled[3] = {1, NAN, 2};
    assert_true(isnan(k->l2_normalize_f32(spoiled, 3)) && spoiled[0] == 1 && spoiled[2] == 2);
}
