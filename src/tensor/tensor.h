/* tensor/tensor.h: what a block of numbers is: element type, shape, where it lies. Views own
 * nothing. */
#ifndef KEN_TENSOR_H
#define KEN_TENSOR_H

#include "base/error.h"

typedef enum ken_dtype {
    KEN_DTYPE_BOOL,
    KEN_DTYPE_U8,
    KEN_DTYPE_I8,
    KEN_DTYPE_F8_E4M3,
    KEN_DTYPE_F8_E5M2,
    KEN_DTYPE_I16,
    KEN_DTYPE_U16,
    KEN_DTYPE_F16,
    KEN_DTYPE_BF16,
    KEN_DTYPE_I32,
    KEN_DTYPE_U32,
    KEN_DTYPE_F32,
    KEN_DTYPE_I64,
    KEN_DTYPE_U64,
    KEN_DTYPE_F64,
    KEN_DTYPE_COUNT,
} ken_dtype;

size_t dtype_size(ken_dtype dtype);      /* bytes of an element */
const char *dtype_name(ken_dtype dtype); /* safetensors' spelling: "F32" */
bool dtype_parse(const char *name, ken_dtype *out);

enum { TENSOR_MAX_RANK = 8 };

typedef struct tensor {
    ken_dtype dtype;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
    const void *data; /* may be unaligned: it lies in a mapped file */
    size_t size_bytes;
} tensor;

size_t tensor_count(const tensor *t); /* elements */
/* "[768, 3, 32, 32]" into `out`; returns out. */
const char *tensor_shape_text(const tensor *t, char *out, size_t size);

#endif
