/* models/vit.h: the vision transformer of CLIP, OpenCLIP and SigLIP. */
#ifndef KEN_MODELS_VIT_H
#define KEN_MODELS_VIT_H

#include "models/patch_conv.h"
#include "models/pooling_head.h"
#include "models/transformer.h"

typedef enum vit_pool {
    VIT_POOL_CLASS_TOKEN,
    VIT_POOL_MEAN, /* of the patches; the class token is left out */
    VIT_POOL_HEAD, /* SigLIP: attention with a learnt query, then an MLP */
} vit_pool;

typedef struct vit_config {
    size_t image_size[2]; /* height, width */
    size_t patch_size;    /* P */
    transformer_config transformer;
    size_t embedding_width; /* E; must be D when there is no projection */
    vit_pool pool;
    bool class_token;
    bool patch_bias;
    bool ln_pre;
    bool ln_after_pool;        /* VIT_POOL_MEAN: normalise the mean, not the tokens */
    double gain[3], offset[3]; /* of pixels: preprocess_range */
} vit_config;

/* The checkpoint's paths. */
typedef struct vit_names {
    const char *conv1;           /* prefix of weight and bias */
    const char *class_embedding; /* NULL: none */
    const char *positional_embedding;
    const char *ln_pre;
    const char *resblocks; /* prefix of the block number */
    const block_names *block;
    const char *ln_post;
    const char *head;    /* VIT_POOL_HEAD */
    const char *proj;    /* NULL: none */
    bool proj_is_linear; /* "PROJ.weight" [E, D]; else `proj` is [D, E] */
} vit_names;

struct vit {
    vit_config config;
    size_t n_tokens; /* T = G, or G + 1 with a class token */
    patch_conv conv1;
    const float *positional_embedding; /* [T, D]; row 0 has the class embedding added */
    layer_norm ln_pre;
    transformer transformer;
    layer_norm ln_post;
    pooling_head head;
    linear proj; /* [E, D]; n is 0 when there is none */
};

KEN_MUST_CHECK ken_status vit_read(reader *r, const vit_config *config, const vit_names *names,
                                   const vit **out, ken_error *err);

size_t vit_workspace_bytes(const vit *v, size_t batch);
size_t vit_scratch_floats(const vit *v);
void vit_run(const exec *e, const vit *v, workspace *w, const pictures *in, size_t batch,
             float *out, const tracer *trace);

#endif
