/* kernels/vec/taps_avx2.h: four taps of a resampling along x, for pixels of 3 or 4 channels, in
 * AVX2.
 *
 * vpmaddwd multiplies pairs of 16-bit numbers, twice as many as vpmulld does 32-bit ones, so that a
 * coefficient c is cut in two: c = high * 2^15 + low, 0 <= low < 2^15. Both sums may wrap around:
 * arithmetic modulo 2^32 gives the true sum, which fits 32 bits. Lanes hold the channels of a pair
 * of taps; the upper half of a register is the second pair. AVX-512 uses this too: a pixel's few
 * taps do not fill its registers. */
#ifndef KEN_KERNELS_VEC_TAPS_AVX2_H
#define KEN_KERNELS_VEC_TAPS_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAP_STEP  4
#define TAP_ROWS  4
#define TAP_READS 16

typedef struct tap_coefs {
    __m256i low, high;
} tap_coefs;
typedef struct tap_sums {
    __m256i low, high;
} tap_sums;

VEC tap_coefs tap_load(const int32_t *p, size_t n) {
    __m128i four = n == 4 ? _mm_loadu_si128((const __m128i *)p)
                          : _mm_maskload_epi32(p, _mm_cmpgt_epi32(_mm_set1_epi32((int)n),
                                                                  _mm_setr_epi32(0, 1, 2, 3)));
    __m256i c = _mm256_broadcastsi128_si256(four);
    const __m256i first = _mm256_set1_epi32(0x05040100); /* the low words of lanes 0 and 1 */
    const __m256i pairs = _mm256_or_si256(
        first, _mm256_setr_epi32(0, 0, 0, 0, 0x08080808, 0x08080808, 0x08080808, 0x08080808));
    __m256i low = _mm256_and_si256(c, _mm256_set1_epi32(0x7fff));
    return (tap_coefs){_mm256_shuffle_epi8(low, pairs),
                       _mm256_shuffle_epi8(_mm256_srai_epi32(c, 15), pairs)};
}
VEC tap_sums tap_zero(void) {
    return (tap_sums){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
/* n taps at p, from where on `readable` bytes may be read. */
VEC tap_sums tap_add(tap_sums s, tap_coefs c, size_t channels, const uint8_t *p, size_t n,
                     size_t readable) {
    const __m256i rgb =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9, -1, 7,
                         -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i rgba =
        _mm256_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1, 8, -1, 12, -1, 9,
                         -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
    uint8_t copy[16] = {0};
    if (readable < sizeof copy) {
        memcpy(copy, p, n * channels);
        p = copy;
    }
    __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    __m256i words = _mm256_shuffle_epi8(bytes, channels == 3 ? rgb : rgba);
    s.low = _mm256_add_epi32(s.low, _mm256_madd_epi16(words, c.low));
    s.high = _mm256_add_epi32(s.high, _mm256_madd_epi16(words, c.high));
    return s;
}
VEC __m256i tap_whole(tap_sums s) {
    return _mm256_add_epi32(_mm256_slli_epi32(s.high, 15), s.low);
}
#include "kernels/vec/taps_store.h"

#endif
