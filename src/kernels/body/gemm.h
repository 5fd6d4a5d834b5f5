/* kernels/body/gemm.h: matrix product with packed weights.
 *
 * A tile of GEMM_MR rows by NR = GEMM_NV * VEC_LANES columns is held in registers while all of k
 * passes. Panels of B are taken in groups that fit the level 2 cache; all rows of A pass by a group
 * before the next one is touched. A is read where it lies: copying it costs more than the cache
 * conflicts of rows that are a multiple of 4096 bytes apart. Every element is one chain of
 * multiply-adds over ascending k, whatever m, n, the tile's height or the group. */
#ifndef KEN_KERNELS_BODY_GEMM_H
#define KEN_KERNELS_BODY_GEMM_H

#include "kernels/body/math.h"

enum {
    NR = GEMM_NV * VEC_LANES,
    LINE = 16,    /* floats in a cache line */
    B_AHEAD = 32, /* prefetch distance in k */
};

VEC size_t div_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}
VEC size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}
VEC size_t max_size(size_t a, size_t b) {
    return a > b ? a : b;
}

/* sums[i][j] = sum over k of a[i][k] * b[k][j], rows of `sums` NR apart. */
typedef struct tile_args {
    const float *a;
    size_t lda;
    const float *b;
    size_t k;
    float *sums;
} tile_args;

/* `mr` rows and `nv` vectors of columns, both constants at every call. Every instruction in the
 * loop over k counts: when another thread runs on the same core, the front end limits a 6 x 2 tile,
 * not the multipliers. */
VEC void tile(size_t mr, size_t nv, const tile_args *t) {
    const float *a = t->a, *b = t->b;
    size_t lda = t->lda;
    vf c[GEMM_MR][GEMM_NV];
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vf_zero();
    }
    for (size_t k = 0; k < t->k; k++) {
        vf row[GEMM_NV];
        UNROLL
        for (size_t j = 0; j < nv * VEC_LANES; j += LINE)
            __builtin_prefetch(b + B_AHEAD * NR + j);
        UNROLL
        for (size_t v = 0; v < nv; v++)
            row[v] = vf_load(b + v * VEC_LANES);
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            vf x = vf_set1(a[i * lda + k]);
            UNROLL
            for (size_t v = 0; v < nv; v++)
                c[i][v] = vf_fma(x, row[v], c[i][v]);
        }
        b += NR;
    }
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t v = 0; v < nv; v++)
            vf_store(t->sums + i * NR + v * VEC_LANES, c[i][v]);
    }
}

typedef void tile_fn(const tile_args *t);

/* clang-format off */
#define TILE(mr, nv) static void tile_##mr##_##nv(const tile_args *t) { tile(mr, nv, t); }
#if GEMM_NV == 3
#define TILES(mr)      TILE(mr, 1) TILE(mr, 2) TILE(mr, 3)
#define TILE_NAMES(mr) { tile_##mr##_1, tile_##mr##_2, tile_##mr##_3 },
#else
#define TILES(mr)      TILE(mr, 1) TILE(mr, 2)
#define TILE_NAMES(mr) { tile_##mr##_1, tile_##mr##_2 },
#endif
#if GEMM_MR == 8
#define HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#elif GEMM_MR == 6
#define HEIGHTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define HEIGHTS(X) X(1) X(2) X(3) X(4)
#endif
HEIGHTS(TILES)
static tile_fn *const tiles[GEMM_MR][GEMM_NV] = { HEIGHTS(TILE_NAMES) };
/* clang-format on */

/* Up to GEMM_MR rows of A times a panel of B of which `n` columns are wanted. */
VEC void multiply_panel(const tile_args *t, size_t rows, size_t n) {
    tiles[rows - 1][div_up(n, VEC_LANES) - 1](t);
}

/* Rows are spread evenly over the tiles: 50 rows are 8 + 6 x 7, not 6 x 8 + 2. */
VEC size_t next_tile_rows(size_t rows_left) {
    return div_up(rows_left, div_up(rows_left, GEMM_MR));
}

VEC vf epilogue(gemm_epilogue what, vf y, vf residual) {
    switch (what) {
    case GEMM_STORE:
        return y;
    case GEMM_ADD:
        return vf_add(residual, y);
    case GEMM_QUICK_GELU:
        return vf_quick_gelu(y);
    case GEMM_ERF_GELU:
        return vf_erf_gelu(y);
    case GEMM_TANH_GELU:
        return vf_tanh_gelu(y);
    case GEMM_RELU:
        return vf_relu(y);
    case GEMM_ADD_RELU:
        return vf_relu(vf_add(residual, y));
    }
    return y;
}

/* One row of one panel; `what` is a constant at every call. */
VEC void finish_row(gemm_epilogue what, const float *sums, const float *bias, const float *residual,
                    float *c, size_t n) {
    bool adds = what == GEMM_ADD || what == GEMM_ADD_RELU;
    for (size_t j = 0; j < n; j += VEC_LANES) {
        vf y = vf_load(sums + j);
        y = bias ? vf_add(y, vf_load_some(bias + j, n - j)) : y;
        vf before = adds ? vf_load_some(residual + j, n - j) : vf_zero();
        vf_store_some(c + j, epilogue(what, y, before), n - j);
    }
}

/* The tile's rows m0 .. m0 + rows, columns n0 .. n0 + n, n <= NR. */
static void finish_tile(const gemm_f32_args *g, const float *sums, size_t m0, size_t rows,
                        size_t n0, size_t n) {
#define FINISH(what)                                                                               \
    case what:                                                                                     \
        finish_row(what, sums, bias, residual, c, n);                                              \
        break
    const float *bias = g->bias ? g->bias + n0 : NULL;
    for (size_t i = 0; i < rows; i++, sums += NR) {
        const float *residual = g->residual ? g->residual + (m0 + i) * g->ldr + n0 : NULL;
        float *c = g->c + (m0 + i) * g->ldc + n0;
        switch (g->epilogue) {
            FINISH(GEMM_STORE);
            FINISH(GEMM_ADD);
            FINISH(GEMM_QUICK_GELU);
            FINISH(GEMM_ERF_GELU);
            FINISH(GEMM_TANH_GELU);
            FINISH(GEMM_RELU);
            FINISH(GEMM_ADD_RELU);
        }
    }
#undef FINISH
}

/* Some rows times a group of panels: columns n0 .. n0 + n. */
static void multiply_group(const gemm_f32_args *g, size_t m0, size_t rows, size_t n0, size_t n) {
    _Alignas(64) float sums[GEMM_MR * NR];
    const float *a = g->a + m0 * g->lda;
    for (size_t j = 0; j < n; j += NR) {
        size_t columns = min_size(NR, n - j);
        multiply_panel(
            &(tile_args){
                .a = a, .lda = g->lda, .b = g->b + (n0 + j) * g->k, .k = g->k, .sums = sums},
            rows, columns);
        finish_tile(g, sums, m0, rows, n0 + j, columns);
    }
}

static void gemm_f32(const gemm_f32_args *g) {
    size_t panel_bytes = max_size(NR * g->k * sizeof(float), 1);
    size_t group = max_size(1, GEMM_GROUP_BYTES / panel_bytes) * NR;
    for (size_t n0 = 0; n0 < g->n; n0 += group)
        for (size_t m0 = 0, rows; m0 < g->m; m0 += rows) {
            rows = next_tile_rows(g->m - m0);
            multiply_group(g, m0, rows, n0, min_size(group, g->n - n0));
        }
}

/* Some columns of a panel, side by side: packed[i * NR + j] = w[j][i]. */
static void pack_columns(const float *w, size_t ldw, size_t columns, size_t k, float *packed) {
    size_t i = 0;
    for (; columns == VEC_LANES && i + VEC_LANES <= k; i += VEC_LANES) {
        vf x[VEC_LANES];
        UNROLL
        for (size_t j = 0; j < VEC_LANES; j++)
            x[j] = vf_load(w + j * ldw + i);
        vf_transpose(x);
        UNROLL
        for (size_t j = 0; j < VEC_LANES; j++)
            vf_store(packed + (i + j) * NR, x[j]);
    }
    for (; i < k; i++) {
        for (size_t j = 0; j < columns; j++)
            packed[i * NR + j] = w[j * ldw + i];
        for (size_t j = columns; j < VEC_LANES; j++)
            packed[i * NR + j] = 0.0f;
    }
}

static void gemm_f32_pack(const float *w, size_t ldw, size_t n, size_t k, float *packed) {
    for (size_t n0 = 0; n0 < n; n0 += NR, packed += NR * k) {
        for (size_t j = 0; j < NR; j += VEC_LANES) {
            size_t columns = n > n0 + j ? min_size(VEC_LANES, n - n0 - j) : 0;
            const float *from = columns ? w + (n0 + j) * ldw : w;
            pack_columns(from, ldw, columns, k, packed + j);
        }
    }
}

#endif
