/* kernels/vec/avx512.h: the vector vocabulary (explained in vec/scalar.h) in AVX-512 F, BW, DQ, VL.
 */
#ifndef KEN_KERNELS_VEC_AVX512_H
#define KEN_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

#define VEC_LANES 16
#define GEMM_MR   8
#define GEMM_NV   3
/* Every CPU with AVX-512 has at least 1 MiB of level 2 cache, but for the first client ones. */
#define GEMM_GROUP_BYTES ((size_t)800 << 10)

typedef __m512 vf;
typedef __m512i vi;

VEC __mmask16 first_lanes(size_t n) {
    return (__mmask16)((1u << n) - 1);
}

VEC vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
VEC void vf_store(float *p, vf x) {
    _mm512_storeu_ps(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
}
VEC vf vf_set1(float x) {
    return _mm512_set1_ps(x);
}
VEC vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
VEC vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
VEC vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
VEC vf vf_abs(vf x) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
VEC vf vf_round(vf x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
VEC vf vf_pow2(vf x) {
    vi biased = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
VEC vf vf_sqrt(vf x) {
    return _mm512_sqrt_ps(x);
}
VEC vf vf_fraction(vf x) {
    return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
}
VEC vf vf_times_pow2(vf y, vf x) {
    return _mm512_scalef_ps(y, x);
}
VEC vf vf_keep(vf x, size_t n, vf fill) {
    return _mm512_mask_blend_ps(first_lanes(n), fill, x);
}
VEC void vf_transpose(vf x[VEC_LANES]) {
    vf y[VEC_LANES], z[VEC_LANES];
    for (int i = 0; i < 16; i += 4) { /* inside of each 4 x 4 block */
        vf a = _mm512_unpacklo_ps(x[i], x[i + 1]), b = _mm512_unpackhi_ps(x[i], x[i + 1]);
        vf c = _mm512_unpacklo_ps(x[i + 2], x[i + 3]), d = _mm512_unpackhi_ps(x[i + 2], x[i + 3]);
        y[i] = _mm512_shuffle_ps(a, c, 0x44);
        y[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        y[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        y[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) { /* the 4 x 4 blocks: y[4 r + i] holds block row r */
        z[i] = _mm512_shuffle_f32x4(y[i], y[i + 4], 0x88);
        z[i + 4] = _mm512_shuffle_f32x4(y[i], y[i + 4], 0xdd);
        z[i + 8] = _mm512_shuffle_f32x4(y[i + 8], y[i + 12], 0x88);
        z[i + 12] = _mm512_shuffle_f32x4(y[i + 8], y[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_shuffle_f32x4(z[i], z[i + 8], 0x88);
        x[i + 8] = _mm512_shuffle_f32x4(z[i], z[i + 8], 0xdd);
        x[i + 4] = _mm512_shuffle_f32x4(z[i + 4], z[i + 12], 0x88);
        x[i + 12] = _mm512_shuffle_f32x4(z[i + 4], z[i + 12], 0xdd);
    }
}
VEC float vf_sum(vf x) {
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
VEC float vf_largest(vf x) {
    __m256 h = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
VEC vf vf_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
VEC vf vf_load_bf16(const uint16_t *p) {
    vi wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

VEC vi vi_set1(int32_t x) {
    return _mm512_set1_epi32(x);
}
VEC vi vi_load(const int32_t *p) {
    return _mm512_loadu_si512(p);
}
VEC void vi_store(int32_t *p, vi x) {
    _mm512_storeu_si512(p, x);
}
VEC vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return _mm512_mullo_epi32(a, b);
}
VEC vi vi_shift_right(vi x, int bits) {
    return _mm512_srai_epi32(x, (unsigned)bits);
}
VEC vi vi_load_u8(const uint8_t *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
VEC void vi_store_u8(uint8_t *p, vi x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(_mm512_max_epi32(x, vi_set1(0))));
}
VEC vi vi_from_vf(vf x) {
    return _mm512_cvtps_epi32(x);
}
VEC vf vf_from_vi(vi x) {
    return _mm512_cvtepi32_ps(x);
}
VEC vf vf_of_bits(vi x) {
    return _mm512_castsi512_ps(x);
}
VEC vi vi_of_bits(vf x) {
    return _mm512_castps_si512(x);
}
VEC vi vi_load_s16(const int16_t *p) {
    return _mm512_loadu_si512(p);
}
VEC void vi_store_s16(int16_t *p, vi x) {
    _mm512_storeu_si512(p, x);
}
VEC vi vi_narrow(vi a, vi b) {
    __m512i low = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(a));
    return _mm512_inserti64x4(low, _mm512_cvtepi32_epi16(b), 1);
}
VEC vi vi_pair(vi a, vi b) {
    return _mm512_mask_blend_epi16(0xaaaaaaaau, a, _mm512_slli_epi32(b, 16));
}
VEC vi vi_pair_order(vi x) {
    return x;
}
VEC vi vi_load_s8(const int8_t *p) {
    return _mm512_loadu_si512(p);
}
VEC void vi_store_s8(int8_t *p, vi x) {
    _mm512_storeu_si512(p, x);
}
/* The bytes of a and of b, which packing leaves interleaved by 16. */
VEC vi bytes_in_order(vi x) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), x);
}
VEC vi vi_narrow_s8(vi a, vi b) {
    return bytes_in_order(_mm512_packs_epi16(a, b));
}
VEC vi vi_narrow_u8(vi a, vi b) {
    return bytes_in_order(_mm512_packus_epi16(a, b));
}
VEC vi vi_quad_order(vi x) {
    return x;
}
VEC vi vi_spread2(const int32_t *p) {
    __m512i eight = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
    const vi index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_epi32(index, eight);
}

#ifdef __AVX512VNNI__
#include "kernels/vec/taps_vnni.h"
#else
#include "kernels/vec/taps_avx2.h"
#endif

#endif
