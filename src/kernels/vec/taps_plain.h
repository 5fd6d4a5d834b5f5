/* kernels/vec/taps_plain.h: one tap of a resampling along x, for pixels of 3 or 4 channels, in
 * vectors of four lanes and the vocabulary's own operations. */
#ifndef KEN_KERNELS_VEC_TAPS_PLAIN_H
#define KEN_KERNELS_VEC_TAPS_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAP_STEP  1
#define TAP_ROWS  4
#define TAP_READS 0

typedef vi tap_coefs;
typedef vi tap_sums;

VEC tap_coefs tap_load(const int32_t *p, size_t n) {
    (void)n; /* 1 */
    return vi_set1(*p);
}
VEC tap_sums tap_zero(void) {
    return vi_set1(0);
}
VEC tap_sums tap_add(tap_sums s, tap_coefs c, size_t channels, const uint8_t *p, size_t n,
                     size_t readable) {
    (void)n, (void)readable;
    const uint8_t pixel[4] = {p[0], p[1], p[2], channels == 4 ? p[3] : 0};
    return vi_add(s, vi_mul(vi_load_u8(pixel), c));
}
VEC void tap_pixels(const tap_sums *s, size_t rows, int32_t start, int bits, uint32_t *pixels) {
    for (size_t y = 0; y < rows; y++) {
        uint8_t bytes[4];
        vi_store_u8(bytes, vi_shift_right(vi_add(s[y], vi_set1(start)), bits));
        memcpy(pixels + y, bytes, 4);
    }
}

#endif
