/* kernels/vec/dot_avx512_vnni.h: the integer dot products of vec/avx512.h with VNNI. */
#ifndef KEN_KERNELS_VEC_DOT_AVX512_VNNI_H
#define KEN_KERNELS_VEC_DOT_AVX512_VNNI_H

#include "kernels/vec/avx512.h"

#define GEMM_U8_MR     8
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  0

/* By hand: with the intrinsics GCC 12 moves products before sums, or copies sums, and spills. */
VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

#endif
