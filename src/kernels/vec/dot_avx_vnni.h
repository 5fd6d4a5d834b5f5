/* kernels/vec/dot_avx_vnni.h: the integer dot products of vec/avx2.h on CPUs with AVX-VNNI. */
#ifndef KEN_KERNELS_VEC_DOT_AVX_VNNI_H
#define KEN_KERNELS_VEC_DOT_AVX_VNNI_H

#include "kernels/vec/avx2.h"

#define GEMM_U8_MR     6
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  0

/* By hand, as vec/dot_avx512_vnni.h says. */
VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}

#endif
