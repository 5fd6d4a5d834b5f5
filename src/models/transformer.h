/* models/transformer.h: pre-norm residual attention blocks, as every tower here is built of.
 *
 *     x = x + out_proj(attention(ln_1(x)));  x = x + c_proj(activation(c_fc(ln_2(x))))
 *
 * Fields are named as OpenCLIP's checkpoints name them; block_names says how another layout does.
 */
#ifndef KEN_MODELS_TRANSFORMER_H
#define KEN_MODELS_TRANSFORMER_H

#include "models/reader.h"
#include "models/trace.h"

typedef struct transformer_config {
    size_t width, layers, heads, mlp_width; /* D, layers, H, M */
    gemm_epilogue activation;
    float eps; /* of the layer norms */
    bool causal;
    bool layer_scale;
    bool pooled; /* the result is one row a sequence: the last block computes only that */
} transformer_config;

/* Names below a block's prefix. Either in_proj ("attn.in_proj_", weight and bias to follow) or the
 * separate q, k, v. */
typedef struct block_names {
    const char *ln_1, *ln_2;
    const char *in_proj;
    const char *q, *k, *v;
    const char *out_proj, *c_fc, *c_proj;
    const char *ls_1, *ls_2; /* layer scale */
} block_names;
extern const block_names block_names_open_clip;
extern const block_names block_names_hugging_face;

typedef struct transformer_block {
    layer_norm ln_1;
    linear attn_in_proj;    /* [3D, D]: q (scaled by 1/sqrt(K)), k, v */
    linear attn_q, attn_kv; /* instead of it in a last block that is pooled: [D, D], [2D, D] */
    linear attn_out_proj;   /* [D, D], layer scale folded in */
    layer_norm ln_2;
    linear mlp_c_fc;   /* [M, D] */
    linear mlp_c_proj; /* [D, M], layer scale folded in */
} transformer_block;

typedef struct transformer {
    transformer_config config;
    transformer_block *resblocks;
} transformer;

KEN_MUST_CHECK ken_status transformer_read(reader *r, const transformer_config *config,
                                           const block_names *names, const char *prefix,
                                           transformer *out, ken_error *err);

/* Buffers of a run over at most `rows` rows in at most `sequences` sequences. */
typedef struct transformer_buffers {
    float *x;                   /* [rows, D] the residual stream: the caller writes it */
    float *h;                   /* [rows, D] */
    float *wide;                /* [rows, max(3D, M)]: free for the caller before the run */
    float *pooled;              /* [sequences, D] the result of a pooled transformer */
    float *pooled_h, *pooled_q; /* [sequences, D] */
    size_t *begin;      /* [sequences + 1] first row of each sequence: the caller writes it */
    size_t *pooled_row; /* [sequences] the row to pool, if pooled: likewise */
    size_t *one_each;   /* [sequences + 1] 0, 1, 2... */
} transformer_buffers;
void transformer_take(const transformer_config *config, size_t rows, size_t sequences, workspace *w,
                      transformer_buffers *out);
/* Bytes of exec.quantized for a run over `rows` rows. */
size_t transformer_quantized_bytes(const transformer *t, size_t rows);
/* Floats of exec scratch for sequences of at most `tokens`. */
size_t transformer_scratch(const transformer_config *config, size_t tokens);

/* Runs `n_sequences` sequences from x; the result is in x, or in `pooled`. */
void transformer_run(const exec *e, const transformer *t, const transformer_buffers *b,
                     size_t n_sequences, const tracer *trace, const char *trace_prefix);

#endif
