/* models/resnet.h: CLIP's ModifiedResNet: a stem of three convolutions, mean pooling before every
 * stride, and an attention pool in place of the last mean. */
#ifndef KEN_MODELS_RESNET_H
#define KEN_MODELS_RESNET_H

#include "models/reader.h"
#include "models/vision.h"
#include "tensor/conv.h"

enum { RESNET_STAGES = 4, RESNET_EXPANSION = 4, RESNET_REDUCTION = 32 };

typedef struct resnet_config {
    size_t image_size; /* S; resnet_final_side(S) must be S / RESNET_REDUCTION */
    size_t width;      /* of the stem's result */
    size_t layers[RESNET_STAGES];
    size_t heads; /* of the attention pool */
    size_t embedding_width;
} resnet_config;

/* Batch normalisation is folded into the convolution before it. */
typedef struct bottleneck {
    conv2d conv1, conv2, conv3;
    conv2d downsample; /* "downsample.0"; weight.n is 0 when the shortcut is the input itself */
    size_t stride;     /* mean pooling after conv2 and before downsample; 1: none */
} bottleneck;

typedef struct attnpool {
    const float *positional_embedding; /* [T, D], T = 1 + (S / 32)^2, D = 32 * width */
    linear q_proj;                     /* [D, D], scaled by 1/sqrt(K) */
    linear kv_proj;                    /* [2D, D]: k_proj, v_proj */
    linear c_proj;                     /* [E, D] */
} attnpool;

struct resnet {
    resnet_config config;
    conv2d conv1, conv2, conv3; /* the stem */
    bottleneck *layers[RESNET_STAGES];
    attnpool attnpool;
};

/* The stem's stride rounds up, every later one down. */
size_t resnet_final_side(size_t image_size);
/* Tensors are named PREFIX + "conv1.weight" and so on. */
KEN_MUST_CHECK ken_status resnet_read(reader *r, const resnet_config *config, const char *prefix,
                                      const resnet **out, ken_error *err);

size_t resnet_workspace_bytes(const resnet *net, size_t batch);
size_t resnet_scratch_floats(const resnet *net, const kernels *k);
/* Pictures go through in groups, so that a group's activations stay small whatever the batch; a
 * trace sees each group. */
void resnet_run(const exec *e, const vision *v, workspace *w, const pictures *in, size_t batch,
                float *out, const tracer *trace);

#endif
