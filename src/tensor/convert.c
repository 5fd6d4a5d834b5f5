/* tensor/convert.c: F16 and BF16 to f32 through the kernels; alignment by copying. */
#include "tensor/convert.h"

#include <string.h>

bool tensor_is_float(const tensor *t) {
    return t->dtype == KEN_DTYPE_F32 || t->dtype == KEN_DTYPE_F16 || t->dtype == KEN_DTYPE_BF16;
}

const float *tensor_f32_in_place(const tensor *t) {
    bool aligned = (uintptr_t)t->data % sizeof(float) == 0;
    return t->dtype == KEN_DTYPE_F32 && aligned ? t->data : NULL;
}

void tensor_read_f32(const tensor *t, const kernels *k, size_t begin, size_t n, float *out) {
    const char *bytes = (const char *)t->data + begin * dtype_size(t->dtype);
    if (t->dtype == KEN_DTYPE_F32) {
        memcpy(out, bytes, n * sizeof *out);
        return;
    }
    uint16_t half[512]; /* the mapping may be unaligned, and this stays in the first cache */
    for (size_t i = 0; i < n; i += sizeof half / sizeof *half) {
        size_t count = n - i < sizeof half / sizeof *half ? n - i : sizeof half / sizeof *half;
        memcpy(half, bytes + i * sizeof *half, count * sizeof *half);
        if (t->dtype == KEN_DTYPE_F16)
            k->f16_to_f32(half, out + i, count);
        else
            k->bf16_to_f32(half, out + i, count);
    }
}

bool floats_are_finite(const float *x, size_t n) {
    /* All exponent bits set means infinity or NaN: adding one to that exponent carries into the
     * sign bit. Integer arithmetic without branches, so the loop is vectorised. */
    uint32_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        carry |= (bits & 0x7F800000u) + 0x00800000u;
    }
    return !(carry & 0x80000000u);
}
