/* tests/kernels/test_kernels.c: every kernel of kernels.def on every tier of tiers.def, and on
 * those of its tiers that few machines can run with their special instructions replaced. */
#include "checks.h"

enum { MAX_TIERS = 16, NAME_BYTES = 64 };

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

/* A tier, and the one that a CPU must run for it: itself, or what an emulated one is made of. */
typedef struct tier {
    const char *name, *needs;
    const kernels *emulated;
} tier;

typedef struct tier_check {
    tier tier;
    check_fn *check;
    char name[NAME_BYTES];
} tier_check;

static void run_check(void **state) {
    const tier_check *t = *state;
    const char *reason = NULL;
    const kernels *k = kernels_find(t->tier.needs, &reason);
    if (!k) {
        printf("%s skipped: %s\n", t->name, reason);
        skip();
    }
    random_restart();
    t->check(t->tier.emulated ? t->tier.emulated : k);
    guard_free_all();
}

#if defined(__x86_64__)
extern const kernels kernels_avx_vnni_emulated, kernels_avx512_amx_emulated;
static const tier emulated[] = {
    {"avx_vnni, emulated", "avx2", &kernels_avx_vnni_emulated},
    {"avx512_amx, emulated", "avx512_vnni", &kernels_avx512_amx_emulated},
};
enum { N_EMULATED = 2 };
#else
static const tier emulated[1];
enum { N_EMULATED = 0 };
#endif

static size_t list_tiers(tier *list) {
    size_t n = 0;
    for (const char *name; n + N_EMULATED < MAX_TIERS && (name = kernels_tier_name(n)); n++)
        list[n] = (tier){name, name, NULL};
    for (size_t i = 0; i < N_EMULATED; i++)
        list[n++] = emulated[i];
    return n;
}

int main(void) {
    static tier_check all[N_CHECKS * MAX_TIERS];
    static struct CMUnitTest tests[N_CHECKS * MAX_TIERS];
    tier tiers[MAX_TIERS];
    size_t n = 0, n_tiers = list_tiers(tiers);
    for (size_t t = 0; t < n_tiers; t++) {
        for (size_t c = 0; c < N_CHECKS; c++, n++) {
            all[n].tier = tiers[t];
            all[n].check = checks[c].check;
            snprintf(all[n].name, NAME_BYTES, "%s on %s", checks[c].name, tiers[t].name);
            tests[n].name = all[n].name;
            tests[n].test_func = run_check;
            tests[n].initial_state = &all[n];
        }
    }
    return _cmocka_run_group_tests("kernels", tests, n, NULL, NULL);
}
