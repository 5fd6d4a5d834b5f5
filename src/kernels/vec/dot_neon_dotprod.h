/* kernels/vec/dot_neon_dotprod.h: the dot products of bytes of vec/neon.h on CPUs with the
 * instructions for them (ARMv8.2 DotProd), which take both operands signed. */
#ifndef KEN_KERNELS_VEC_DOT_NEON_DOTPROD_H
#define KEN_KERNELS_VEC_DOT_NEON_DOTPROD_H

#include "kernels/vec/neon.h"

#define GEMM_U8_MR     8
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  128

VEC vi vi_quad_order(vi x) {
    return x;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    int8x16_t quad = vreinterpretq_s8_s32(veorq_s32(a, vdupq_n_s32((int32_t)0x80808080)));
    return vdotq_s32(sum, quad, vreinterpretq_s8_s32(b));
}

#endif
