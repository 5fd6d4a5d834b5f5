/* kernels/vec/dot_avx2.h: the integer dot products of vec/avx2.h.
 *
 * In asm statements of all their instructions: GCC would move all products before the sums, and
 * spill the sums for them. */
#ifndef KEN_KERNELS_VEC_DOT_AVX2_H
#define KEN_KERNELS_VEC_DOT_AVX2_H

#include "kernels/vec/avx2.h"

#define GEMM_U8_MR     5
#define DOT_U8S8_QUADS 2
#define DOT_U8S8_ZERO  0

VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    vi products;
    __asm__("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0"
            : "+x"(sum), "=x"(products)
            : "x"(a), "x"(b));
    return sum;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    const vi ones = _mm256_set1_epi16(1);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
}
/* It reads `a` itself: GCC would read a row's numbers once for all vectors of columns, and spill
 * the sums for them. */
VEC vi vi_dot2_u8s8(const uint8_t *a, vi b, vi b2, vi sum) {
    typedef const uint8_t quad[4];
    vi x, y;
    __asm__("vpbroadcastd %3, %1\n\tvpbroadcastd %4, %2\n\t"
            "vpmaddubsw %5, %1, %1\n\tvpmaddubsw %6, %2, %2\n\tvpaddw %2, %1, %1\n\t"
            "vpmaddwd %7, %1, %1\n\tvpaddd %1, %0, %0"
            : "+x"(sum), "=&x"(x), "=&x"(y)
            : "m"(*(quad *)a), "m"(*(quad *)(a + 4)), "x"(b), "x"(b2), "x"(_mm256_set1_epi16(1)));
    return sum;
}

#endif
