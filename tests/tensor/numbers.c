#include "numbers.h"

#include "base/mem.h"

#include <math.h>

float *numbers(size_t n, uint32_t seed) {
    float *x = mem_alloc(n * sizeof *x);
    assert_non_null(x);
    uint32_t state = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
    return x;
}

void assert_close(const float *found, const double *expected, size_t n, double limit,
                  const char *what) {
    for (size_t i = 0; i < n; i++)
        if (!(fabs(found[i] - expected[i]) <= limit))
            fail_msg("%s: element %zu is %.9g, expected %.9g", what, i, (double)found[i],
                     expected[i]);
}
