/* kernels/vec/scalar.h: the vector vocabulary for any CPU, in the compiler's generic vectors of
 * four floats, without intrinsics: they become whatever every CPU of the architecture has. This
 * tier is the plain reference; it multiplies and adds in two roundings because there is no fused
 * operation.
 *
 * The vocabulary, the same in every vec/ header (`vf` floats, `vi` int32, VEC_LANES of each):
 *   *_load, *_store: any alignment. *_n: only the first n <= VEC_LANES elements are touched, the
 *   rest reads as zero. vf_min and vf_max give their second argument when either is a NaN.
 *   vf_round: to the nearest integer. vf_pow2: 2^x for integral x in -127 .. 128, where 2^-127 is 0
 *   and 2^128 is infinity. vf_fraction: x less the largest integer that is not above it.
 *   vf_times_pow2(y, x): y * 2^floor(x) for y in 1 .. 2 and x in -127 .. 128, with vf_pow2's ends
 * when y is 1. vf_keep: the first n lanes of x, `fill` in the others. vf_transpose: lane j of x[i]
 * and lane i of x[j] change places. vi_load_u8, vi_store_u8: VEC_LANES bytes, the store clips to 0
 * .. 255. vi_from_vf: the nearest integer, for |x| < 2^22. vf_from_vi: rounded. vf_of_bits,
 * vi_of_bits: the same bits. vi_pair(a, b): the low halves of a and of b as the pairs of 2 *
 * VEC_LANES int16. vi_load_s16, vi_store_s16: 2 * VEC_LANES int16 in a vi. vi_narrow(a, b): those
 *   of a, then of b, which must fit. vi_dot_s16(a, b, sum): adds to each lane of `sum` the two
 *   products of its pair; a is one pair in all lanes, b went through vi_pair_order.
 *   The same in bytes: vi_load_s8, vi_store_s8 with 4 * VEC_LANES of them, vi_narrow_s8 and
 *   vi_narrow_u8 clip int16 to int8 or to 0 .. 255. vi_dot_u8s8(a, b, sum): the four products of
 *   each lane's quad of bytes; those of `a` are unsigned, and DOT_U8S8_ZERO is taken from each; b
 *   went through vi_quad_order. Where DOT_U8S8_QUADS is 2 there is vi_dot2_u8s8(a, b, a2, b2, sum)
 *   for two quads, and products are added in pairs, then in fours (the first two of both quads, the
 *   last two of both), in 16 bits.
 *   vi_spread2(p): each of VEC_LANES / 2 values in two lanes.
 *   tap_*: TAP_STEP taps of a resampling along x for 3 or 4 channels: coefficients, sums, a product
 *   that reads TAP_BYTES(channels) bytes, and the sum as a pixel's bytes, clipped. */
#ifndef KEN_KERNELS_VEC_SCALAR_H
#define KEN_KERNELS_VEC_SCALAR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

#define VEC_LANES      4
#define GEMM_MR        4
#define GEMM_NV        2
#define GEMM_U8_MR     4
#define DOT_U8S8_QUADS 1
#define DOT_U8S8_ZERO  0
/* What of B may lie in the level 2 cache while the rows of A pass. */
#define GEMM_GROUP_BYTES ((size_t)192 << 10)

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

VEC vf vf_load(const float *p) {
    vf x;
    memcpy(&x, p, sizeof x);
    return x;
}
VEC vf vf_load_n(const float *p, size_t n) {
    vf x = {0};
    for (size_t i = 0; i < n; i++)
        x[i] = p[i];
    return x;
}
VEC void vf_store(float *p, vf x) {
    memcpy(p, &x, sizeof x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    for (size_t i = 0; i < n; i++)
        p[i] = x[i];
}
VEC vf vf_set1(float x) {
    return (vf){x, x, x, x};
}
VEC vf vf_add(vf a, vf b) {
    return a + b;
}
VEC vf vf_sub(vf a, vf b) {
    return a - b;
}
VEC vf vf_mul(vf a, vf b) {
    return a * b;
}
VEC vf vf_div(vf a, vf b) {
    return a / b;
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
VEC vf vf_select(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}
VEC vf vf_min(vf a, vf b) {
    return vf_select(a < b, a, b);
}
VEC vf vf_max(vf a, vf b) {
    return vf_select(a > b, a, b);
}
VEC vf vf_abs(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}
VEC vf vf_round(vf x) {
    const vf magic = vf_set1(0x1.8p23f);
    return x + magic - magic;
}
VEC vf vf_pow2(vf x) {
    /* x + 1.5 * 2^23 holds x in its low bits; shifting drops the rest, a NaN becomes some number.
     */
    return (vf)(((vi)(x + 0x1.8p23f) + 127) << 23);
}
VEC vf vf_sqrt(vf x) {
    return (vf){__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]),
                __builtin_sqrtf(x[3])};
}
VEC vf vf_floor(vf x) {
    vf n = vf_round(x);
    return n - vf_select(n > x, vf_set1(1.0f), vf_set1(0.0f));
}
VEC vf vf_fraction(vf x) {
    return x - vf_floor(x);
}
VEC vf vf_times_pow2(vf y, vf x) {
    return (vf)((vi)y + ((vi)(vf_floor(x) + 0x1.8p23f) << 23));
}
VEC vf vf_keep(vf x, size_t n, vf fill) {
    for (size_t i = n; i < VEC_LANES; i++)
        x[i] = fill[i];
    return x;
}
VEC void vf_transpose(vf x[VEC_LANES]) {
    vf y[VEC_LANES];
    for (int i = 0; i < VEC_LANES; i++)
        y[i] = (vf){x[0][i], x[1][i], x[2][i], x[3][i]};
    memcpy(x, y, sizeof y);
}
VEC float vf_sum(vf x) {
    return (x[0] + x[2]) + (x[1] + x[3]);
}
VEC float vf_largest(vf x) {
    float a = x[0] > x[2] ? x[0] : x[2];
    float b = x[1] > x[3] ? x[1] : x[3];
    return a > b ? a : b;
}

VEC float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    uint32_t bits;
    float value;
    if (exponent == 31) { /* infinity, or a NaN made quiet as the hardware does */
        bits = sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000u : 0);
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* zero or subnormal: fraction * 2^-24, exact in a float */
        value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    }
    memcpy(&value, &bits, 4);
    return value;
}
VEC vf vf_load_f16(const uint16_t *p) {
    return (vf){half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3])};
}
VEC vf vf_load_bf16(const uint16_t *p) {
    return (vf)(vi){(int32_t)((uint32_t)p[0] << 16), (int32_t)((uint32_t)p[1] << 16),
                    (int32_t)((uint32_t)p[2] << 16), (int32_t)((uint32_t)p[3] << 16)};
}

VEC vi vi_set1(int32_t x) {
    return (vi){x, x, x, x};
}
VEC vi vi_load(const int32_t *p) {
    vi x;
    memcpy(&x, p, sizeof x);
    return x;
}
VEC void vi_store(int32_t *p, vi x) {
    memcpy(p, &x, sizeof x);
}
VEC vi vi_add(vi a, vi b) {
    return a + b;
}
VEC vi vi_mul(vi a, vi b) {
    return a * b;
}
VEC vi vi_shift_right(vi x, int bits) {
    return x >> bits;
}
VEC vi vi_load_u8(const uint8_t *p) {
    return (vi){p[0], p[1], p[2], p[3]};
}
VEC void vi_store_u8(uint8_t *p, vi x) {
    for (int i = 0; i < VEC_LANES; i++)
        p[i] = (uint8_t)(x[i] < 0 ? 0 : x[i] > 255 ? 255 : x[i]);
}
VEC vi vi_from_vf(vf x) {
    return (vi)(x + 0x1.8p23f) - 0x4b400000;
}
VEC vf vf_from_vi(vi x) {
    return __builtin_convertvector(x, vf);
}
VEC vf vf_of_bits(vi x) {
    return (vf)x;
}
VEC vi vi_of_bits(vf x) {
    return (vi)x;
}
VEC vi vi_load_s16(const int16_t *p) {
    vi x;
    memcpy(&x, p, sizeof x);
    return x;
}
VEC void vi_store_s16(int16_t *p, vi x) {
    memcpy(p, &x, sizeof x);
}
VEC vi vi_narrow(vi a, vi b) {
    int16_t narrow[2 * VEC_LANES];
    for (int i = 0; i < VEC_LANES; i++) {
        narrow[i] = (int16_t)a[i];
        narrow[VEC_LANES + i] = (int16_t)b[i];
    }
    return vi_load_s16(narrow);
}
VEC vi vi_pair(vi a, vi b) {
    return (a & 0xffff) | (b << 16);
}
VEC vi vi_pair_order(vi x) {
    return x;
}
VEC vi low_half(vi x) {
    typedef uint32_t vu __attribute__((vector_size(16)));
    return (vi)((vu)x << 16) >> 16;
}
VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    return sum + low_half(a) * low_half(b) + (a >> 16) * (b >> 16);
}
VEC vi vi_load_s8(const int8_t *p) {
    vi x;
    memcpy(&x, p, sizeof x);
    return x;
}
VEC void vi_store_s8(int8_t *p, vi x) {
    memcpy(p, &x, sizeof x);
}
VEC vi narrow_bytes(vi a, vi b, int low, int high) {
    int16_t wide[4 * VEC_LANES];
    int8_t narrow[4 * VEC_LANES];
    vi_store_s16(wide, a);
    vi_store_s16(wide + 2 * VEC_LANES, b);
    for (int i = 0; i < 4 * VEC_LANES; i++)
        narrow[i] = (int8_t)(wide[i] < low ? low : wide[i] > high ? high : wide[i]);
    return vi_load_s8(narrow);
}
VEC vi vi_narrow_s8(vi a, vi b) {
    return narrow_bytes(a, b, -128, 127);
}
VEC vi vi_narrow_u8(vi a, vi b) {
    return narrow_bytes(a, b, 0, 255);
}
VEC vi vi_quad_order(vi x) {
    return x;
}
VEC vi signed_byte(vi x, int index) {
    typedef uint32_t vu __attribute__((vector_size(16)));
    return (vi)((vu)x << (24 - 8 * index)) >> 24;
}
VEC vi vi_dot_u8s8(vi a, vi b, vi sum) {
    for (int i = 0; i < 4; i++)
        sum += (a >> 8 * i & 255) * signed_byte(b, i);
    return sum;
}
VEC vi vi_spread2(const int32_t *p) {
    return (vi){p[0], p[0], p[1], p[1]};
}

#include "kernels/vec/taps_plain.h"

#endif
