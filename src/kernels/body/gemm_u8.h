/* kernels/body/gemm_u8.h: matrix product of 8-bit integers with exact 32-bit sums.
 *
 * A row of activations gets its own scale and zero point, so that all 256 values serve the range it
 * has; a column of weights gets a scale. The sum of (a - zero) * w is the sum of a * w less zero
 * times the column's sum: what a tile starts from. Nothing saturates: where a CPU adds products in
 * 16 bits (DOT_U8S8_QUADS is 2), the column's scale is such that the products of a group fit.
 *
 * Tiles, panels and groups are those of body/gemm.h, with four k side by side: a panel is [K4 / 4,
 * NR, 4], where K4 is K rounded up to a multiple of 4. */
#ifndef KEN_KERNELS_BODY_GEMM_U8_H
#define KEN_KERNELS_BODY_GEMM_U8_H

#include "kernels/body/gemm.h"

#include <float.h>
#include <math.h>

enum {
    U8_LANES = 4 * VEC_LANES, /* of one vector */
    U8_LINE = 64,             /* in a cache line */
    QUADS_AHEAD = 24,         /* prefetch distance in quads of k */
    STEP_K = 8,               /* of one round of the loop: two quads */
};

/* ---- quantisation ---- */

typedef struct range {
    vf low, high;
    vf poison; /* zeros, or a NaN where a NaN or an infinity was seen */
} range;

VEC void range_add(range *r, vf x) {
    r->low = vf_min(r->low, x);
    r->high = vf_max(r->high, x);
    r->poison = vf_fma(x, vf_zero(), r->poison);
}

/* The range of x and of 0, in steps of 255: 0 is one of the 256 values, and the ends are nearly two
 * more. NaN when x holds a NaN or an infinity, 0 when it holds nothing that counts. */
static float scale_u8(const float *x, size_t n, int32_t *zero) {
    range r[2] = {{vf_zero(), vf_zero(), vf_zero()}, {vf_zero(), vf_zero(), vf_zero()}};
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        range_add(&r[0], vf_load(x + i));
        range_add(&r[1], vf_load(x + i + VEC_LANES));
    }
    for (; i < n; i += VEC_LANES)
        range_add(&r[0], vf_load_some(x + i, n - i));
    float below = vf_largest(vf_sub(vf_zero(), vf_min(r[0].low, r[1].low)));
    float above = vf_largest(vf_max(r[0].high, r[1].high));
    float poison = vf_sum(vf_add(r[0].poison, r[1].poison));
    float scale = below / 255.0f + above / 255.0f;
    *zero = 0;
    if (isnan(poison))
        return NAN;
    if (scale < FLT_MIN)
        return 0.0f;
    *zero = (int32_t)(below / scale + 0.5f);
    return scale;
}

/* VEC_LANES numbers in steps of 1 / inverse; only the first n are read. */
VEC vi steps_of(const float *x, size_t n, vf inverse) {
    return vi_from_vf(vf_mul(vf_load_some(x, n), inverse));
}

/* U8_LANES numbers as int16 in two vectors; only the first n are read, the others are 0. */
VEC void quantize_wide(const float *x, size_t n, vf inverse, vi wide[2]) {
    vi part[4];
    UNROLL
    for (size_t v = 0; v < 4; v++)
        part[v] = n > v * VEC_LANES ? steps_of(x + v * VEC_LANES, n - v * VEC_LANES, inverse)
                                    : vi_set1(0);
    wide[0] = vi_narrow(part[0], part[1]);
    wide[1] = vi_narrow(part[2], part[3]);
}

VEC vi quantize_u8(const float *x, size_t n, vf inverse, vi zero) {
    vi part[4];
    UNROLL
    for (size_t v = 0; v < 4; v++)
        part[v] = n > v * VEC_LANES
                      ? vi_add(steps_of(x + v * VEC_LANES, n - v * VEC_LANES, inverse), zero)
                      : zero;
    return vi_narrow_u8(vi_narrow(part[0], part[1]), vi_narrow(part[2], part[3]));
}

static void quantize_row_u8(const float *x, size_t n, float scale, int32_t zero, uint8_t *q) {
    size_t stored = u8_row(n), i = 0;
    if (!(scale > 0)) {
        memset(q, 0, stored);
        return;
    }
    vf inverse = vf_set1(1.0f / scale);
    vi zeros = vi_set1(zero);
    for (; i + U8_LANES <= n; i += U8_LANES)
        vi_store_s8((int8_t *)q + i, quantize_u8(x + i, U8_LANES, inverse, zeros));
    if (i < n) {
        int8_t last[U8_LANES];
        vi_store_s8(last, quantize_u8(x + i, n - i, inverse, zeros));
        memcpy(q + i, last, stored - i);
    }
}

static void quantize_rows_u8(const quantize_rows_u8_args *g) {
    for (size_t r = 0; r < g->rows; r++) {
        const float *x = g->x + r * g->ldx;
        g->scales[r] = scale_u8(x, g->width, &g->zeros[r]);
        quantize_row_u8(x, g->width, g->scales[r], g->zeros[r], g->q + r * g->ldq);
    }
}

/* ---- packing ---- */

/* What the scales of VEC_LANES columns must hold: the largest number, and the largest sum of one
 * sign among the weights whose products a CPU adds up in 16 bits. */
typedef struct bounds {
    vf largest, group;
    vf poison; /* as in `range` */
} bounds;

/* The columns' next numbers: x[l] holds those at depth i + l, i a multiple of VEC_LANES. */
VEC void bounds_add(bounds *b, const vf x[VEC_LANES]) {
    UNROLL
    for (size_t l = 0; l < VEC_LANES; l++) {
        b->largest = vf_max(b->largest, vf_abs(x[l]));
        b->poison = vf_fma(x[l], vf_zero(), b->poison);
    }
#if DOT_U8S8_QUADS == 2
    UNROLL
    for (size_t l = 0; l < VEC_LANES; l += l % 4 ? 6 : 2) {
        const vf group[4] = {x[l], x[l + 1], x[l + 4], x[l + 5]};
        vf above = vf_zero(), below = vf_zero();
        UNROLL
        for (size_t j = 0; j < 4; j++) {
            above = vf_add(above, vf_max(group[j], vf_zero()));
            below = vf_sub(below, vf_min(group[j], vf_zero()));
        }
        b->group = vf_max(b->group, vf_max(above, below));
    }
#endif
}

/* A group's weights are rounded, each by at most one half: 255 * (126 + 4 / 2) is below 2^15. */
static const float S8_LARGEST = 127.0f, S8_GROUP_LARGEST = 126.0f;

static void scale_columns_s8(const float *w, size_t ldw, size_t columns, size_t k,
                             float scales[VEC_LANES]) {
    bounds b = {vf_zero(), vf_zero(), vf_zero()};
    for (size_t i = 0; i < k; i += VEC_LANES) {
        vf x[VEC_LANES];
        for (size_t j = 0; j < VEC_LANES; j++)
            x[j] = j < columns ? vf_load_some(w + j * ldw + i, k - i) : vf_zero();
        vf_transpose(x);
        bounds_add(&b, x);
    }
    vf scale = vf_max(vf_mul(b.largest, vf_set1(1.0f / S8_LARGEST)),
                      vf_mul(b.group, vf_set1(1.0f / S8_GROUP_LARGEST)));
    vf_store(scales, vf_add(scale, b.poison));
    for (size_t j = 0; j < VEC_LANES; j++)
        scales[j] = scales[j] < FLT_MIN ? 0.0f : scales[j];
}

/* Up to VEC_LANES columns side by side; those that are not there become zeros. */
static void pack_columns_s8(const float *w, size_t ldw, size_t columns, size_t k, int8_t *packed,
                            float *scales, int32_t *sums) {
    scale_columns_s8(w, ldw, columns, k, scales);
    const vi ones = vi_set1((int32_t)((DOT_U8S8_ZERO + 1u) * 0x01010101u));
    vi sum = vi_set1(0);
    for (size_t i = 0; i < k; i += U8_LANES) {
        vf x[VEC_LANES];
        for (size_t j = 0; j < VEC_LANES; j++) {
            vi wide[2] = {vi_set1(0), vi_set1(0)};
            if (scales[j] > 0)
                quantize_wide(w + j * ldw + i, k - i, vf_set1(1.0f / scales[j]), wide);
            x[j] = vf_of_bits(vi_narrow_s8(wide[0], wide[1]));
        }
        vf_transpose(x);
        size_t quads = min_size(VEC_LANES, div_up(k - i, 4));
        for (size_t j = 0; j < quads; j++) {
            vi q = vi_quad_order(vi_of_bits(x[j]));
            vi_store_s8(packed + (i / 4 + j) * 4 * NR, q);
            sum = vi_dot_u8s8(ones, q, sum);
        }
    }
    vi_store(sums, sum);
}

static void gemm_s8_pack(const float *w, size_t ldw, size_t n, size_t k, int8_t *packed,
                         float *scales, int32_t *sums) {
    for (size_t n0 = 0; n0 < n; n0 += NR, packed += NR * u8_row(k)) {
        for (size_t j = 0; j < NR; j += VEC_LANES) {
            size_t columns = n > n0 + j ? min_size(VEC_LANES, n - n0 - j) : 0;
            const float *from = columns ? w + (n0 + j) * ldw : w;
            pack_columns_s8(from, ldw, columns, k, packed + 4 * j, scales + n0 + j, sums + n0 + j);
        }
    }
}

/* ---- product ---- */

/* As tile_args; `sums` are floats already, multiplied with both scales. The rows at `next` are
 * asked for as if they lay without gaps, as they do: the address then costs one addition. */
typedef struct tile_u8_args {
    const uint8_t *a;
    size_t lda;
    const int8_t *b;
    size_t k; /* a multiple of 4 */
    const uint8_t *next;
    const float *a_scales, *b_scales;
    const int32_t *a_zeros, *b_sums;
    float *sums;
} tile_u8_args;

VEC vi broadcast_quad(const uint8_t *p) {
    int32_t quad;
    memcpy(&quad, p, sizeof quad);
    return vi_set1(quad);
}

VEC void add_quad(size_t mr, size_t nv, const uint8_t *a, size_t lda, const int8_t *b,
                  vi c[GEMM_U8_MR][GEMM_NV]) {
    vi row[GEMM_NV];
    UNROLL
    for (size_t v = 0; v < nv; v++)
        row[v] = vi_load_s8(b + v * U8_LANES);
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        vi x = broadcast_quad(a + i * lda);
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vi_dot_u8s8(x, row[v], c[i][v]);
    }
}

/* STEP_K numbers of each row. */
VEC void add_step(size_t mr, size_t nv, const uint8_t *a, size_t lda, const int8_t *b,
                  vi c[GEMM_U8_MR][GEMM_NV]) {
#if DOT_U8S8_QUADS == 2
    /* Reading a row's numbers once for each vector of columns is cheaper than to hold all columns:
     * there are 16 registers. */
    UNROLL
    for (size_t v = 0; v < nv; v++) {
        vi first = vi_load_s8(b + v * U8_LANES);
        vi second = vi_load_s8(b + 4 * NR + v * U8_LANES);
        UNROLL
        for (size_t i = 0; i < mr; i++)
            c[i][v] = vi_dot2_u8s8(a + i * lda, first, second, c[i][v]);
    }
#else
    add_quad(mr, nv, a, lda, b, c);
    add_quad(mr, nv, a + 4, lda, b + 4 * NR, c);
#endif
}

VEC void tile_u8(size_t mr, size_t nv, const tile_u8_args *t) {
    const uint8_t *a = t->a, *next = t->next;
    const int8_t *b = t->b;
    size_t lda = t->lda, k = 0;
    vi c[GEMM_U8_MR][GEMM_NV];
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        vi zero = vi_set1(DOT_U8S8_ZERO - t->a_zeros[i]);
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vi_mul(zero, vi_load(t->b_sums + v * VEC_LANES));
    }
    for (; k + STEP_K <= t->k; k += STEP_K, b += STEP_K * NR) {
        __builtin_prefetch(next, 0, 2);
        next += STEP_K * mr;
        UNROLL
        for (size_t j = 0; j < STEP_K * nv * VEC_LANES; j += U8_LINE)
            __builtin_prefetch(b + QUADS_AHEAD * 4 * NR + j);
        add_step(mr, nv, a + k, lda, b, c);
    }
    if (k < t->k)
        add_quad(mr, nv, a + k, lda, b, c);
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        vf scale = vf_set1(t->a_scales[i]);
        UNROLL
        for (size_t v = 0; v < nv; v++) {
            vf y = vf_mul(vf_from_vi(c[i][v]), scale);
            y = vf_mul(y, vf_load(t->b_scales + v * VEC_LANES));
            vf_store(t->sums + i * NR + v * VEC_LANES, y);
        }
    }
}

typedef void tile_u8_fn(const tile_u8_args *t);

/* clang-format off */
#define TILE_U8(mr, nv) static void tile_u8_##mr##_##nv(const tile_u8_args *t) { tile_u8(mr, nv, t); }
#if GEMM_NV == 3
#define TILES_U8(mr)      TILE_U8(mr, 1) TILE_U8(mr, 2) TILE_U8(mr, 3)
#define TILE_U8_NAMES(mr) { tile_u8_##mr##_1, tile_u8_##mr##_2, tile_u8_##mr##_3 },
#else
#define TILES_U8(mr)      TILE_U8(mr, 1) TILE_U8(mr, 2)
#define TILE_U8_NAMES(mr) { tile_u8_##mr##_1, tile_u8_##mr##_2 },
#endif
#if GEMM_U8_MR == 8
#define HEIGHTS_U8(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#elif GEMM_U8_MR == 6
#define HEIGHTS_U8(X) X(1) X(2) X(3) X(4) X(5) X(6)
#elif GEMM_U8_MR == 5
#define HEIGHTS_U8(X) X(1) X(2) X(3) X(4) X(5)
#else
#define HEIGHTS_U8(X) X(1) X(2) X(3) X(4)
#endif
HEIGHTS_U8(TILES_U8)
static tile_u8_fn *const tiles_u8[GEMM_U8_MR][GEMM_NV] = { HEIGHTS_U8(TILE_U8_NAMES) };
/* clang-format on */

/* What follows the sums is the same as for f32. */
VEC gemm_f32_args output_of_u8(const gemm_u8s8_args *g) {
    return (gemm_f32_args){.bias = g->bias,
                           .residual = g->residual,
                           .ldr = g->ldr,
                           .c = g->c,
                           .ldc = g->ldc,
                           .epilogue = g->epilogue};
}

/* Some rows times a group of panels: columns n0 .. n0 + n. */
static void multiply_group_u8(const gemm_u8s8_args *g, size_t m0, size_t rows, size_t n0,
                              size_t n) {
    _Alignas(64) float sums[GEMM_U8_MR * NR];
    const gemm_f32_args output = output_of_u8(g);
    const uint8_t *a = g->a + m0 * g->lda;
    for (size_t j = 0; j < n; j += NR) {
        size_t columns = min_size(NR, n - j);
        tiles_u8[rows - 1][div_up(columns, VEC_LANES) - 1](
            &(tile_u8_args){.a = a,
                            .lda = g->lda,
                            .b = g->b + (n0 + j) * u8_row(g->k),
                            .k = u8_row(g->k),
                            .next = j ? a : a + rows * g->lda,
                            .a_scales = g->a_scales + m0,
                            .b_scales = g->b_scales + n0 + j,
                            .a_zeros = g->a_zeros + m0,
                            .b_sums = g->b_sums + n0 + j,
                            .sums = sums});
        finish_tile(&output, sums, m0, rows, n0 + j, columns);
    }
}

/* The rows that pass by a group of panels together. */
#ifdef VEC_TILES
#include "kernels/body/gemm_u8_tiles.h"
#else
enum { U8_ROWS = GEMM_U8_MR };
VEC void multiply_rows_u8(const gemm_u8s8_args *g, size_t m0, size_t rows, size_t n0, size_t n) {
    multiply_group_u8(g, m0, rows, n0, n);
}
VEC void finish_u8(void) {}
#endif

static void gemm_u8s8(const gemm_u8s8_args *g) {
    size_t panel_bytes = max_size(NR * u8_row(g->k), 1);
    size_t group = max_size(1, GEMM_GROUP_BYTES / panel_bytes) * NR;
    for (size_t n0 = 0; n0 < g->n; n0 += group)
        for (size_t m0 = 0, rows; m0 < g->m; m0 += rows) {
            size_t left = g->m - m0;
            rows = div_up(left, div_up(left, U8_ROWS));
            multiply_rows_u8(g, m0, rows, n0, min_size(group, g->n - n0));
        }
    finish_u8();
}

#endif
