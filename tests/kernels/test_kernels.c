/* tests/kernels/test_kernels.c: every kernel of kernels.def on every tier of tiers.def. */
#include "checks.h"

enum { MAX_TIERS = 8, NAME_BYTES = 64 };

typedef void check_fn(const kernels *k);
typedef struct kernel_check {
    const char *name;
    check_fn *check;
} kernel_check;

static const kernel_check checks[] = {
#define KERNEL(name, result, parameters) {#name, check_##name},
#include "kernels/kernels.def"
#undef KERNEL
};
enum { N_CHECKS = sizeof checks / sizeof *checks };

typedef struct tier_check {
    const char *tier;
    check_fn *check;
    char name[NAME_BYTES];
} tier_check;

static void run_check(void **state) {
    const tier_check *t = *state;
    const char *reason = NULL;
    const kernels *k = kernels_find(t->tier, &reason);
    if (!k) {
        printf("%s skipped: %s\n", t->name, reason);
        skip();
    }
    random_restart();
    t->check(k);
    guard_free_all();
}

int main(void) {
    static tier_check all[N_CHECKS * MAX_TIERS];
    static struct CMUnitTest tests[N_CHECKS * MAX_TIERS];
    size_t n = 0;
    for (size_t t = 0; t < MAX_TIERS && kernels_tier_name(t); t++) {
        for (size_t c = 0; c < N_CHECKS; c++, n++) {
            all[n].tier = kernels_tier_name(t);
            all[n].check = checks[c].check;
            snprintf(all[n].name, NAME_BYTES, "%s on %s", checks[c].name, all[n].tier);
            tests[n].name = all[n].name;
            tests[n].test_func = run_check;
            tests[n].initial_state = &all[n];
        }
    }
    return _cmocka_run_group_tests("kernels", tests, n, NULL, NULL);
}
