/* tasks/compare/mcnemar.h: do two ways to decide err equally often on the same images? McNemar's
 * test looks only at the images of which one is right and the other wrong; when both are equally
 * good, each of these is a toss of a coin. */
#ifndef KEN_TASKS_MCNEMAR_H
#define KEN_TASKS_MCNEMAR_H

#include <stddef.h>

typedef struct mcnemar {
    double p_exact; /* two-sided, binomial; never too small, often larger than need be */
    double p_mid;   /* the same with half of the weight of what was seen: close to the level that
                       it states (Fagerland, Lydersen and Laake 2013) */
} mcnemar;

mcnemar mcnemar_test(size_t n_only_a, size_t n_only_b);

/* Holm's step-down correction of n p-values for having looked at n, in place. */
void holm_adjust(double *p, size_t n);

#endif
