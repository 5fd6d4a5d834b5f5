/* kernels/body/gemm_s16.h: matrix product in 16-bit integers with exact 32-bit sums.
 *
 * A row x of activations and a column w of weights each get the scale max(max|x| / 32767,
 * ||x|| / 46000). Then the integers have norms of at most 46000 plus their rounding, so by Cauchy
 * and Schwarz no sum, nor any part of one, leaves 32 bits: nothing is calibrated, nothing
 * saturates.
 *
 * Tiles, panels and groups are those of body/gemm.h, with two k side by side: a panel is [K2 / 2,
 * NR, 2], where K2 is K rounded up to even. */
#ifndef KEN_KERNELS_BODY_GEMM_S16_H
#define KEN_KERNELS_BODY_GEMM_S16_H

#include "kernels/body/gemm.h"

#include <float.h>
#include <math.h>

static const float S16_LARGEST = 32767.0f, S16_NORM = 46000.0f;

enum {
    S16_LANES = 2 * VEC_LANES, /* of one vector */
    S16_LINE = 32,             /* in a cache line */
    PAIRS_AHEAD = 32,          /* prefetch distance in pairs of k */
};

/* ---- quantisation ---- */

static double norm_in_double(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* NaN when x holds a NaN or an infinity, 0 when it holds nothing that counts. */
static float scale_s16(const float *x, size_t n) {
    vf largest[2] = {vf_zero(), vf_zero()}, squares[2] = {vf_zero(), vf_zero()};
    size_t i = 0;
    for (; i + S16_LANES <= n; i += S16_LANES) {
        UNROLL
        for (size_t v = 0; v < 2; v++) {
            vf a = vf_load(x + i + v * VEC_LANES);
            largest[v] = vf_max(largest[v], vf_abs(a));
            squares[v] = vf_fma(a, a, squares[v]);
        }
    }
    for (; i < n; i += VEC_LANES) {
        vf a = vf_load_some(x + i, n - i);
        largest[0] = vf_max(largest[0], vf_abs(a));
        squares[0] = vf_fma(a, a, squares[0]);
    }
    float sum = vf_sum(vf_add(squares[0], squares[1]));
    /* Squares of floats may leave the floats' range; a NaN shows in the sum only. */
    double norm = sum > 0x1p-80f && sum < 0x1p100f ? sqrt(sum) : norm_in_double(x, n);
    if (!(norm < INFINITY))
        return NAN;
    float by_norm = (float)(norm / S16_NORM);
    float by_largest = vf_largest(vf_max(largest[0], largest[1])) / S16_LARGEST;
    float scale = by_norm > by_largest ? by_norm : by_largest;
    return scale >= FLT_MIN ? scale : 0.0f;
}

/* S16_LANES numbers; only the first n are read, the others are 0. */
VEC vi quantize(const float *x, size_t n, vf inverse) {
    vf low = vf_load_some(x, n), high = vf_zero();
    if (n > VEC_LANES)
        high = vf_load_some(x + VEC_LANES, n - VEC_LANES);
    return vi_narrow(vi_from_vf(vf_mul(low, inverse)), vi_from_vf(vf_mul(high, inverse)));
}

static void quantize_rows_s16(const quantize_rows_s16_args *g) {
    size_t n = g->width, stored = s16_row(n);
    for (size_t r = 0; r < g->rows; r++) {
        const float *x = g->x + r * g->ldx;
        int16_t *q = g->q + r * g->ldq;
        float scale = scale_s16(x, n);
        g->scales[r] = scale;
        if (!(scale > 0)) {
            memset(q, 0, stored * sizeof *q);
            continue;
        }
        vf inverse = vf_set1(1.0f / scale);
        size_t i = 0;
        for (; i + S16_LANES <= n; i += S16_LANES)
            vi_store_s16(q + i, quantize(x + i, S16_LANES, inverse));
        if (i < n) {
            int16_t last[S16_LANES];
            vi_store_s16(last, quantize(x + i, n - i, inverse));
            memcpy(q + i, last, (stored - i) * sizeof *q);
        }
    }
}

/* ---- packing ---- */

/* Up to VEC_LANES columns side by side; those that are not there become zeros. */
static void pack_columns_s16(const float *w, size_t ldw, size_t columns, size_t k, int16_t *packed,
                             float *scales) {
    float inverses[VEC_LANES];
    for (size_t j = 0; j < VEC_LANES; j++) {
        scales[j] = j < columns ? scale_s16(w + j * ldw, k) : 0.0f;
        inverses[j] = scales[j] > 0 ? 1.0f / scales[j] : 0.0f;
    }
    for (size_t i = 0; i < k; i += S16_LANES) {
        vf x[VEC_LANES];
        for (size_t j = 0; j < VEC_LANES; j++)
            x[j] = inverses[j] > 0
                       ? vf_of_bits(quantize(w + j * ldw + i, k - i, vf_set1(inverses[j])))
                       : vf_zero();
        vf_transpose(x);
        size_t pairs = min_size(VEC_LANES, div_up(k - i, 2));
        for (size_t j = 0; j < pairs; j++)
            vi_store_s16(packed + (i / 2 + j) * 2 * NR, vi_pair_order(vi_of_bits(x[j])));
    }
}

static void gemm_s16_pack(const float *w, size_t ldw, size_t n, size_t k, int16_t *packed,
                          float *scales) {
    for (size_t n0 = 0; n0 < n; n0 += NR, packed += NR * s16_row(k)) {
        for (size_t j = 0; j < NR; j += VEC_LANES) {
            size_t columns = n > n0 + j ? min_size(VEC_LANES, n - n0 - j) : 0;
            const float *from = columns ? w + (n0 + j) * ldw : w;
            pack_columns_s16(from, ldw, columns, k, packed + 2 * j, scales + n0 + j);
        }
    }
}

/* ---- product ---- */

/* As tile_args, with rows of `sums` ld_sums apart; they are floats already, multiplied with both
 * scales. The rows at `next` are asked for as if they lay without gaps, as they do: the address
 * then costs one addition. */
typedef struct tile_s16_args {
    const int16_t *a;
    size_t lda;
    const int16_t *b;
    size_t k; /* even */
    const int16_t *next;
    const float *a_scales, *b_scales;
    float *sums;
    size_t ld_sums;
} tile_s16_args;

VEC vi broadcast_pair(const int16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return vi_set1(pair);
}

/* One pair of k. */
VEC void add_pair_s16(size_t mr, size_t nv, const int16_t *const a[GEMM_MR], size_t k,
                      const int16_t *b, vi c[GEMM_MR][GEMM_NV]) {
    vi row[GEMM_NV];
    UNROLL
    for (size_t j = 0; j < nv * S16_LANES; j += S16_LINE)
        __builtin_prefetch(b + PAIRS_AHEAD * 2 * NR + j);
    UNROLL
    for (size_t v = 0; v < nv; v++)
        row[v] = vi_load_s16(b + v * S16_LANES);
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        vi x = broadcast_pair(a[i] + k);
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vi_dot_s16(x, row[v], c[i][v]);
    }
}

/* Two pairs in a round of the loop: what surrounds 2 x 24 instructions on AVX2 costs as much as
 * what would surround 24. */
VEC void tile_s16(size_t mr, size_t nv, const tile_s16_args *t) {
    const int16_t *a[GEMM_MR], *b = t->b, *next = t->next;
    vi c[GEMM_MR][GEMM_NV];
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        a[i] = t->a + i * t->lda;
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vi_set1(0);
    }
    size_t even = t->k / 4 * 4;
    for (size_t k = 0; k < even; k += 4) {
        __builtin_prefetch(next, 0, 2);
        next += 4 * mr;
        add_pair_s16(mr, nv, a, k, b, c);
        add_pair_s16(mr, nv, a, k + 2, b + 2 * NR, c);
        b += 4 * NR;
    }
    if (even < t->k)
        add_pair_s16(mr, nv, a, even, b, c);
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        vf scale = vf_set1(t->a_scales[i]);
        UNROLL
        for (size_t v = 0; v < nv; v++) {
            vf y = vf_mul(vf_from_vi(c[i][v]), scale);
            y = vf_mul(y, vf_load(t->b_scales + v * VEC_LANES));
            vf_store(t->sums + i * t->ld_sums + v * VEC_LANES, y);
        }
    }
}

typedef void tile_s16_fn(const tile_s16_args *t);
#define TILE_S16(mr, nv)                                                                           \
    static void tile_s16_##mr##_##nv(const tile_s16_args *t) {                                     \
        tile_s16(mr, nv, t);                                                                       \
    }
#if GEMM_NV == 3
#define TILES_S16(mr) TILE_S16(mr, 1) TILE_S16(mr, 2) TILE_S16(mr, 3)
#define TILE_S16_NAMES(mr)                                                                         \
    { tile_s16_##mr##_1, tile_s16_##mr##_2, tile_s16_##mr##_3 }
#else
#define TILES_S16(mr) TILE_S16(mr, 1) TILE_S16(mr, 2)
#define TILE_S16_NAMES(mr)                                                                         \
    { tile_s16_##mr##_1, tile_s16_##mr##_2 }
#endif
TILES_S16(1)
TILES_S16(2)
TILES_S16(3)
TILES_S16(4)
#if GEMM_MR >= 6
TILES_S16(5)
TILES_S16(6)
#endif
#if GEMM_MR >= 8
TILES_S16(7)
TILES_S16(8)
#endif

static tile_s16_fn *const tiles_s16[GEMM_MR][GEMM_NV] = {
    TILE_S16_NAMES(1), TILE_S16_NAMES(2), TILE_S16_NAMES(3), TILE_S16_NAMES(4),
#if GEMM_MR >= 6
    TILE_S16_NAMES(5), TILE_S16_NAMES(6),
#endif
#if GEMM_MR >= 8
    TILE_S16_NAMES(7), TILE_S16_NAMES(8),
#endif
};

/* What follows the sums is the same as for f32. */
VEC gemm_f32_args output_of(const gemm_s16_args *g) {
    return (gemm_f32_args){.bias = g->bias,
                           .residual = g->residual,
                           .ldr = g->ldr,
                           .c = g->c,
                           .ldc = g->ldc,
                           .epilogue = g->epilogue};
}

/* Some rows times a group of panels: columns n0 .. n0 + n. */
static void multiply_group_s16(const gemm_s16_args *g, size_t m0, size_t rows, size_t n0,
                               size_t n) {
    _Alignas(64) float sums[GEMM_MR * NR];
    const gemm_f32_args output = output_of(g);
    const int16_t *a = g->a + m0 * g->lda;
    for (size_t j = 0; j < n; j += NR) {
        size_t columns = min_size(NR, n - j);
        tiles_s16[rows - 1][div_up(columns, VEC_LANES) - 1](
            &(tile_s16_args){.a = a,
                             .lda = g->lda,
                             .b = g->b + (n0 + j) * s16_row(g->k),
                             .k = s16_row(g->k),
                             .next = j ? a : a + rows * g->lda,
                             .a_scales = g->a_scales + m0,
                             .b_scales = g->b_scales + n0 + j,
                             .sums = sums,
                             .ld_sums = NR});
        finish_tile(&output, sums, m0, rows, n0 + j, columns);
    }
}

static void gemm_s16(const gemm_s16_args *g) {
    size_t panel_bytes = max_size(NR * s16_row(g->k) * sizeof(int16_t), 1);
    size_t group = max_size(1, GEMM_GROUP_BYTES / panel_bytes) * NR;
    for (size_t n0 = 0; n0 < g->n; n0 += group)
        for (size_t m0 = 0, rows; m0 < g->m; m0 += rows) {
            rows = next_tile_rows(g->m - m0);
            multiply_group_s16(g, m0, rows, n0, min_size(group, g->n - n0));
        }
}

#endif
