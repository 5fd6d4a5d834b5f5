/* tests/kernels/check_elements.c: activations, addition, conversions. */
#include "checks.h"

typedef void in_place(float *x, size_t n);

static double quick_gelu(double y) {
    return y / (1 + exp(-1.702 * y));
}
static double erf_gelu(double y) {
    return y / 2 * erfc(-y * M_SQRT1_2);
}
static double tanh_gelu(double y) {
    double u = M_2_SQRTPI * M_SQRT1_2 * (y + 0.044715 * y * y * y);
    return y / (1 + exp(-2 * u)); /* the same, without the loss where tanh is near -1 */
}
static double relu(double y) {
    return y > 0 ? y : 0;
}

/* `absolute` on top of two units in the last place of the result. */
static void check_values(in_place *kernel, double oracle(double), double absolute) {
    enum { STEPS = 60000, AT_ONCE = 37 };
    float x[AT_ONCE], y[AT_ONCE];
    for (size_t i = 0; i < STEPS; i += AT_ONCE) {
        for (size_t j = 0; j < AT_ONCE; j++)
            x[j] = y[j] = (float)(i + j) * (30.0f / STEPS) - 15.0f;
        kernel(y, AT_ONCE);
        for (size_t j = 0; j < AT_ONCE; j++) {
            double expected = oracle(x[j]);
            CHECK_NEAR(y[j], expected, absolute + 2 * ROUNDING * fabs(expected),
                       "at %.9g: ", (double)x[j]);
        }
    }
}

/* Every length gives what its elements alone give, and touches nothing else. */
static void check_lengths(in_place *kernel) {
    for (size_t n = 0; n <= 200; n++) {
        for (guard_side side = 0; side < GUARD_SIDES; side++) {
            float *x = random_floats(side, n, 6), *one = random_floats(side, n, 1);
            memcpy(one, x, n * sizeof(float));
            kernel(x, n);
            for (size_t i = 0; i < n; i++)
                kernel(one + i, 1);
            assert_memory_equal(x, one, n * sizeof(float));
            guard_free_all();
        }
    }
}

static void check_extremes(in_place *kernel) {
    float x[] = {0, NAN, INFINITY, 1e30f, -1e30f, 3e38f, 1e-40f, -1e-40f, -50, 50};
    kernel(x, sizeof x / sizeof *x);
    assert_true(x[0] == 0 && isnan(x[1]));
    assert_true(x[2] == INFINITY && x[3] == 1e30f && x[5] == 3e38f && x[9] == 50);
    assert_true(fabsf(x[4]) < 1e-30f && fabsf(x[8]) < 1e-30f);
    assert_true(x[6] >= 0 && x[6] <= 1e-40f && fabsf(x[7]) <= 1e-40f);
}

void check_quick_gelu_f32(const kernels *k) {
    check_values(k->quick_gelu_f32, quick_gelu, 1.2e-7);
    check_lengths(k->quick_gelu_f32);
    check_extremes(k->quick_gelu_f32);
}
void check_erf_gelu_f32(const kernels *k) {
    check_values(k->erf_gelu_f32, erf_gelu, 1.2e-7);
    check_lengths(k->erf_gelu_f32);
    check_extremes(k->erf_gelu_f32);
}
void check_tanh_gelu_f32(const kernels *k) {
    check_values(k->tanh_gelu_f32, tanh_gelu, 1.2e-7);
    check_lengths(k->tanh_gelu_f32);
    check_extremes(k->tanh_gelu_f32);
}
void check_relu_f32(const kernels *k) {
    check_values(k->relu_f32, relu, 0);
    check_lengths(k->relu_f32);
    check_extremes(k->relu_f32);
}

void check_add_f32(const kernels *k) {
    for (size_t n = 0; n <= 200; n++) {
        for (guard_side side = 0; side < GUARD_SIDES; side++) {
            float *x = random_floats(side, n, 1), *y = random_floats(side, n, 1);
            float *sum = guard_floats(side, n);
            for (size_t i = 0; i < n; i++)
                sum[i] = x[i] + y[i];
            k->add_f32(y, x, n);
            assert_memory_equal(y, sum, n * sizeof(float));
            guard_free_all();
        }
    }
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static float half_value(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float sign = h & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf((float)(1024 + fraction), exponent - 25)
                            : ldexpf((float)fraction, -24));
}

static float bfloat_value(uint16_t b) {
    uint32_t bits = (uint32_t)b << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

typedef void convert(const uint16_t *x, float *y, size_t n);

static void check_conversion(convert *kernel, float oracle(uint16_t)) {
    static uint16_t x[1 << 16];
    static float y[1 << 16];
    for (size_t i = 0; i < 1 << 16; i++)
        x[i] = (uint16_t)i;
    kernel(x, y, 1 << 16);
    for (size_t i = 0; i < 1 << 16; i++) {
        float expected = oracle((uint16_t)i);
        if (isnan(expected))
            assert_true(isnan(y[i]) && (signbit(y[i]) != 0) == (i >> 15 != 0));
        else
            assert_true(bits_of(y[i]) == bits_of(expected));
    }
    for (size_t n = 0; n <= 200; n++) {
        for (guard_side side = 0; side < GUARD_SIDES; side++) {
            uint16_t *from = guard_new(side, n * sizeof *from);
            float *to = guard_floats(side, n);
            for (size_t i = 0; i < n; i++)
                from[i] = (uint16_t)(random_bits() & 0xbbff); /* no NaN, no infinity */
            kernel(from, to, n);
            for (size_t i = 0; i < n; i++)
                assert_true(to[i] == oracle(from[i]));
            guard_free_all();
        }
    }
}

void check_f16_to_f32(const kernels *k) {
    check_conversion(k->f16_to_f32, half_value);
}
void check_bf16_to_f32(const kernels *k) {
    check_conversion(k->bf16_to_f32, bfloat_value);
}
