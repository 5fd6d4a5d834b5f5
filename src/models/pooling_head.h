/* models/pooling_head.h: SigLIP's attention pooling: one learnt query looks at all tokens.
 *
 *     x = out_proj(attention(probe, tokens));  x = x + fc2(activation(fc1(layernorm(x)))) */
#ifndef KEN_MODELS_POOLING_HEAD_H
#define KEN_MODELS_POOLING_HEAD_H

#include "models/reader.h"

typedef struct pooling_head_config {
    size_t width, heads, mlp_width; /* D, H, M */
    gemm_epilogue activation;
    float eps;
} pooling_head_config;

typedef struct pooling_head {
    pooling_head_config config;
    const float *query;        /* [D] the probe through q's weights, scaled by 1/sqrt(K) */
    linear attention_kv;       /* [2D, D] */
    linear attention_out_proj; /* [D, D] */
    layer_norm layernorm;
    linear mlp_fc1, mlp_fc2; /* [M, D], [D, M] */
} pooling_head;

KEN_MUST_CHECK ken_status pooling_head_read(reader *r, const pooling_head_config *config,
                                            const char *prefix, pooling_head *out, ken_error *err);

/* x is [rows, D]; sequence s is rows [begin[s], begin[s + 1]). `wide` holds [rows, max(2D, M)], `h`
 * [n, D], `one_each` n + 1 sizes; the result goes to out [n, D]. */
typedef struct pooling_head_args {
    const float *x;
    const size_t *begin;
    size_t n;
    float *wide, *h;
    size_t *one_each;
    float *out;
} pooling_head_args;
void pooling_head_run(const exec *e, const pooling_head *head, const pooling_head_args *args);

#endif
