/* kernels/vec/taps_store.h: from sums of taps to pixels, for 256-bit registers whose two halves
 * hold sums of the same pixel, in 32-bit lanes; tap_whole gives them. */
#ifndef KEN_KERNELS_VEC_TAPS_STORE_H
#define KEN_KERNELS_VEC_TAPS_STORE_H

/* The pixels of a and b, whose halves are added, in a half each. */
VEC __m256i tap_fold(__m256i a, __m256i b) {
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}
/* Four pixels to the bytes of registers' lanes: [0 2 . . | 1 3 . .]. */
VEC __m256i tap_four(__m256i a, __m256i b, __m256i c, __m256i d, int32_t start, int bits) {
    const __m256i half = _mm256_set1_epi32(start);
    __m256i ab = _mm256_srai_epi32(_mm256_add_epi32(tap_fold(a, b), half), bits);
    __m256i cd = _mm256_srai_epi32(_mm256_add_epi32(tap_fold(c, d), half), bits);
    __m256i words = _mm256_packs_epi32(ab, cd);
    return _mm256_packus_epi16(words, words);
}
/* The pixels of `rows` rows, 1 or a multiple of 4. */
VEC void tap_pixels(const tap_sums *s, size_t rows, int32_t start, int bits, uint32_t *pixels) {
    if (rows == 1) {
        __m256i x = tap_whole(s[0]);
        x = tap_four(x, x, x, x, start, bits);
        pixels[0] = (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(x));
        return;
    }
    for (size_t y = 0; y < rows; y += 4) {
        __m256i x = tap_four(tap_whole(s[y]), tap_whole(s[y + 1]), tap_whole(s[y + 2]),
                             tap_whole(s[y + 3]), start, bits);
        uint64_t low = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(x));
        uint64_t high = (uint64_t)_mm_cvtsi128_si64(_mm256_extracti128_si256(x, 1));
        pixels[y] = (uint32_t)low;
        pixels[y + 1] = (uint32_t)high;
        pixels[y + 2] = (uint32_t)(low >> 32);
        pixels[y + 3] = (uint32_t)(high >> 32);
    }
}

#endif
