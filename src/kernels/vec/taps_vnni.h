/* kernels/vec/taps_vnni.h: eight taps of a resampling along x, for pixels of 3 or 4 channels, and
 * four rows of one along y, with AVX-512's product of bytes.
 *
 * vpdpbusd adds four products of unsigned and signed bytes to each 32-bit lane, so that a
 * coefficient is cut into three signed digits: c = d0 + 2^8 d1 + 2^16 d2, -128 <= d < 128. Sums may
 * wrap around: arithmetic modulo 2^32 gives the true sum, which fits 32 bits. Along x registers are
 * 256 bits wide: few resizes have the taps that would fill 512. */
#ifndef KEN_KERNELS_VEC_TAPS_VNNI_H
#define KEN_KERNELS_VEC_TAPS_VNNI_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAP_STEP  8
#define TAP_ROWS  8
#define TAP_READS 0 /* what is masked is not read */

typedef struct tap_coefs {
    __m256i digit0, digit1, digit2;
} tap_coefs;
typedef tap_coefs tap_sums; /* one for each digit */

VEC __m256i tap_dot(__m256i sum, __m256i pixels, __m256i digits) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(pixels), "v"(digits));
    return sum;
}
/* A 128-bit part of a register holds four taps: in each lane, which is a channel, a byte of each.
 * Adding 128 to each digit carries what a signed digit lends to the next one, and the exclusive or
 * takes it off again. */
VEC tap_coefs tap_load(const int32_t *p, size_t n) {
    const __m256i halves = _mm256_set1_epi32(0x00808080);
    __m256i coefs = _mm256_maskz_loadu_epi32((__mmask8)(0xff >> (8 - n)), p);
    __m256i digits = _mm256_xor_si256(_mm256_add_epi32(coefs, halves), halves);
    return (tap_coefs){_mm256_shuffle_epi8(digits, _mm256_set1_epi32(0x0c080400)),
                       _mm256_shuffle_epi8(digits, _mm256_set1_epi32(0x0d090501)),
                       _mm256_shuffle_epi8(digits, _mm256_set1_epi32(0x0e0a0602))};
}
VEC tap_sums tap_zero(void) {
    const __m256i zero = _mm256_setzero_si256();
    return (tap_sums){zero, zero, zero};
}
VEC tap_sums tap_add(tap_sums s, tap_coefs c, size_t channels, const uint8_t *p, size_t n,
                     size_t readable) {
    (void)readable;
    __m256i pixels = _mm256_maskz_loadu_epi8(~(uint32_t)0 >> (32 - n * channels), p);
    if (channels == 3) {
        const __m256i twelves = _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5);
        const __m256i planes = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
        pixels = _mm256_shuffle_epi8(_mm256_permutexvar_epi32(twelves, pixels), planes);
    } else {
        const __m256i planes = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        pixels = _mm256_shuffle_epi8(pixels, planes);
    }
    s.digit0 = tap_dot(s.digit0, pixels, c.digit0);
    s.digit1 = tap_dot(s.digit1, pixels, c.digit1);
    s.digit2 = tap_dot(s.digit2, pixels, c.digit2);
    return s;
}
VEC __m256i tap_whole(tap_sums s) {
    __m256i high = _mm256_add_epi32(_mm256_slli_epi32(s.digit2, 8), s.digit1);
    return _mm256_add_epi32(_mm256_slli_epi32(high, 8), s.digit0);
}

#include "kernels/vec/taps_store.h"

/* ---- along y ------------------------------------------------------------------------------------
 */

#define TAP_COLUMNS 64

/* Columns of four rows to lanes of four bytes, in the order that packing them undoes. */
VEC void tap_interleave(const __m512i row[4], __m512i out[4]) {
    __m512i a = _mm512_unpacklo_epi8(row[0], row[1]), b = _mm512_unpackhi_epi8(row[0], row[1]);
    __m512i c = _mm512_unpacklo_epi8(row[2], row[3]), d = _mm512_unpackhi_epi8(row[2], row[3]);
    out[0] = _mm512_unpacklo_epi16(a, c);
    out[1] = _mm512_unpackhi_epi16(a, c);
    out[2] = _mm512_unpacklo_epi16(b, d);
    out[3] = _mm512_unpackhi_epi16(b, d);
}
typedef struct row_sums {
    __m512i digit0, digit1, digit2;
} row_sums;

VEC __m512i row_dot(__m512i sum, __m512i pixels, __m512i digits) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(pixels), "v"(digits));
    return sum;
}
VEC __m512i row_whole(row_sums s, int32_t start, int bits) {
    __m512i high = _mm512_add_epi32(_mm512_slli_epi32(s.digit2, 8), s.digit1);
    __m512i whole = _mm512_add_epi32(_mm512_slli_epi32(high, 8), s.digit0);
    return _mm512_srai_epi32(_mm512_add_epi32(whole, _mm512_set1_epi32(start)), (unsigned)bits);
}
/* Adds the products of up to four rows. */
VEC void row_step(row_sums sums[4], const uint8_t *src, size_t stride, __mmask64 mask,
                  const int32_t *coefs, size_t n) {
    __m512i row[4], columns[4];
    for (size_t i = 0; i < 4; i++)
        row[i] = i < n ? _mm512_maskz_loadu_epi8(mask, src + i * stride) : _mm512_setzero_si512();
    tap_interleave(row, columns);
    tap_coefs c = tap_load(coefs, n);
    __m512i digit0 = _mm512_broadcastd_epi32(_mm256_castsi256_si128(c.digit0));
    __m512i digit1 = _mm512_broadcastd_epi32(_mm256_castsi256_si128(c.digit1));
    __m512i digit2 = _mm512_broadcastd_epi32(_mm256_castsi256_si128(c.digit2));
    for (size_t i = 0; i < 4; i++) {
        sums[i].digit0 = row_dot(sums[i].digit0, columns[i], digit0);
        sums[i].digit1 = row_dot(sums[i].digit1, columns[i], digit1);
        sums[i].digit2 = row_dot(sums[i].digit2, columns[i], digit2);
    }
}
/* n of TAP_COLUMNS bytes of one output row. */
VEC void tap_rows(const uint8_t *src, size_t stride, const int32_t *coefs, size_t count, size_t n,
                  int32_t start, int bits, uint8_t *dst) {
    const __mmask64 mask = ~(uint64_t)0 >> (64 - n);
    const __m512i zero = _mm512_setzero_si512();
    row_sums sums[4] = {
        {zero, zero, zero}, {zero, zero, zero}, {zero, zero, zero}, {zero, zero, zero}};
    size_t t = 0;
    for (; t + 4 <= count; t += 4)
        row_step(sums, src + t * stride, stride, mask, coefs + t, 4);
    if (t < count)
        row_step(sums, src + t * stride, stride, mask, coefs + t, count - t);
    __m512i words =
        _mm512_packs_epi32(row_whole(sums[0], start, bits), row_whole(sums[1], start, bits));
    __m512i more =
        _mm512_packs_epi32(row_whole(sums[2], start, bits), row_whole(sums[3], start, bits));
    _mm512_mask_storeu_epi8(dst, mask, _mm512_packus_epi16(words, more));
}

#endif
