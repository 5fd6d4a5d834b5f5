/* tests/kernels/test_dispatch.c: tiers by name, the best one, and the reasons why not. */
#include "testing.h"

#include "kernels/kernels.h"

#include <string.h>

static void every_tier_is_found_or_explained(void **state) {
    (void)state;
    size_t n = 0;
    for (const char *name; (name = kernels_tier_name(n)) != NULL; n++) {
        const char *reason = NULL;
        const kernels *k = kernels_find(name, &reason);
        if (k) {
            assert_string_equal(k->tier, name);
            assert_null(reason);
            assert_true(k->gemm_f32_nr > 0 && k->gemm_f32_mr > 0);
        } else {
            assert_non_null(reason);
            assert_true(strlen(reason) > 0);
            assert_null(kernels_find(name, NULL));
        }
    }
    assert_true(n >= 2);
    assert_string_equal(kernels_tier_name(0), "scalar");
    assert_null(kernels_tier_name(n));
    assert_null(kernels_tier_name((size_t)-1));
}

static void unknown_tier_is_refused(void **state) {
    (void)state;
    const char *names[] = {"", "AVX2", "avx", "avx2 ", "best"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *reason = NULL;
        assert_null(kernels_find(names[i], &reason));
        assert_string_equal(reason, "there is no such tier in this build");
    }
}

static void best_is_the_strongest_that_runs(void **state) {
    (void)state;
    const kernels *best = NULL;
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const kernels *k = kernels_find(kernels_tier_name(i), NULL);
        best = k ? k : best;
    }
    assert_ptr_equal(kernels_best(), best);
    assert_ptr_equal(kernels_best(), best);
}

static void tables_are_complete(void **state) {
    (void)state;
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const kernels *k = kernels_find(kernels_tier_name(i), NULL);
        if (!k)
            continue;
#define KERNEL(name, result, parameters) assert_true(k->name != NULL);
#include "kernels/kernels.def"
#undef KERNEL
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tier_is_found_or_explained),
        cmocka_unit_test(unknown_tier_is_refused),
        cmocka_unit_test(best_is_the_strongest_that_runs),
        cmocka_unit_test(tables_are_complete),
    };
    return _cmocka_run_group_tests("dispatch", tests, sizeof tests / sizeof *tests, NULL, NULL);
}
