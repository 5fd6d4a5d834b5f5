/* kernels/body/gemm.h: matrix product with packed weights.
 *
 * A tile of GEMM_MR rows by NR = GEMM_NV * VEC_LANES columns is held in registers. Panels of B are
 * taken in groups that fit the level 2 cache; all rows of A pass by a group before the next one is
 * touched. A's rows are copied KC columns at a time into a block of fixed stride, because rows that
 * are a multiple of 4096 bytes apart would share the sets of the level 1 cache. The sums between
 * two such blocks rest in a buffer, which loses no bit: every element is one chain of multiply-adds
 * over ascending k, whatever m, n, the tile's height or the group. */
#ifndef KEN_KERNELS_BODY_GEMM_H
#define KEN_KERNELS_BODY_GEMM_H

#include "kernels/body/math.h"

enum {
    NR = GEMM_NV * VEC_LANES,
    KC = 256,
    LINE = 16,                       /* floats in a cache line */
    NEXT_ROWS = GEMM_MR > 4 ? 8 : 4, /* GEMM_MR, rounded up to a power of two */
    A_STRIDE = KC + 16,              /* the 16 spread the rows over the cache's sets */
    GROUP_MAX = 8,                   /* panels in a group */
    B_AHEAD = 16,                    /* prefetch distance in k */
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

/* Operands of a tile: acc[i][j] += sum over k < kc of a[i][k] * b[k][j]. `next` is the block of A
 * that is needed after this one, in rows of `ld_next`; reading it from far away takes time, so that
 * it is asked for, a line per k, while this one is computed. */
typedef struct tile_args {
    const float *a; /* rows A_STRIDE apart */
    const float *b;
    size_t kc;
    float *acc; /* rows NR apart */
    const float *next;
    size_t ld_next;
} tile_args;

/* `mr` rows and `nv` vectors of columns, both constants at every call. */
VEC void tile(size_t mr, size_t nv, const tile_args *t) {
    const float *a = t->a, *b = t->b, *next = t->next;
    float *acc = t->acc;
    size_t kc = t->kc, ld_next = t->ld_next;
    vf c[GEMM_MR][GEMM_NV];
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t v = 0; v < nv; v++)
            c[i][v] = vf_load(acc + i * NR + v * VEC_LANES);
    }
    for (size_t k = 0; k < kc; k++) {
        vf row[GEMM_NV];
        __builtin_prefetch(next + k % NEXT_ROWS * ld_next + k / NEXT_ROWS * LINE, 0, 2);
        UNROLL
        for (size_t j = 0; j < nv * VEC_LANES; j += LINE)
            __builtin_prefetch(b + B_AHEAD * NR + j);
        UNROLL
        for (size_t v = 0; v < nv; v++)
            row[v] = vf_load(b + v * VEC_LANES);
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            vf x = vf_set1(a[i * A_STRIDE + k]);
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
            vf_store(acc + i * NR + v * VEC_LANES, c[i][v]);
    }
}

typedef void tile_fn(const tile_args *t);
#define TILE(mr, nv)                                                                               \
    static void tile_##mr##_##nv(const tile_args *t) {                                             \
        tile(mr, nv, t);                                                                           \
    }
#if GEMM_NV == 3
#define TILES(mr) TILE(mr, 1) TILE(mr, 2) TILE(mr, 3)
#define TILE_NAMES(mr)                                                                             \
    { tile_##mr##_1, tile_##mr##_2, tile_##mr##_3 }
#else
#define TILES(mr) TILE(mr, 1) TILE(mr, 2)
#define TILE_NAMES(mr)                                                                             \
    { tile_##mr##_1, tile_##mr##_2 }
#endif
TILES(1)
TILES(2)
TILES(3)
TILES(4)
#if GEMM_MR >= 6
TILES(5)
TILES(6)
#endif
#if GEMM_MR >= 8
TILES(7)
TILES(8)
#endif

static tile_fn *const tiles[GEMM_MR][GEMM_NV] = {
    TILE_NAMES(1), TILE_NAMES(2), TILE_NAMES(3), TILE_NAMES(4),
#if GEMM_MR >= 6
    TILE_NAMES(5), TILE_NAMES(6),
#endif
#if GEMM_MR >= 8
    TILE_NAMES(7), TILE_NAMES(8),
#endif
};

/* The sums of some rows, panel by panel: element (i, j) of panel p is acc[p][i * NR + j]. */
typedef struct row_sums {
    _Alignas(64) float acc[GROUP_MAX][GEMM_MR * NR];
} row_sums;

/* Up to GEMM_MR rows of A times up to GROUP_MAX panels of B, of which `n` columns are wanted. */
static void multiply_rows(const float *a, size_t lda, size_t rows, size_t k, const float *b,
                          size_t n, row_sums *sums) {
    _Alignas(64) float block[GEMM_MR * A_STRIDE];
    size_t n_panels = div_up(n, NR);
    size_t last_nv = div_up(n - (n_panels - 1) * NR, VEC_LANES);
    for (size_t p = 0; p < n_panels; p++)
        memset(sums->acc[p], 0, rows * NR * sizeof(float));
    for (size_t k0 = 0; k0 < k; k0 += KC) {
        size_t kc = min_size(KC, k - k0);
        for (size_t i = 0; i < rows; i++)
            memcpy(block + i * A_STRIDE, a + i * lda + k0, kc * sizeof(float));
        const float *next = k0 + KC < k ? a + k0 + KC : a + rows * lda;
        for (size_t p = 0; p < n_panels; p++) {
            size_t nv = p + 1 < n_panels ? GEMM_NV : last_nv;
            tiles[rows - 1][nv - 1](&(tile_args){.a = block,
                                                 .b = b + (p * k + k0) * NR,
                                                 .kc = kc,
                                                 .acc = sums->acc[p],
                                                 .next = p ? block : next,
                                                 .ld_next = p ? A_STRIDE : lda});
        }
    }
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
VEC void finish_row(gemm_epilogue what, const float *acc, const float *bias, const float *residual,
                    float *c, size_t n) {
    bool adds = what == GEMM_ADD || what == GEMM_ADD_RELU;
    for (size_t j = 0; j < n; j += VEC_LANES) {
        vf y = vf_load(acc + j);
        y = bias ? vf_add(y, vf_load_some(bias + j, n - j)) : y;
        vf before = adds ? vf_load_some(residual + j, n - j) : vf_zero();
        vf_store_some(c + j, epilogue(what, y, before), n - j);
    }
}

/* The tile's rows m0 .. m0 + rows, columns n0 .. n0 + n, n <= NR. */
static void finish_tile(const gemm_f32_args *g, const float *acc, size_t m0, size_t rows, size_t n0,
                        size_t n) {
#define FINISH(what)                                                                               \
    case what:                                                                                     \
        finish_row(what, acc, bias, residual, c, n);                                               \
        break
    const float *bias = g->bias ? g->bias + n0 : NULL;
    for (size_t i = 0; i < rows; i++, acc += NR) {
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

static void gemm_f32(const gemm_f32_args *g) {
    row_sums sums;
    size_t panel_bytes = max_size(NR * g->k * sizeof(float), 1);
    size_t group = max_size(1, min_size(GROUP_MAX, GEMM_GROUP_BYTES / panel_bytes));
    for (size_t n0 = 0; n0 < g->n; n0 += group * NR) {
        size_t n = min_size(group * NR, g->n - n0);
        for (size_t m0 = 0, rows; m0 < g->m; m0 += rows) {
            rows = next_tile_rows(g->m - m0);
            multiply_rows(g->a + m0 * g->lda, g->lda, rows, g->k, g->b + n0 * g->k, n, &sums);
            for (size_t j = 0; j < n; j += NR)
                finish_tile(g, sums.acc[j / NR], m0, rows, n0 + j, min_size(NR, n - j));
        }
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
