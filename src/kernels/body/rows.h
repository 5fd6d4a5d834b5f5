/* kernels/body/rows.h: kernels whose results depend on a whole row: softmax, layer norm, dot
 * product and L2 norm. The order of their sums depends on the row's length only. */
#ifndef KEN_KERNELS_BODY_ROWS_H
#define KEN_KERNELS_BODY_ROWS_H

#include "kernels/body/gemm.h"
#include <math.h>

static float row_max(const float *x, size_t n) {
    vf low = vf_set1(-INFINITY), a = low, b = low;
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        a = vf_max(a, vf_load(x + i));
        b = vf_max(b, vf_load(x + i + VEC_LANES));
    }
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        a = vf_max(a, vf_load(x + i));
    if (i < n)
        b = vf_max(b, vf_keep(vf_load_n(x + i, n - i), n - i, low));
    return vf_largest(vf_max(a, b));
}

/* x = e^(x - max x); returns the sum. */
static float exp_row(float *x, size_t n) {
    vf max = vf_set1(row_max(x, n)), a = vf_zero(), b = vf_zero();
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        vf p = vf_exp(vf_sub(vf_load(x + i), max));
        vf q = vf_exp(vf_sub(vf_load(x + i + VEC_LANES), max));
        a = vf_add(a, p);
        b = vf_add(b, q);
        vf_store(x + i, p);
        vf_store(x + i + VEC_LANES, q);
    }
    for (; i < n; i += VEC_LANES) {
        size_t lanes = min_size(VEC_LANES, n - i);
        vf p = vf_exp(vf_sub(vf_load_n(x + i, lanes), max));
        a = vf_add(a, vf_keep(p, lanes, vf_zero()));
        vf_store_n(x + i, p, lanes);
    }
    return vf_sum(vf_add(a, b));
}

static void scale_row(float *x, vf scale, size_t n) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(x + i, vf_mul(vf_load(x + i), scale));
    if (i < n)
        vf_store_n(x + i, vf_mul(vf_load_n(x + i, n - i), scale), n - i);
}

static void softmax_f32(float *x, size_t n) {
    if (n)
        scale_row(x, vf_set1(1.0f / exp_row(x, n)), n);
}

static float dot_f32(const float *a, const float *b, size_t n) {
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES) {
        UNROLL
        for (size_t v = 0; v < 4; v++) {
            size_t j = i + v * VEC_LANES;
            sum[v] = vf_fma(vf_load(a + j), vf_load(b + j), sum[v]);
        }
    }
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        sum[0] = vf_fma(vf_load(a + i), vf_load(b + i), sum[0]);
    if (i < n)
        sum[1] = vf_fma(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i), sum[1]);
    return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* In double, so that neither a large nor a tiny vector loses its norm. */
static float l2_normalize_f32(float *x, size_t n) {
    double sums[4] = {0};
    for (size_t i = 0; i < n; i++)
        sums[i % 4] += (double)x[i] * x[i];
    float norm = (float)sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
    if (!(norm > 0.0f) || isinf(norm))
        return norm;
    vf divisor = vf_set1(norm);
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(x + i, vf_div(vf_load(x + i), divisor));
    if (i < n)
        vf_store_n(x + i, vf_div(vf_load_n(x + i, n - i), divisor), n - i);
    return norm;
}

static float row_sum(const float *x, size_t n) {
    vf a = vf_zero(), b = vf_zero();
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        a = vf_add(a, vf_load(x + i));
        b = vf_add(b, vf_load(x + i + VEC_LANES));
    }
    for (; i < n; i += VEC_LANES)
        a = vf_add(a, vf_load_some(x + i, n - i));
    return vf_sum(vf_add(a, b));
}

static float squared_deviations(const float *x, float mean, size_t n) {
    vf m = vf_set1(mean), a = vf_zero(), b = vf_zero();
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        vf d = vf_sub(vf_load(x + i), m), e = vf_sub(vf_load(x + i + VEC_LANES), m);
        a = vf_fma(d, d, a);
        b = vf_fma(e, e, b);
    }
    for (; i < n; i += VEC_LANES) {
        size_t lanes = min_size(VEC_LANES, n - i);
        vf d = vf_keep(vf_sub(vf_load_n(x + i, lanes), m), lanes, vf_zero());
        a = vf_fma(d, d, a);
    }
    return vf_sum(vf_add(a, b));
}

/* y = (x - mean) * scale * gamma + beta for one vector of a row; the pointers are the vector's. */
VEC void normalize(const float *x, vf mean, vf scale, const float *gamma, const float *beta,
                   float *y, size_t n) {
    vf z = vf_mul(vf_sub(vf_load_some(x, n), mean), scale);
    vf g = gamma ? vf_load_some(gamma, n) : vf_set1(1.0f);
    vf b = beta ? vf_load_some(beta, n) : vf_zero();
    vf_store_some(y, vf_fma(z, g, b), n);
}

static void layer_norm_f32(const layer_norm_f32_args *l) {
    size_t n = l->width;
    const float *gamma = l->gamma, *beta = l->beta;
    for (size_t r = 0; r < l->rows; r++) {
        const float *x = l->x + r * l->ldx;
        float *y = l->y + r * l->ldy;
        float mean = row_sum(x, n) / (float)n;
        float variance = squared_deviations(x, mean, n) / (float)n;
        vf m = vf_set1(mean), scale = vf_set1(1.0f / sqrtf(variance + l->eps));
        size_t i = 0;
        if (gamma && beta) /* as every model has them: nothing to ask in the loop */
            for (; i + VEC_LANES <= n; i += VEC_LANES)
                normalize(x + i, m, scale, gamma + i, beta + i, y + i, VEC_LANES);
        for (; i < n; i += VEC_LANES)
            normalize(x + i, m, scale, gamma ? gamma + i : NULL, beta ? beta + i : NULL, y + i,
                      n - i);
    }
}

#endif
