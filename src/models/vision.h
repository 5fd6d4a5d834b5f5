/* models/vision.h: an image tower: pictures -> embeddings [B, E], not yet normalised.
 *
 * Two kinds: the vision transformer (vit.c, with SigLIP's pooling head in pooling_head.c) and
 * CLIP's ModifiedResNet (resnet.c). */
#ifndef KEN_MODELS_VISION_H
#define KEN_MODELS_VISION_H

#include "models/trace.h"
#include "tensor/exec.h"

typedef struct vit vit;
typedef struct resnet resnet;

typedef struct vision {
    size_t image_size[2];   /* height, width */
    size_t embedding_width; /* E */
    const vit *vit;         /* one of the two is there */
    const resnet *resnet;
} vision;

/* Pictures of a call: 8-bit pixels with their table, or floats already normalised. */
typedef struct pictures {
    const uint8_t *pixels;     /* [B, H, W, 3], or NULL */
    const float (*table)[256]; /* [3][256], with pixels */
    const float *nchw;         /* [B, 3, H, W], or NULL */
} pictures;
/* The same from picture `index` on. */
pictures pictures_from(const vision *v, const pictures *in, size_t index);

/* Bytes of workspace that `batch` pictures need, and floats of exec scratch. */
size_t vision_workspace_bytes(const vision *v, size_t batch);
size_t vision_scratch_floats(const vision *v, const kernels *k);
void vision_run(const exec *e, const vision *v, void *workspace_base, const pictures *in,
                size_t batch, float *out, const tracer *trace);

#endif
