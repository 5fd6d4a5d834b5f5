/* kernels/body/attention.h: softmax(q k^T) v for one head, on the GEMM's tiles.
 *
 * Keys are packed as a GEMM's weight and values as one that lies transposed already. Then GEMM_MR
 * queries at a time: scores, softmax without its division, product with the values, division. */
#ifndef KEN_KERNELS_BODY_ATTENTION_H
#define KEN_KERNELS_BODY_ATTENTION_H

#include "kernels/body/gemm.h"
#include "kernels/body/rows.h"

/* v [n_keys, K] into panels [n_keys, NR], the last one filled with zeros. */
static void pack_values(const attention_f32_args *t, float *packed) {
    for (size_t n0 = 0; n0 < t->head_width; n0 += NR) {
        size_t n = min_size(NR, t->head_width - n0);
        for (size_t i = 0; i < t->n_keys; i++, packed += NR) {
            const float *v = t->v + i * t->ldv + n0;
            for (size_t j = 0; j < NR; j += VEC_LANES) {
                vf_store(packed + j, vf_load_some(v + j, n > j ? n - j : 0));
            }
        }
    }
}

/* Up to GEMM_MR rows of A times any number of panels; `scales` multiplies the rows when not NULL.
 */
static void multiply_wide(const float *a, size_t lda, size_t rows, size_t k, const float *b,
                          size_t n, const float *scales, float *out, size_t ldo) {
    _Alignas(64) float sums[GEMM_MR * NR];
    for (size_t n0 = 0; n0 < n; n0 += NR) {
        size_t columns = min_size(NR, n - n0);
        multiply_panel(&(tile_args){.a = a, .lda = lda, .b = b + n0 * k, .k = k, .sums = sums},
                       rows, columns);
        for (size_t i = 0; i < rows; i++) {
            vf scale = vf_set1(scales ? scales[i] : 1.0f);
            float *to = out + i * ldo + n0;
            for (size_t j = 0; j < columns; j += VEC_LANES)
                vf_store_some(to + j, vf_mul(vf_load(sums + i * NR + j), scale), columns - j);
        }
    }
}

static void attention_f32(const attention_f32_args *t) {
    size_t n_keys = t->n_keys, width = t->head_width;
    float *keys = t->scratch;
    keys += (64 - (uintptr_t)keys % 64) % 64 / sizeof(float);
    float *values = keys + div_up(n_keys, NR) * NR * width;
    float *scores = values + div_up(width, NR) * NR * n_keys;
    gemm_f32_pack(t->k, t->ldk, n_keys, width, keys);
    pack_values(t, values);
    for (size_t q0 = 0, rows; q0 < t->n_queries; q0 += rows) {
        rows = next_tile_rows(t->n_queries - q0);
        /* The last query of the tile sees most: the others have zeros from where they stop. */
        size_t seen = t->causal ? q0 + rows + n_keys - t->n_queries : n_keys;
        multiply_wide(t->q + q0 * t->ldq, t->ldq, rows, width, keys, seen, NULL, scores, n_keys);
        float scales[GEMM_MR];
        for (size_t i = 0; i < rows; i++) {
            float *row = scores + i * n_keys;
            size_t n = t->causal ? seen - (rows - 1 - i) : seen;
            scales[i] = 1.0f / exp_row(row, n);
            memset(row + n, 0, (seen - n) * sizeof(float));
        }
        /* A panel of values is n_keys high, also when only the first `seen` rows are used. */
        for (size_t j = 0; j < width; j += NR)
            multiply_wide(scores, n_keys, rows, seen, values + j * n_keys, min_size(NR, width - j),
                          scales, t->out + q0 * t->ldo + j, t->ldo);
    }
}

#endif
