/* tensor/attention.h: multi-head attention over a batch of sequences of any lengths, packed one
 * after the other without padding. Split over the pool by sequence and head. */
#ifndef KEN_TENSOR_ATTENTION_H
#define KEN_TENSOR_ATTENTION_H

#include "ken.h"
#include "tensor/exec.h"

/* Row r of q, k, v and out holds all heads side by side: head h at columns [h * K, (h + 1) * K).
 * Sequence s has the queries [q_begin[s], q_begin[s + 1]) and the keys [k_begin[s], k_begin[s +
 * 1]). The query scale is already in q. In s16 and int8 the products of sequences with more than
 * one query are computed in 16-bit integers, else in f32. */
typedef struct attention_args {
    const float *q, *k, *v;
    float *out;
    size_t ldq, ldk, ldv, ldo;
    size_t n_sequences;
    const size_t *q_begin, *k_begin; /* [n_sequences + 1] */
    size_t heads, head_width;
    bool causal;
    ken_precision precision;
} attention_args;

/* Floats of exec's scratch for the longest queries and keys, in any precision. */
size_t attention_scratch(size_t n_queries, size_t n_keys, size_t head_width);

void attention_run(const exec *e, const attention_args *args);

#endif
