/* models/vision.c: hands a batch to the tower's kind. */
#include "models/vision.h"

#include "models/resnet.h"
#include "models/vit.h"

pictures pictures_from(const vision *v, const pictures *in, size_t index) {
    size_t offset = index * v->image_size[0] * v->image_size[1] * 3;
    pictures moved = *in;
    if (moved.pixels)
        moved.pixels += offset;
    if (moved.nchw)
        moved.nchw += offset;
    return moved;
}

size_t vision_workspace_bytes(const vision *v, size_t batch) {
    return v->vit ? vit_workspace_bytes(v->vit, batch) : resnet_workspace_bytes(v->resnet, batch);
}

size_t vision_scratch_floats(const vision *v, const kernels *k) {
    return v->vit ? vit_scratch_floats(v->vit) : resnet_scratch_floats(v->resnet, k);
}

void vision_run(const exec *e, const vision *v, void *workspace_base, const pictures *in,
                size_t batch, float *out, const tracer *trace) {
    workspace w = {.base = workspace_base};
    if (v->vit)
        vit_run(e, v->vit, &w, in, batch, out, trace);
    else
        resnet_run(e, v, &w, in, batch, out, trace);
}
