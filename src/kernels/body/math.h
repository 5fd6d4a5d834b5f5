/* kernels/body/math.h: elementary functions on vectors, by our own polynomials. Lanes do not see
 * each other, so a masked tail goes through the same arithmetic as everything else. */
#ifndef KEN_KERNELS_BODY_MATH_H
#define KEN_KERNELS_BODY_MATH_H

#include "kernels/kernels.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

VEC vf vf_zero(void) {
    return vf_set1(0.0f);
}

/* The first n lanes, as vf_load_n and vf_store_n, but faster when that is all of them. */
VEC vf vf_load_some(const float *p, size_t n) {
    return n >= VEC_LANES ? vf_load(p) : vf_load_n(p, n);
}
VEC void vf_store_some(float *p, vf x, size_t n) {
    if (n >= VEC_LANES)
        vf_store(p, x);
    else
        vf_store_n(p, x, n);
}

/* e^x within 1 ulp for x in [-87.3, 88.3]; 0 below -87.7, infinity above 88.4, NaN for a NaN.
 * x = n ln 2 + r, e^r = 1 + r + r^2 q(r) with a minimax q: relative error 3e-9 before rounding. */
VEC vf vf_exp(vf x) {
    x = vf_min(vf_set1(88.9f), vf_max(vf_set1(-88.0f), x));
    vf n = vf_round(vf_mul(x, vf_set1(0x1.715476p+0f)));
    vf r = vf_fma(n, vf_set1(-0x1.62e4p-1f), x); /* the high part has 15 bits: n * it is exact */
    r = vf_fma(n, vf_set1(-0x1.7f7d1cp-20f), r);
    vf q = vf_set1(1.381453825e-03f);
    q = vf_fma(q, r, vf_set1(8.368745446e-03f));
    q = vf_fma(q, r, vf_set1(4.166838899e-02f));
    q = vf_fma(q, r, vf_set1(1.666652113e-01f));
    q = vf_fma(q, r, vf_set1(4.999999404e-01f));
    vf p = vf_add(vf_fma(vf_mul(r, r), q, r), vf_set1(1.0f));
    return vf_mul(p, vf_pow2(n));
}

/* 2^x for x in [-126, 128]: relative error 8e-8 before rounding, 1 for 0, infinity for 128. For
 * weights and gates, which do not need that x be exact to its last bit, in half of vf_exp's time.
 */
VEC vf vf_exp2(vf x) {
    vf f = vf_fraction(x), p = vf_set1(1.8671301e-03f);
    p = vf_fma(p, f, vf_set1(9.0170298e-03f));
    p = vf_fma(p, f, vf_set1(5.5799913e-02f));
    p = vf_fma(p, f, vf_set1(2.4016444e-01f));
    p = vf_fma(p, f, vf_set1(6.9315130e-01f));
    p = vf_fma(p, f, vf_set1(1.0f));
    return vf_times_pow2(p, x);
}

static const float LOG2_E = 1.44269504f;

/* y / (1 + 2^z) */
VEC vf vf_gate(vf y, vf z) {
    z = vf_min(vf_set1(128.0f), vf_max(vf_set1(-126.0f), z));
    return vf_div(y, vf_add(vf_set1(1.0f), vf_exp2(z)));
}

VEC vf vf_quick_gelu(vf y) {
    return vf_gate(y, vf_mul(y, vf_set1(-1.702f * LOG2_E)));
}

/* y/2 (1 + tanh u) is y / (1 + e^-2u), which loses nothing where tanh is near -1. */
VEC vf vf_tanh_gelu(vf y) {
    const float slope = -1.5957691216057308f * LOG2_E; /* -2 sqrt(2 / pi) log2 e */
    vf cubic = vf_fma(vf_mul(y, y), vf_set1(slope * 0.044715f), vf_set1(slope));
    return vf_gate(y, vf_mul(y, cubic));
}

/* y/2 (1 + erf(y / sqrt 2)) = max(y, 0) - a e^(-a^2/2) g(a) with a = |y| and g(a) = erfcx(a / sqrt
 * 2) / 2, a minimax polynomial in (a - 3) / (a + 3): relative error 7e-9 before rounding. Absolute
 * error below 2e-7. a stops at 13, where the tail is 1e-37, so that it never becomes denormal. */
VEC vf vf_erf_gelu(vf y) {
    vf a = vf_min(vf_set1(13.0f), vf_abs(y));
    vf t = vf_div(vf_sub(a, vf_set1(3.0f)), vf_add(a, vf_set1(3.0f)));
    static const float g[] = {1.160375250e-04f, -3.399114939e-04f, -9.841829306e-04f,
                              2.904702676e-03f, 6.132183131e-03f,  -4.621331394e-02f,
                              1.232250184e-01f, -2.064026147e-01f, 1.215139478e-01f};
    vf p = vf_set1(5.415097985e-05f);
    UNROLL
    for (int i = 0; i < 9; i++)
        p = vf_fma(p, t, vf_set1(g[i]));
    vf e = vf_exp2(vf_mul(vf_mul(a, a), vf_set1(-0.5f * LOG2_E)));
    return vf_sub(vf_max(vf_zero(), y), vf_mul(vf_mul(a, p), e));
}

VEC vf vf_relu(vf y) {
    return vf_max(vf_zero(), y); /* in this order a NaN stays */
}

#endif
