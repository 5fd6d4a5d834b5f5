/* kernels/body/gemm_u8_tiles.h: the product of body/gemm_u8.h in registers of 16 rows of 64 bytes,
 * over the vocabulary of vec/tiles_amx.h; a part of gemm_u8.h.
 *
 * Up to 32 rows in two registers of activations meet two vectors of columns in two registers of
 * weights: four products for four loads. What remains of k after the last 64, the zero points and
 * the scales are left to vectors. Sums of integers do not depend on their order, so all this gives
 * the bits that body/gemm_u8.h would. */
#ifndef KEN_KERNELS_BODY_GEMM_U8_TILES_H
#define KEN_KERNELS_BODY_GEMM_U8_TILES_H

#include "kernels/body/gemm_u8.h"

enum {
    TILE_ROWS = 16,
    TILE_K = 64,
    U8_ROWS = 2 * TILE_ROWS,
    FEWEST_TILE_ROWS = 4, /* fewer are not worth it: a tile's weights take as long to load */
};

/* The registers' names: sums by half of the rows and vector of columns. */
#define SUM_00 0
#define SUM_01 1
#define SUM_10 2
#define SUM_11 3
#define A_0    4
#define A_1    5
#define B_0    6
#define B_1    7

/* Rows in the two halves; `upper` may be 0. */
typedef struct halves {
    size_t lower, upper;
} halves;

static void configure(halves h) {
    tiles_shape shape = {.palette = 1};
    for (size_t i = 0; i < VEC_TILES; i++)
        shape.row_bytes[i] = 64;
    shape.rows[SUM_00] = shape.rows[SUM_01] = shape.rows[A_0] = (uint8_t)h.lower;
    shape.rows[SUM_10] = shape.rows[SUM_11] = shape.rows[A_1] = (uint8_t)h.upper;
    shape.rows[B_0] = shape.rows[B_1] = TILE_ROWS;
    tiles_configure(&shape);
}

/* One or two vectors of columns over all whole steps of k. `two_halves` and `two_vectors` are
 * constants at every call. */
VEC void multiply_tiles(bool two_halves, bool two_vectors, halves h, const uint8_t *a, size_t lda,
                        const int8_t *b, size_t k, int32_t *sums) {
    const uint8_t *upper = a + h.lower * lda;
    enum { SUMS_STEP = NR * sizeof *sums, B_STEP = 4 * NR };
    tile_zero(SUM_00);
    if (two_vectors)
        tile_zero(SUM_01);
    if (two_halves)
        tile_zero(SUM_10);
    if (two_halves && two_vectors)
        tile_zero(SUM_11);
    for (size_t i = 0; i + TILE_K <= k; i += TILE_K) {
        tile_load(B_0, b + i * NR, B_STEP);
        tile_load(A_0, a + i, lda);
        tile_dot(SUM_00, A_0, B_0);
        if (two_halves) {
            tile_load(A_1, upper + i, lda);
            tile_dot(SUM_10, A_1, B_0);
        }
        if (two_vectors) {
            tile_load(B_1, b + i * NR + U8_LANES, B_STEP);
            tile_dot(SUM_01, A_0, B_1);
        }
        if (two_halves && two_vectors)
            tile_dot(SUM_11, A_1, B_1);
    }
    tile_store(SUM_00, sums, SUMS_STEP);
    if (two_vectors)
        tile_store(SUM_01, sums + VEC_LANES, SUMS_STEP);
    if (two_halves)
        tile_store(SUM_10, sums + h.lower * NR, SUMS_STEP);
    if (two_halves && two_vectors)
        tile_store(SUM_11, sums + h.lower * NR + VEC_LANES, SUMS_STEP);
}

/* A panel of which `nv` vectors of columns are wanted. */
static void multiply_tiles_panel(halves h, size_t nv, const tile_u8_args *t, int32_t *sums) {
    for (size_t v = 0; v < nv; v += 2) {
        const int8_t *b = t->b + v * U8_LANES;
        int32_t *to = sums + v * VEC_LANES;
        if (h.upper && nv - v >= 2)
            multiply_tiles(true, true, h, t->a, t->lda, b, t->k, to);
        else if (h.upper)
            multiply_tiles(true, false, h, t->a, t->lda, b, t->k, to);
        else if (nv - v >= 2)
            multiply_tiles(false, true, h, t->a, t->lda, b, t->k, to);
        else
            multiply_tiles(false, false, h, t->a, t->lda, b, t->k, to);
    }
}

/* The rest of k, the zero points and the scales. */
static void finish_tiles(size_t rows, size_t nv, const tile_u8_args *t, const int32_t *sums) {
    for (size_t i = 0; i < rows; i++) {
        vi zero = vi_set1(-t->a_zeros[i]);
        vf scale = vf_set1(t->a_scales[i]);
        for (size_t v = 0; v < nv; v++) {
            size_t j = v * VEC_LANES;
            vi sum = vi_add(vi_load(sums + i * NR + j), vi_mul(zero, vi_load(t->b_sums + j)));
            for (size_t k = t->k - t->k % TILE_K; k < t->k; k += 4)
                sum = vi_dot_u8s8(broadcast_quad(t->a + i * t->lda + k),
                                  vi_load_s8(t->b + k * NR + 4 * j), sum);
            vf y = vf_mul(vf_from_vi(sum), scale);
            vf_store(t->sums + i * NR + j, vf_mul(y, vf_load(t->b_scales + j)));
        }
    }
}

/* Some rows times a group of panels: columns n0 .. n0 + n. */
static void multiply_rows_u8(const gemm_u8s8_args *g, size_t m0, size_t rows, size_t n0, size_t n) {
    _Alignas(64) int32_t integers[U8_ROWS * NR];
    _Alignas(64) float sums[U8_ROWS * NR];
    const gemm_f32_args output = output_of_u8(g);
    if (rows < FEWEST_TILE_ROWS) {
        multiply_group_u8(g, m0, rows, n0, n);
        return;
    }
    halves h = {rows, 0};
    if (rows > TILE_ROWS)
        h = (halves){div_up(rows, 2), rows / 2};
    configure(h);
    for (size_t j = 0; j < n; j += NR) {
        size_t columns = min_size(NR, n - j), nv = div_up(columns, VEC_LANES);
        const tile_u8_args t = {.a = g->a + m0 * g->lda,
                                .lda = g->lda,
                                .b = g->b + (n0 + j) * u8_row(g->k),
                                .k = u8_row(g->k),
                                .a_scales = g->a_scales + m0,
                                .b_scales = g->b_scales + n0 + j,
                                .a_zeros = g->a_zeros + m0,
                                .b_sums = g->b_sums + n0 + j,
                                .sums = sums};
        multiply_tiles_panel(h, nv, &t, integers);
        finish_tiles(rows, nv, &t, integers);
        finish_tile(&output, sums, m0, rows, n0 + j, columns);
    }
}

VEC void finish_u8(void) {
    tiles_release();
}

#endif
