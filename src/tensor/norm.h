/* tensor/norm.h: layer normalisation over rows, split over the pool. */
#ifndef KEN_TENSOR_NORM_H
#define KEN_TENSOR_NORM_H

#include "tensor/exec.h"

typedef struct layer_norm {
    const float *weight, *bias; /* [D]; NULL bias: none */
    size_t width;
    float eps;
} layer_norm;

/* y may be x. */
void layer_norm_run(const exec *e, const layer_norm *ln, const float *x, size_t ldx, float *y,
                    size_t ldy, size_t rows);

#endif
