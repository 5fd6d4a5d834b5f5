/* kernels/vec/dot_avx512.h: the integer dot products of vec/avx512.h without VNNI; as
 * vec/dot_avx2.h explains. */
#ifndef KEN_KERNELS_VEC_DOT_AVX512_H
#define KEN_KERNELS_VEC_DOT_AVX512_H

#include "kernels/vec/avx512.h"

#define GEMM_U8_MR     8
#define DOT_U8S8_QUADS 2
#define DOT_U8S8_ZERO  0

VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    vi products;
    __asm__("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0"
            : "+v"(sum), "=v"(products)
            : "v"(a), "v"(b));
    return sum;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    const vi ones = _mm512_set1_epi16(1);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones));
}
VEC vi vi_dot2_u8s8(const uint8_t *a, vi b, vi b2, vi sum) {
    typedef const uint8_t quad[4];
    vi x, y;
    __asm__("vpbroadcastd %3, %1\n\tvpbroadcastd %4, %2\n\t"
            "vpmaddubsw %5, %1, %1\n\tvpmaddubsw %6, %2, %2\n\tvpaddw %2, %1, %1\n\t"
            "vpmaddwd %7, %1, %1\n\tvpaddd %1, %0, %0"
            : "+v"(sum), "=&v"(x), "=&v"(y)
            : "m"(*(quad *)a), "m"(*(quad *)(a + 4)), "v"(b), "v"(b2), "v"(_mm512_set1_epi16(1)));
    return sum;
}

#endif
