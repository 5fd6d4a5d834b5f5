/* models/text_transformer.h: token ids -> embeddings, for CLIP, OpenCLIP and SigLIP.
 *
 * Texts are packed one after the other without padding. A causal tower reads a text only up to the
 * token it pools, because later tokens cannot change that one: exactly the same result for a sixth
 * of the work on a usual prompt. */
#ifndef KEN_MODELS_TEXT_TRANSFORMER_H
#define KEN_MODELS_TEXT_TRANSFORMER_H

#include "models/transformer.h"

typedef enum text_pool {
    TEXT_POOL_ARGMAX, /* at the highest id: CLIP's end token, by its place in the vocabulary */
    TEXT_POOL_EOS,    /* at the first eos_id; at the first token when there is none */
    TEXT_POOL_FIRST,
    TEXT_POOL_LAST,
} text_pool;

typedef struct text_config {
    size_t vocab_size, context_length; /* V, T */
    size_t embedding_width;            /* E; must be D when there is no projection */
    transformer_config transformer;
    text_pool pool;
    int32_t eos_id; /* TEXT_POOL_EOS */
} text_config;

typedef struct text_names {
    const char *token_embedding; /* "....weight" */
    const char *positional_embedding;
    const char *resblocks;
    const block_names *block;
    const char *ln_final;
    const char *text_projection; /* NULL: none */
    bool projection_is_linear;   /* "PROJECTION.weight" [E, D]; else [D, E] */
    bool projection_bias;
} text_names;

typedef struct text_transformer {
    text_config config;
    const tensor *token_embedding;     /* [V, D] as stored: rows are converted when used */
    const float *positional_embedding; /* [T, D] */
    transformer transformer;
    layer_norm ln_final;
    linear text_projection; /* [E, D]; n is 0 when there is none */
} text_transformer;

KEN_MUST_CHECK ken_status text_read(reader *r, const text_config *config, const text_names *names,
                                    const text_transformer **out, ken_error *err);

size_t text_workspace_bytes(const text_transformer *t, size_t batch);
size_t text_scratch_floats(const text_transformer *t);
/* `ids` is [B, T]; every id must be below V and not negative. `out` is [B, E], not normalised. */
void text_run(const exec *e, const text_transformer *t, void *workspace_base, const int32_t *ids,
              size_t batch, float *out, const tracer *trace);

#endif
