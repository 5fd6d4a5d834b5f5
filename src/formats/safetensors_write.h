/* formats/safetensors_write.h: writing a safetensors file of float32 tensors. */
#ifndef KEN_FORMATS_SAFETENSORS_WRITE_H
#define KEN_FORMATS_SAFETENSORS_WRITE_H

#include "base/error.h"

typedef struct safetensors_output {
    const char *name;
    int rank;
    size_t shape[2];
    const float *data;
} safetensors_output;

/* `metadata` is n_metadata keys, each followed by its value. The bytes depend on the arguments
 * only; `path` is replaced when they are all written. */
KEN_MUST_CHECK ken_status safetensors_write(const char *path, const safetensors_output *tensors,
                                            size_t n_tensors, const char *const *metadata,
                                            size_t n_metadata, ken_error *err);

#endif
