/* kernels/vec/taps_plain.h: one tap of a resampling along x, for pixels of 3 or 4 channels, in
 * vectors of four lanes and the vocabulary's own operations. */
#ifndef KEN_KERNELS_VEC_TAPS_PLAIN_H
#define KEN_KERNELS_VEC_TAPS_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TAP_STEP            1
#define TAP_BYTES(channels) (channels)

typedef vi tap_coefs;
typedef vi tap_sums;

VEC tap_coefs tap_load(const int32_t *p) {
    return vi_set1(*p);
}
VEC tap_sums tap_zero(void) {
    return vi_set1(0);
}
VEC tap_sums tap_add(tap_sums s, tap_coefs c, size_t channels, const uint8_t *p) {
    const uint8_t pixel[4] = {p[0], p[1], p[2], channels == 4 ? p[3] : 0};
    return vi_add(s, vi_mul(vi_load_u8(pixel), c));
}
VEC uint32_t tap_pixel(tap_sums s, int32_t start, int bits) {
    uint8_t bytes[4];
    uint32_t pixel;
    vi_store_u8(bytes, vi_shift_right(vi_add(s, vi_set1(start)), bits));
    memcpy(&pixel, bytes, 4);
    return pixel;
}

#endif
