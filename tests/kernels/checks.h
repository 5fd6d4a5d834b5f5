/* tests/kernels/checks.h: one check per kernel of kernels.def. A kernel without one does not link.
 */
#ifndef KEN_TESTS_CHECKS_H
#define KEN_TESTS_CHECKS_H

#include "testing.h"

#include "guard.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL(name, result, parameters) void check_##name(const kernels *k);
#include "kernels/kernels.def"
#undef KERNEL

/* Half a unit in the last place of 1: the relative error of one rounding. */
#define ROUNDING 0x1p-24

/* Fails with everything that is needed to repeat it. */
#define CHECK_NEAR(found, expected, limit, ...)                                                    \
    do {                                                                                           \
        double found_ = (found), expected_ = (expected), limit_ = (limit);                         \
        if (!(fabs(found_ - expected_) <= limit_) && !(isnan(found_) && isnan(expected_))) {       \
            printf(__VA_ARGS__);                                                                   \
            fail_msg("found %.9g, expected %.9g, limit %.3g", found_, expected_, limit_);          \
        }                                                                                          \
    } while (0)

/* What a product makes of a sum with its bias; defined in check_gemm.c. */
double epilogue_of(gemm_epilogue what, double y, double residual);

static inline size_t panels_of(const kernels *k, size_t n) {
    return (n + k->gemm_f32_nr - 1) / k->gemm_f32_nr;
}

#endif
