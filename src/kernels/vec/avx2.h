/* kernels/vec/avx2.h: the vector vocabulary (explained in vec/scalar.h) in AVX2, FMA and F16C. */
#ifndef KEN_KERNELS_VEC_AVX2_H
#define KEN_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

#define VEC_LANES 8
#define GEMM_MR   6
#define GEMM_NV   2
/* CPUs that have no AVX-512 often have only 512 KiB of level 2 cache. */
#define GEMM_GROUP_BYTES ((size_t)400 << 10)

typedef __m256 vf;
typedef __m256i vi;

/* The first n lanes are all ones. */
VEC vi vi_first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    return _mm256_maskload_ps(p, vi_first(n));
}
VEC void vf_store(float *p, vf x) {
    _mm256_storeu_ps(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    _mm256_maskstore_ps(p, vi_first(n), x);
}
VEC vf vf_set1(float x) {
    return _mm256_set1_ps(x);
}
VEC vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
VEC vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
VEC vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
VEC vf vf_abs(vf x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
VEC vf vf_round(vf x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VEC vf vf_pow2(vf x) {
    vi biased = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
VEC vf vf_sqrt(vf x) {
    return _mm256_sqrt_ps(x);
}
VEC vf vf_fraction(vf x) {
    return _mm256_sub_ps(x, _mm256_floor_ps(x));
}
VEC vf vf_times_pow2(vf y, vf x) {
    vi exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(_mm256_floor_ps(x)), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), exponent));
}
VEC vf vf_keep(vf x, size_t n, vf fill) {
    return _mm256_blendv_ps(fill, x, _mm256_castsi256_ps(vi_first(n)));
}
VEC void vf_transpose(vf x[VEC_LANES]) {
    vf y[VEC_LANES];
    for (int i = 0; i < 4; i++) { /* 4 x 4 blocks */
        y[i] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x20);
        y[i + 4] = _mm256_permute2f128_ps(x[i], x[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i += 4) { /* inside of each block */
        vf a = _mm256_unpacklo_ps(y[i], y[i + 1]), b = _mm256_unpackhi_ps(y[i], y[i + 1]);
        vf c = _mm256_unpacklo_ps(y[i + 2], y[i + 3]), d = _mm256_unpackhi_ps(y[i + 2], y[i + 3]);
        x[i] = _mm256_shuffle_ps(a, c, 0x44);
        x[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        x[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        x[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
}
VEC float vf_sum(vf x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
VEC float vf_largest(vf x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
VEC vf vf_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
VEC vf vf_load_bf16(const uint16_t *p) {
    vi wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

VEC vi vi_set1(int32_t x) {
    return _mm256_set1_epi32(x);
}
VEC vi vi_load(const int32_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
VEC void vi_store(int32_t *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, x);
}
VEC vi vi_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return _mm256_mullo_epi32(a, b);
}
VEC vi vi_shift_right(vi x, int bits) {
    return _mm256_srai_epi32(x, bits);
}
VEC vi vi_load_u8(const uint8_t *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
VEC void vi_store_u8(uint8_t *p, vi x) {
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
VEC vi vi_from_vf(vf x) {
    return _mm256_cvtps_epi32(x);
}
VEC vf vf_from_vi(vi x) {
    return _mm256_cvtepi32_ps(x);
}
VEC vf vf_of_bits(vi x) {
    return _mm256_castsi256_ps(x);
}
VEC vi vi_of_bits(vf x) {
    return _mm256_castps_si256(x);
}
VEC vi vi_load_s16(const int16_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
VEC void vi_store_s16(int16_t *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, x);
}
VEC vi vi_narrow(vi a, vi b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
}
VEC vi vi_pair(vi a, vi b) {
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
}
VEC vi vi_pair_order(vi x) {
    return x;
}
VEC vi vi_load_s8(const int8_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
VEC void vi_store_s8(int8_t *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, x);
}
VEC vi vi_narrow_s8(vi a, vi b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
}
VEC vi vi_narrow_u8(vi a, vi b) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}
VEC vi vi_quad_order(vi x) {
    return x;
}
VEC vi vi_spread2(const int32_t *p) {
    __m256i four = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return _mm256_permutevar8x32_epi32(four, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

#include "kernels/vec/taps_avx2.h"

#endif
