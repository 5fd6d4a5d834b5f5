/* kernels/body/attention_s16.h: softmax(q k^T) v for one head, both products in 16-bit integers on
 * the tiles of gemm_s16.h, the softmax between them in floats.
 *
 * Queries and keys get a scale each, columns of values one each, rows of weights one each, all by
 * the rule of gemm_s16.h, so no sum overflows. A row of weights is e^(score - largest) rounded to
 * integers and divided by the sum of those integers: what is left of a rounding error is a slightly
 * different mean of the same values.
 *
 * In the second product a pair is two keys that are VEC_LANES apart, so that weights are paired
 * without moving lanes. */
#ifndef KEN_KERNELS_BODY_ATTENTION_S16_H
#define KEN_KERNELS_BODY_ATTENTION_S16_H

#include "kernels/body/gemm_s16.h"

/* Smaller values count as zero, so that squares which a float loses do not matter. */
static const float SMALLEST_VALUE_SCALE = 0x1p-60f;

/* What lies in the scratch. */
typedef struct head_s16 {
    int16_t *keys; /* [s16_row(K) / 2, NR, 2] a panel of NR keys */
    float *key_scales;
    int16_t *values; /* [pairs, NR, 2] a panel of NR columns */
    float *value_scales;
    int16_t *queries; /* [tile, s16_row(K)], of the tile at hand as all that follows */
    float *scores;    /* [tile, ld] */
    int16_t *weights; /* [tile, ld] */
    size_t ld;
} head_s16;

static void *take_aligned(char **from, size_t size_bytes) {
    char *taken = *from + (64 - (uintptr_t)*from % 64) % 64;
    *from = taken + size_bytes;
    return taken;
}

/* The layout that attention_s16_scratch sizes for all tiers. */
static head_s16 head_in_scratch(const attention_f32_args *t) {
    char *next = (char *)t->scratch;
    size_t key_columns = div_up(t->n_keys, NR) * NR, columns = div_up(t->head_width, NR) * NR;
    size_t row = s16_row(t->head_width), ld = div_up(t->n_keys, S16_LANES) * S16_LANES;
    size_t tile_rows = min_size(GEMM_MR, t->n_queries);
    head_s16 h = {.ld = ld};
    h.keys = take_aligned(&next, key_columns * row * sizeof *h.keys);
    h.key_scales = take_aligned(&next, key_columns * sizeof *h.key_scales);
    h.values = take_aligned(&next, columns * ld * sizeof *h.values);
    h.value_scales = take_aligned(&next, columns * sizeof *h.value_scales);
    h.queries = take_aligned(&next, tile_rows * row * sizeof *h.queries);
    h.scores = take_aligned(&next, tile_rows * ld * sizeof *h.scores);
    h.weights = take_aligned(&next, tile_rows * ld * sizeof *h.weights);
    return h;
}

/* Pairs that hold the first n keys: whole blocks of two vectors, and a last one whose first vector
 * may be short. */
VEC size_t pairs_of_keys(size_t n) {
    return n / S16_LANES * VEC_LANES + min_size(VEC_LANES, n % S16_LANES);
}

/* ---- values ---- */

/* The scales of up to NR columns of v [n_keys, columns]; a column with a NaN or an infinity, or one
 * that leaves the floats' range when squared, does not get a finite result. */
static void scale_values(const float *v, size_t ldv, size_t n_keys, size_t columns, float *scales) {
    vf largest[GEMM_NV], squares[GEMM_NV];
    for (size_t i = 0; i < GEMM_NV; i++)
        largest[i] = squares[i] = vf_zero();
    size_t nv = div_up(columns, VEC_LANES);
    for (size_t key = 0; key < n_keys; key++, v += ldv)
        for (size_t i = 0; i < nv; i++) {
            vf x = vf_load_some(v + i * VEC_LANES, columns - i * VEC_LANES);
            largest[i] = vf_max(largest[i], vf_abs(x));
            squares[i] = vf_fma(x, x, squares[i]);
        }
    for (size_t i = 0; i < GEMM_NV; i++) {
        vf by_norm = vf_mul(vf_sqrt(squares[i]), vf_set1(1.0f / S16_NORM));
        vf scale = vf_max(vf_mul(largest[i], vf_set1(1.0f / S16_LARGEST)), by_norm);
        vf_store(scales + i * VEC_LANES, vf_max(vf_set1(SMALLEST_VALUE_SCALE), scale));
    }
}

/* One vector of columns of a panel. */
static void pack_value_vector(const float *v, size_t ldv, size_t n_keys, size_t columns, vf inverse,
                              int16_t *packed) {
    for (size_t block = 0; block < n_keys; block += S16_LANES) {
        size_t left = n_keys - block, pairs = min_size(VEC_LANES, left);
        for (size_t i = 0; i < pairs; i++, packed += 2 * NR) {
            const float *first = v + (block + i) * ldv;
            vf a = vf_load_some(first, columns), b = vf_zero();
            if (VEC_LANES + i < left)
                b = vf_load_some(first + VEC_LANES * ldv, columns);
            vi pair = vi_pair(vi_from_vf(vf_mul(a, inverse)), vi_from_vf(vf_mul(b, inverse)));
            vi_store_s16(packed, vi_pair_order(pair));
        }
    }
}

static void pack_values_s16(const attention_f32_args *t, const head_s16 *h) {
    size_t panel = pairs_of_keys(t->n_keys) * 2 * NR;
    int16_t *packed = h->values;
    for (size_t n0 = 0; n0 < t->head_width; n0 += NR, packed += panel) {
        const float *v = t->v + n0;
        size_t columns = min_size(NR, t->head_width - n0);
        float *scales = h->value_scales + n0;
        scale_values(v, t->ldv, t->n_keys, columns, scales);
        for (size_t j = 0; j < columns; j += VEC_LANES) {
            vf inverse = vf_div(vf_set1(1.0f), vf_load(scales + j));
            pack_value_vector(v + j, t->ldv, t->n_keys, columns - j, inverse, packed + 2 * j);
        }
    }
}

/* ---- weights ---- */

/* x = 2^(x - max x), and zeros up to the end of the block; returns the sum of squares. */
static float exp2_row(float *x, size_t n) {
    vf max = vf_set1(row_max(x, n)), lowest = vf_set1(-126.0f), squares = vf_zero();
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vf p = vf_exp2(vf_max(lowest, vf_sub(vf_load(x + i), max)));
        squares = vf_fma(p, p, squares);
        vf_store(x + i, p);
    }
    if (i < n) {
        vf p = vf_exp2(vf_max(lowest, vf_sub(vf_load_n(x + i, n - i), max)));
        p = vf_keep(p, n - i, vf_zero());
        squares = vf_fma(p, p, squares);
        vf_store(x + i, p);
        i += VEC_LANES;
    }
    if (i % S16_LANES)
        vf_store(x + i, vf_zero());
    return vf_sum(squares);
}

/* A row of scores, in powers of two, to weights of the first n keys, and zeros for those up to
 * `seen`. Returns what makes their sum one. */
static float weigh_row(float *scores, size_t n, size_t seen, int16_t *weights) {
    float by_norm = sqrtf(exp2_row(scores, n)) / S16_NORM;
    if (!(by_norm < INFINITY))
        return NAN;
    /* The largest weight is 1. */
    float largest = 1.0f / S16_LARGEST;
    vf inverse = vf_set1(1.0f / (by_norm > largest ? by_norm : largest));
    vi ones = vi_set1(0x10001), sum = vi_set1(0);
    size_t stored = 2 * pairs_of_keys(seen);
    for (size_t i = 0; i < n; i += S16_LANES) {
        vf a = vf_mul(vf_load(scores + i), inverse);
        vf b = vf_mul(vf_load(scores + i + VEC_LANES), inverse);
        vi pairs = vi_pair(vi_from_vf(a), vi_from_vf(b));
        sum = vi_dot_s16(ones, pairs, sum);
        vi_store_s16(weights + i, pairs);
    }
    size_t end = div_up(n, S16_LANES) * S16_LANES;
    if (end < stored)
        memset(weights + end, 0, (stored - end) * sizeof *weights);
    return 1.0f / vf_sum(vf_from_vi(sum));
}

/* ---- one tile of queries ---- */

VEC void multiply_panel_s16(const tile_s16_args *t, size_t rows, size_t columns) {
    tiles_s16[rows - 1][div_up(columns, VEC_LANES) - 1](t);
}

/* Scores times log2 e, so that weights are powers of two. */
static void score_tile(const attention_f32_args *t, const head_s16 *h, size_t q0, size_t rows,
                       size_t seen) {
    float scales[GEMM_MR];
    size_t row = s16_row(t->head_width);
    quantize_rows_s16(&(quantize_rows_s16_args){.x = t->q + q0 * t->ldq,
                                                .ldx = t->ldq,
                                                .q = h->queries,
                                                .ldq = row,
                                                .scales = scales,
                                                .rows = rows,
                                                .width = t->head_width});
    for (size_t i = 0; i < rows; i++)
        scales[i] *= LOG2_E;
    for (size_t n0 = 0; n0 < seen; n0 += NR)
        multiply_panel_s16(&(tile_s16_args){.a = h->queries,
                                            .lda = row,
                                            .b = h->keys + n0 * row,
                                            .k = row,
                                            .next = h->queries,
                                            .a_scales = scales,
                                            .b_scales = h->key_scales + n0,
                                            .sums = h->scores + n0,
                                            .ld_sums = h->ld},
                           rows, min_size(NR, seen - n0));
}

static void add_values(const attention_f32_args *t, const head_s16 *h, size_t q0, size_t rows,
                       size_t seen, const float *scales) {
    _Alignas(64) float sums[GEMM_MR * NR];
    size_t panel = pairs_of_keys(t->n_keys) * 2 * NR;
    const int16_t *values = h->values;
    for (size_t n0 = 0; n0 < t->head_width; n0 += NR, values += panel) {
        size_t columns = min_size(NR, t->head_width - n0);
        multiply_panel_s16(&(tile_s16_args){.a = h->weights,
                                            .lda = h->ld,
                                            .b = values,
                                            .k = 2 * pairs_of_keys(seen),
                                            .next = h->weights,
                                            .a_scales = scales,
                                            .b_scales = h->value_scales + n0,
                                            .sums = sums,
                                            .ld_sums = NR},
                           rows, columns);
        for (size_t i = 0; i < rows; i++) {
            float *out = t->out + (q0 + i) * t->ldo + n0;
            for (size_t j = 0; j < columns; j += VEC_LANES)
                vf_store_some(out + j, vf_load(sums + i * NR + j), columns - j);
        }
    }
}

/* Asks for rows that lie as far apart as all heads are wide, which no CPU foresees. */
static void ask_for_rows(const float *x, size_t ld, size_t rows, size_t width) {
    for (size_t i = 0; i < rows; i++, x += ld)
        for (size_t j = 0; j < width; j += LINE)
            __builtin_prefetch(x + j, 0, 2);
}

static void attention_s16(const attention_f32_args *t) {
    size_t n_keys = t->n_keys;
    head_s16 h = head_in_scratch(t);
    ask_for_rows(t->k, t->ldk, n_keys, t->head_width);
    ask_for_rows(t->v, t->ldv, n_keys, t->head_width);
    ask_for_rows(t->q, t->ldq, t->n_queries, t->head_width);
    gemm_s16_pack(t->k, t->ldk, n_keys, t->head_width, h.keys, h.key_scales);
    pack_values_s16(t, &h);
    for (size_t q0 = 0, rows; q0 < t->n_queries; q0 += rows) {
        rows = next_tile_rows(t->n_queries - q0);
        size_t seen = t->causal ? q0 + rows + n_keys - t->n_queries : n_keys;
        float scales[GEMM_MR];
        score_tile(t, &h, q0, rows, seen);
        for (size_t i = 0; i < rows; i++) {
            size_t n = t->causal ? seen - (rows - 1 - i) : seen;
            scales[i] = weigh_row(h.scores + i * h.ld, n, seen, h.weights + i * h.ld);
        }
        add_values(t, &h, q0, rows, seen, scales);
    }
}

#endif
