/* Any bytes as an .npy file: an accepted array lies inside of them. */
#include "formats/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    tensor t;
    if (npy_parse(bytes, size, "fuzz", &t, NULL) != KEN_OK)
        return 0;
    const uint8_t *begin = t.data;
    if (begin < bytes || t.size_bytes > size - (size_t)(begin - bytes) ||
        tensor_count(&t) * dtype_size(t.dtype) != t.size_bytes)
        __builtin_trap();
    return 0;
}
