/* tasks/calibrate/probability.h: from a score to the probability that the category is right, in the
 * two usual ways: Platt's logistic curve and isotonic regression. */
#ifndef KEN_TASKS_PROBABILITY_H
#define KEN_TASKS_PROBABILITY_H

#include "base/error.h"

typedef struct labelled_score {
    float score;
    bool positive;
} labelled_score;

/* probability = 1 / (1 + exp(-(slope * score + intercept))) */
typedef struct platt {
    double slope, intercept;
} platt;

/* Maximum likelihood with Platt's targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keep the
 * curve finite when the classes are apart. */
platt platt_fit(const labelled_score *items, size_t n);
double platt_at(const platt *p, double score);

/* A rising line through `n` points; flat beyond the outermost. */
typedef struct isotonic {
    double *scores, *probabilities; /* [n] */
    size_t n;
} isotonic;

/* Pool adjacent violators. `sorted` is by ascending score. */
KEN_MUST_CHECK ken_status isotonic_fit(const labelled_score *sorted, size_t n, isotonic *out,
                                       ken_error *err);
double isotonic_at(const isotonic *r, double score);
void isotonic_reset(isotonic *r);

#endif
