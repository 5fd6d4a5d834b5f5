/* tests/kernels/plain/plain.c: runs tests one after the other and prints "N passed, N failed". */
#include "cmocka.h"

jmp_buf plain_test_end;

int plain_run(const CMUnitTest *tests, size_t n) {
    static int passed, failed, skipped; /* static, so that longjmp leaves them alone */
    static size_t i;
    for (i = 0; i < n; i++) {
        void *state = tests[i].initial_state;
        int end = setjmp(plain_test_end);
        if (end == 0) {
            tests[i].test_func(&state);
            passed++;
        } else if (end == 2) {
            skipped++;
        } else {
            printf("%s failed\n", tests[i].name);
            failed++;
        }
    }
    if (skipped)
        printf("%d skipped\n", skipped);
    printf("%d passed, %d failed\n", passed, failed);
    return failed;
}
