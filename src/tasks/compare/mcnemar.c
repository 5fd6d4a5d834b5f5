#include "tasks/compare/mcnemar.h"

#include <math.h>

mcnemar mcnemar_test(size_t n_only_a, size_t n_only_b) {
    size_t k = n_only_a < n_only_b ? n_only_a : n_only_b, n = n_only_a + n_only_b;
    double at_k = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) -
                      (double)n * log(2));
    /* Downwards from k: each term is the one above it times i / (n - i + 1). */
    double below = 0, term = at_k;
    for (size_t i = k; i > 0 && term > 0x1p-60 * below; i--) {
        term *= (double)i / (double)(n - i + 1);
        below += term;
    }
    return (mcnemar){.p_exact = fmin(1, 2 * (below + at_k)), .p_mid = fmin(1, 2 * below + at_k)};
}

void holm_adjust(double *p, size_t n) {
    /* The i-th smallest counts n - i times, and none becomes smaller than one below it. Adjusted
     * values are kept negative until all are there. */
    double least = 0;
    for (size_t done = 0; done < n; done++) {
        size_t next = n;
        for (size_t i = 0; i < n; i++)
            if (!signbit(p[i]) && (next == n || p[i] < p[next]))
                next = i;
        least = fmax(least, fmin(1, p[next] * (double)(n - done)));
        p[next] = -least;
    }
    for (size_t i = 0; i < n; i++)
        p[i] = fabs(p[i]);
}
