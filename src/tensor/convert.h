/* tensor/convert.h: stored tensors as f32. */
#ifndef KEN_TENSOR_CONVERT_H
#define KEN_TENSOR_CONVERT_H

#include "kernels/kernels.h"
#include "tensor/tensor.h"

/* F32, F16 and BF16. */
bool tensor_is_float(const tensor *t);
/* Elements [begin, begin + n) of a tensor that tensor_is_float, which may lie unaligned. */
void tensor_read_f32(const tensor *t, const kernels *k, size_t begin, size_t n, float *out);
/* The elements in place, when the tensor is F32 and aligned; else NULL. */
const float *tensor_f32_in_place(const tensor *t);
bool floats_are_finite(const float *x, size_t n);

#endif
