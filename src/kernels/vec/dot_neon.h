/* kernels/vec/dot_neon.h: the dot products of bytes of vec/neon.h. */
#ifndef KEN_KERNELS_VEC_DOT_NEON_H
#define KEN_KERNELS_VEC_DOT_NEON_H

#include "kernels/vec/neon.h"

#define GEMM_U8_MR     8
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  128

/* The first half of all quads, then the second. */
VEC vi vi_quad_order(vi x) {
    return vi_pair_order(x);
}
/* 2 * 128 * 127 fits into 16 bits. */
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    int16x8_t quad = vreinterpretq_s16_s32(veorq_s32(a, vdupq_n_s32((int32_t)0x80808080)));
    int8x16_t columns = vreinterpretq_s8_s32(b);
    int8x8_t first = vreinterpret_s8_s16(vdup_laneq_s16(quad, 0));
    int8x8_t second = vreinterpret_s8_s16(vdup_laneq_s16(quad, 1));
    int16x8_t products = vmull_s8(first, vget_low_s8(columns));
    return vpadalq_s16(sum, vmlal_s8(products, second, vget_high_s8(columns)));
}

#endif
