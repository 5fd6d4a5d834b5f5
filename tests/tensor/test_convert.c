/* Stored tensors as f32, at any alignment, and the search for NaN and infinity. */
#include "numbers.h"

#include "base/mem.h"
#include "tensor/convert.h"

#include <math.h>
#include <string.h>

enum { n_values = 1500 }; /* more than one part of the copy that aligns */

static void test_f32_unaligned(void **state) {
    (void)state;
    float *x = numbers(n_values, 1), out[n_values];
    char *bytes = mem_alloc(n_values * sizeof *x + 1);
    memcpy(bytes + 1, x, n_values * sizeof *x);
    tensor t = {.dtype = KEN_DTYPE_F32, .rank = 1, .shape = {n_values}, .data = bytes + 1};
    assert_null(tensor_f32_in_place(&t));
    tensor_read_f32(&t, kernels_best(), 0, n_values, out);
    assert_memory_equal(out, x, sizeof out);
    tensor_read_f32(&t, kernels_best(), 7, 5, out);
    assert_memory_equal(out, x + 7, 5 * sizeof *out);
    t.data = x;
    assert_ptr_equal(tensor_f32_in_place(&t), x);
    mem_free(bytes);
    mem_free(x);
}

static void test_halves_unaligned(void **state) {
    (void)state;
    /* 1, -2, 0.5, the smallest subnormal, the largest finite number */
    static const uint16_t f16[] = {0x3C00, 0xC000, 0x3800, 0x0001, 0x7BFF};
    static const float f16_values[] = {1, -2, 0.5f, 0x1p-24f, 65504};
    static const uint16_t bf16[] = {0x3F80, 0xC000, 0x3F00, 0x0001, 0x7F7F};
    static const float bf16_values[] = {1, -2, 0.5f, 0x1p-133f, 0x1.FEp127f};
    const ken_dtype types[] = {KEN_DTYPE_F16, KEN_DTYPE_BF16};
    const uint16_t *const stored[] = {f16, bf16};
    const float *const values[] = {f16_values, bf16_values};
    for (size_t type = 0; type < 2; type++) {
        char *bytes = mem_alloc(2 * n_values + 1);
        for (size_t i = 0; i < n_values; i++)
            memcpy(bytes + 1 + 2 * i, &stored[type][i % 5], 2);
        tensor t = {.dtype = types[type], .rank = 1, .shape = {n_values}, .data = bytes + 1};
        float out[n_values];
        assert_true(tensor_is_float(&t));
        assert_null(tensor_f32_in_place(&t));
        tensor_read_f32(&t, kernels_best(), 0, n_values, out);
        for (size_t i = 0; i < n_values; i++)
            assert_memory_equal(&out[i], &values[type][i % 5], sizeof *out);
        tensor_read_f32(&t, kernels_best(), 1203, 1, out);
        assert_memory_equal(out, &values[type][3], sizeof *out);
        mem_free(bytes);
    }
}

static void test_which_types_are_floats(void **state) {
    (void)state;
    for (int type = 0; type < KEN_DTYPE_COUNT; type++) {
        tensor t = {.dtype = (ken_dtype)type};
        bool expected = type == KEN_DTYPE_F32 || type == KEN_DTYPE_F16 || type == KEN_DTYPE_BF16;
        assert_int_equal(tensor_is_float(&t), expected);
    }
}

static void test_finite(void **state) {
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, -NAN};
    float *x = numbers(n_values, 1);
    x[3] = 0x1.FFFFFEp127f;
    x[4] = 0x1p-149f;
    x[5] = -0.0f;
    assert_true(floats_are_finite(x, n_values));
    assert_true(floats_are_finite(x, 0));
    for (size_t i = 0; i < n_values; i += 97)
        for (size_t kind = 0; kind < 4; kind++) {
            float good = x[i];
            x[i] = bad[kind];
            assert_false(floats_are_finite(x, n_values));
            x[i] = good;
        }
    mem_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32_unaligned),
        cmocka_unit_test(test_halves_unaligned),
        cmocka_unit_test(test_which_types_are_floats),
        cmocka_unit_test(test_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
