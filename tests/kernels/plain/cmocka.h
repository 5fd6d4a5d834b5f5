/* tests/kernels/plain/cmocka.h: the little of cmocka that the kernel tests use, for builds that
 * have no cmocka: the NEON tests, cross-compiled and run under qemu. */
#ifndef KEN_TESTS_PLAIN_CMOCKA_H
#define KEN_TESTS_PLAIN_CMOCKA_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    void *setup_func, *teardown_func;
    void *initial_state;
} CMUnitTest;

extern jmp_buf plain_test_end; /* longjmp value 1: failed, 2: skipped */

#define skip() longjmp(plain_test_end, 2)
#define fail_msg(...)                                                                              \
    (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n"),                     \
     longjmp(plain_test_end, 1))
#define assert_true(x)                                                                             \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail_msg("%s does not hold", #x);                                                      \
    } while (0)
#define assert_null(x)               assert_true((x) == NULL)
#define assert_non_null(x)           assert_true((x) != NULL)
#define assert_int_equal(a, b)       assert_true((a) == (b))
#define assert_string_equal(a, b)    assert_true(strcmp((a), (b)) == 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)
#define assert_ptr_equal(a, b)       assert_true((a) == (b))
#define cmocka_unit_test(f)                                                                        \
    { #f, f, NULL, NULL, NULL }

int plain_run(const CMUnitTest *tests, size_t n);
#define _cmocka_run_group_tests(name, tests, n, setup, teardown) plain_run(tests, n)

#endif
