/* tensor/conv.h: square convolution on [B, H, W, C] pictures, as a GEMM over im2col rows, and the
 * mean pooling that stands for its stride. A 1x1 convolution is a plain linear layer. */
#ifndef KEN_TENSOR_CONV_H
#define KEN_TENSOR_CONV_H

#include "tensor/linear.h"

typedef struct conv2d {
    linear weight;   /* [C_out, kernel * kernel * C_in], inputs in (ky, kx, channel) order */
    size_t channels; /* C_in */
    size_t kernel, stride, padding;
} conv2d;

/* Floats of exec scratch that conv2d_run needs. */
size_t conv2d_scratch(const conv2d *conv, const kernels *k);
/* Height or width of the result. */
size_t conv2d_out_size(const conv2d *conv, size_t size);

/* y [B, H_out, W_out, C_out] = epilogue(conv(x [B, H, W, C_in]) + bias); `residual` has y's shape.
 */
typedef struct conv2d_args {
    const float *x;
    float *y;
    size_t batch, height, width;
    gemm_epilogue epilogue;
    const float *residual;
} conv2d_args;
void conv2d_run(const exec *e, const conv2d *conv, const conv2d_args *args);

/* y [B, H / size, W / size, C] */
void avg_pool2d_run(const exec *e, const float *x, float *y, size_t batch, size_t height,
                    size_t width, size_t channels, size_t size);

#endif
