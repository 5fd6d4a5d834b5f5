/* kernels/body/elements.h: kernels that treat each element alone: activations, sums, conversions.
 */
#ifndef KEN_KERNELS_BODY_ELEMENTS_H
#define KEN_KERNELS_BODY_ELEMENTS_H

#include "kernels/body/math.h"

#define IN_PLACE(name, function)                                                                   \
    static void name(float *x, size_t n) {                                                         \
        size_t i = 0;                                                                              \
        for (; i + VEC_LANES <= n; i += VEC_LANES)                                                 \
            vf_store(x + i, function(vf_load(x + i)));                                             \
        if (i < n)                                                                                 \
            vf_store_n(x + i, function(vf_load_n(x + i, n - i)), n - i);                           \
    }
IN_PLACE(quick_gelu_f32, vf_quick_gelu)
IN_PLACE(erf_gelu_f32, vf_erf_gelu)
IN_PLACE(tanh_gelu_f32, vf_tanh_gelu)
IN_PLACE(relu_f32, vf_relu)
#undef IN_PLACE

static void add_f32(float *y, const float *x, size_t n) {
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(y + i, vf_add(vf_load(y + i), vf_load(x + i)));
    if (i < n)
        vf_store_n(y + i, vf_add(vf_load_n(y + i, n - i), vf_load_n(x + i, n - i)), n - i);
}

/* The tail goes through a buffer: no tier has masked loads of 16-bit elements that are worth it. */
#define CONVERT(name, load)                                                                        \
    static void name(const uint16_t *x, float *y, size_t n) {                                      \
        size_t i = 0;                                                                              \
        for (; i + VEC_LANES <= n; i += VEC_LANES)                                                 \
            vf_store(y + i, load(x + i));                                                          \
        if (i < n) {                                                                               \
            uint16_t rest[VEC_LANES] = {0};                                                        \
            memcpy(rest, x + i, (n - i) * sizeof *x);                                              \
            vf_store_n(y + i, load(rest), n - i);                                                  \
        }                                                                                          \
    }
CONVERT(f16_to_f32, vf_load_f16)
CONVERT(bf16_to_f32, vf_load_bf16)
#undef CONVERT

#endif
