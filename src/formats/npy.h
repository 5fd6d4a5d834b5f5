/* formats/npy.h: NumPy's .npy, version 1.0, little-endian, C order. */
#ifndef KEN_FORMATS_NPY_H
#define KEN_FORMATS_NPY_H

#include "base/buf.h"
#include "tensor/tensor.h"

/* Appends the header for an array of this dtype (F32, F16, F64, I32, I64, U8) and shape. */
bool npy_put_header(buf *out, ken_dtype dtype, int rank, const int64_t *shape);
/* Writes the file atomically. */
KEN_MUST_CHECK ken_status npy_write(const char *path, ken_dtype dtype, int rank,
                                    const int64_t *shape, const void *data, ken_error *err);
/* A view of a .npy file's bytes. Fortran order and other dtypes are KEN_UNSUPPORTED. */
KEN_MUST_CHECK ken_status npy_parse(const uint8_t *bytes, size_t size, const char *where,
                                    tensor *out, ken_error *err);

#endif
