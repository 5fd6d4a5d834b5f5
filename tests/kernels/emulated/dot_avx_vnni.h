/* tests/kernels/emulated/dot_avx_vnni.h: in place of vec/dot_avx_vnni.h, its two instructions made
 * of AVX2's: the sums of products as the manual has them, in 32 bits without saturation. */
#ifndef KEN_TESTS_EMULATED_DOT_AVX_VNNI_H
#define KEN_TESTS_EMULATED_DOT_AVX_VNNI_H

#include "kernels/vec/avx2.h"

#define GEMM_U8_MR     6
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  0

VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    return vi_add(sum, _mm256_madd_epi16(a, b));
}

/* The bytes at even places and at odd ones, widened to 16 bits: products of these pairs fit. */
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    vi even_a = _mm256_and_si256(a, _mm256_set1_epi16(255)), odd_a = _mm256_srli_epi16(a, 8);
    vi even_b = _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), odd_b = _mm256_srai_epi16(b, 8);
    sum = vi_add(sum, _mm256_madd_epi16(even_a, even_b));
    return vi_add(sum, _mm256_madd_epi16(odd_a, odd_b));
}

#endif
