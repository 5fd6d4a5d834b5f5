/* tensor/tensor.c: element types and shapes; nothing here touches the elements. */
#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size_bytes;
} dtypes[KEN_DTYPE_COUNT] = {
    [KEN_DTYPE_BOOL] = {"BOOL", 1},       [KEN_DTYPE_U8] = {"U8", 1},
    [KEN_DTYPE_I8] = {"I8", 1},           [KEN_DTYPE_F8_E4M3] = {"F8_E4M3", 1},
    [KEN_DTYPE_F8_E5M2] = {"F8_E5M2", 1}, [KEN_DTYPE_I16] = {"I16", 2},
    [KEN_DTYPE_U16] = {"U16", 2},         [KEN_DTYPE_F16] = {"F16", 2},
    [KEN_DTYPE_BF16] = {"BF16", 2},       [KEN_DTYPE_I32] = {"I32", 4},
    [KEN_DTYPE_U32] = {"U32", 4},         [KEN_DTYPE_F32] = {"F32", 4},
    [KEN_DTYPE_I64] = {"I64", 8},         [KEN_DTYPE_U64] = {"U64", 8},
    [KEN_DTYPE_F64] = {"F64", 8},
};

static bool known(ken_dtype dtype) {
    return (size_t)dtype < KEN_DTYPE_COUNT;
}

size_t dtype_size(ken_dtype dtype) {
    return known(dtype) ? dtypes[dtype].size_bytes : 0;
}

const char *dtype_name(ken_dtype dtype) {
    return known(dtype) ? dtypes[dtype].name : "unknown";
}

bool dtype_parse(const char *name, ken_dtype *out) {
    for (size_t i = 0; i < KEN_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (ken_dtype)i;
            return true;
        }
    return false;
}

size_t tensor_count(const tensor *t) {
    size_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= (size_t)t->shape[i];
    return count;
}

const char *tensor_shape_text(const tensor *t, char *out, size_t size) {
    size_t used = 0;
    for (int i = 0; i <= t->rank && used < size; i++) {
        int n = i < t->rank
                    ? snprintf(out + used, size - used, "%s%" PRId64, i ? ", " : "[", t->shape[i])
                    : snprintf(out + used, size - used, "%s]", i ? "" : "[");
        used += n > 0 ? (size_t)n : size;
    }
    return out;
}
