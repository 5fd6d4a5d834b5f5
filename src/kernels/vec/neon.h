/* kernels/vec/neon.h: the vector vocabulary (explained in vec/scalar.h) in 64-bit ARM's NEON. */
#ifndef KEN_KERNELS_VEC_NEON_H
#define KEN_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC static inline __attribute__((always_inline))

#define VEC_LANES 4
#define GEMM_MR   8
#define GEMM_NV   3
/* Small cores have 512 KiB of level 2 cache, and share it at times. */
#define GEMM_GROUP_BYTES ((size_t)300 << 10)

typedef float32x4_t vf;
typedef int32x4_t vi;

VEC uint32x4_t first_lanes(size_t n) {
    static const uint32_t index[4] = {0, 1, 2, 3};
    return vcltq_u32(vld1q_u32(index), vdupq_n_u32((uint32_t)n));
}

VEC vf vf_load(const float *p) {
    return vld1q_f32(p);
}
VEC vf vf_load_n(const float *p, size_t n) {
    float lanes[VEC_LANES] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return vld1q_f32(lanes);
}
VEC void vf_store(float *p, vf x) {
    vst1q_f32(p, x);
}
VEC void vf_store_n(float *p, vf x, size_t n) {
    float lanes[VEC_LANES];
    vst1q_f32(lanes, x);
    memcpy(p, lanes, n * sizeof *p);
}
VEC vf vf_set1(float x) {
    return vdupq_n_f32(x);
}
VEC vf vf_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
VEC vf vf_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
VEC vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
VEC vf vf_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
VEC vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
/* Not vminq and vmaxq: the second argument is wanted when the first is a NaN. */
VEC vf vf_min(vf a, vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
VEC vf vf_max(vf a, vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
VEC vf vf_abs(vf x) {
    return vabsq_f32(x);
}
VEC vf vf_round(vf x) {
    return vrndnq_f32(x);
}
VEC vf vf_pow2(vf x) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(x), vdupq_n_s32(127)), 23));
}
VEC vf vf_sqrt(vf x) {
    return vsqrtq_f32(x);
}
VEC vf vf_fraction(vf x) {
    return vsubq_f32(x, vrndmq_f32(x));
}
VEC vf vf_times_pow2(vf y, vf x) {
    int32x4_t exponent = vshlq_n_s32(vcvtmq_s32_f32(x), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(y), exponent));
}
VEC vf vf_keep(vf x, size_t n, vf fill) {
    return vbslq_f32(first_lanes(n), x, fill);
}
VEC void vf_transpose(vf x[VEC_LANES]) {
    float32x4x2_t a = vtrnq_f32(x[0], x[1]), b = vtrnq_f32(x[2], x[3]);
    x[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    x[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    x[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    x[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}
VEC float vf_sum(vf x) {
    return vaddvq_f32(x);
}
VEC float vf_largest(vf x) {
    return vmaxvq_f32(x);
}
VEC vf vf_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
VEC vf vf_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

VEC vi vi_set1(int32_t x) {
    return vdupq_n_s32(x);
}
VEC vi vi_load(const int32_t *p) {
    return vld1q_s32(p);
}
VEC void vi_store(int32_t *p, vi x) {
    vst1q_s32(p, x);
}
VEC vi vi_add(vi a, vi b) {
    return vaddq_s32(a, b);
}
VEC vi vi_mul(vi a, vi b) {
    return vmulq_s32(a, b);
}
VEC vi vi_shift_right(vi x, int bits) {
    return vshlq_s32(x, vdupq_n_s32(-bits));
}
VEC vi vi_load_u8(const uint8_t *p) {
    uint32_t bytes;
    memcpy(&bytes, p, 4);
    uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
VEC void vi_store_u8(uint8_t *p, vi x) {
    uint16x4_t words = vqmovun_s32(x);
    uint8x8_t narrow = vqmovn_u16(vcombine_u16(words, words));
    uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(narrow), 0);
    memcpy(p, &bytes, 4);
}
VEC vi vi_from_vf(vf x) {
    return vcvtnq_s32_f32(x);
}
VEC vf vf_from_vi(vi x) {
    return vcvtq_f32_s32(x);
}
VEC vf vf_of_bits(vi x) {
    return vreinterpretq_f32_s32(x);
}
VEC vi vi_of_bits(vf x) {
    return vreinterpretq_s32_f32(x);
}
VEC vi vi_load_s16(const int16_t *p) {
    return vreinterpretq_s32_s16(vld1q_s16(p));
}
VEC void vi_store_s16(int16_t *p, vi x) {
    vst1q_s16(p, vreinterpretq_s16_s32(x));
}
VEC vi vi_narrow(vi a, vi b) {
    return vreinterpretq_s32_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b)));
}
VEC vi vi_pair(vi a, vi b) {
    return vsliq_n_s32(a, b, 16);
}
/* The first of all pairs, then the second: a multiplication reads half a vector. */
VEC vi vi_pair_order(vi x) {
    int16x8_t pairs = vreinterpretq_s16_s32(x);
    return vreinterpretq_s32_s16(vcombine_s16(vget_low_s16(vuzp1q_s16(pairs, pairs)),
                                              vget_low_s16(vuzp2q_s16(pairs, pairs))));
}
VEC vi vi_dot_s16(vi a, vi b, vi sum) {
    int16x4_t pair = vget_low_s16(vreinterpretq_s16_s32(a));
    int16x8_t columns = vreinterpretq_s16_s32(b);
    sum = vmlal_lane_s16(sum, vget_low_s16(columns), pair, 0);
    return vmlal_high_lane_s16(sum, columns, pair, 1);
}
VEC vi vi_load_s8(const int8_t *p) {
    return vreinterpretq_s32_s8(vld1q_s8(p));
}
VEC void vi_store_s8(int8_t *p, vi x) {
    vst1q_s8(p, vreinterpretq_s8_s32(x));
}
VEC vi vi_narrow_s8(vi a, vi b) {
    return vreinterpretq_s32_s8(
        vcombine_s8(vqmovn_s16(vreinterpretq_s16_s32(a)), vqmovn_s16(vreinterpretq_s16_s32(b))));
}
VEC vi vi_narrow_u8(vi a, vi b) {
    return vreinterpretq_s32_u8(
        vcombine_u8(vqmovun_s16(vreinterpretq_s16_s32(a)), vqmovun_s16(vreinterpretq_s16_s32(b))));
}
VEC vi vi_spread2(const int32_t *p) {
    return vcombine_s32(vdup_n_s32(p[0]), vdup_n_s32(p[1]));
}

#include "kernels/vec/taps_plain.h"

#endif
