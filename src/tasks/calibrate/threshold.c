#include "tasks/calibrate/threshold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tail = 0.025; /* on either side of a 95 % interval */
static const double threshold_min = -2, threshold_max = 2;
/* How far beyond the outermost score a threshold stands that has scores on one side only. */
static const double end_gap = 0.01;

/* ---- the fit ----------------------------------------------------------------------------------
 */

/* How well a cut serves the goal; NAN when it does not at all. */
static double value_of(const threshold_goal *goal, size_t n_right, size_t n_matched,
                       size_t n_positive) {
    double right = (double)n_right, matched = (double)n_matched, positive = (double)n_positive;
    switch (goal->kind) {
    case GOAL_F1:
        return n_right ? 2 * right / (matched + positive) : NAN;
    case GOAL_PRECISION: /* of equal recalls the one with fewer wrong matches */
        return n_right && right >= goal->precision * matched ? right - 1e-9 * matched : NAN;
    case GOAL_COST:
        break;
    }
    return -(goal->cost_fp * (matched - right) + goal->cost_fn * (positive - right));
}

threshold_fit threshold_find(const candidate *sorted, size_t n, size_t n_positive,
                             const threshold_goal *goal) {
    threshold_fit best = {.low = n ? sorted[0].score : 0, .high = INFINITY};
    double best_value = value_of(goal, 0, 0, n_positive);
    best.reached = n > 0 && !isnan(best_value);
    size_t n_right = 0;
    for (size_t i = 0; i < n;) {
        float score = sorted[i].score;
        for (; i < n && sorted[i].score == score; i++)
            n_right += sorted[i].positive;
        best.best_precision = fmax(best.best_precision, (double)n_right / (double)i);
        double value = value_of(goal, n_right, i, n_positive);
        double low = i < n ? (double)sorted[i].score : -INFINITY;
        /* Of equally good cuts the one with more room around it. */
        if (isnan(value) || (best.reached && value < best_value) ||
            (best.reached && value == best_value && score - low <= best.high - best.low))
            continue;
        best = (threshold_fit){true, low, score, n_right, i, best.best_precision};
        best_value = value;
    }
    return best;
}

double threshold_choose(const threshold_fit *fit, char text[THRESHOLD_TEXT_BYTES]) {
    double middle = isinf(fit->low)    ? fit->high - end_gap
                    : isinf(fit->high) ? fit->low + end_gap
                                       : fit->low + (fit->high - fit->low) / 2;
    middle = fmin(fmax(middle, threshold_min), threshold_max);
    for (int digits = 3; digits <= 12; digits++) {
        snprintf(text, THRESHOLD_TEXT_BYTES, "%.*f", digits, middle);
        size_t n = strlen(text);
        while (text[n - 1] == '0')
            n--;
        text[text[n - 1] == '.' ? n - 1 : n] = '\0';
        float value = strtof(text, NULL);
        if (value > fit->low && value <= fit->high)
            break;
    }
    if (strcmp(text, "-0") == 0)
        snprintf(text, THRESHOLD_TEXT_BYTES, "0");
    return strtod(text, NULL);
}

/* ---- shares -----------------------------------------------------------------------------------
 */

/* The chance of k or more of n when each has the chance p. */
static double at_least(size_t k, size_t n, double p) {
    if (k == 0)
        return 1;
    double whole = lgamma((double)n + 1), sum = 0;
    for (size_t i = k; i <= n; i++) {
        double hits = (double)i, misses = (double)(n - i);
        sum += exp(whole - lgamma(hits + 1) - lgamma(misses + 1) + hits * log(p) +
                   (misses > 0 ? misses * log1p(-p) : 0));
    }
    return sum;
}

double share_low(size_t k, size_t n) {
    if (k == 0)
        return 0;
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double p = (low + high) / 2;
        if (at_least(k, n, p) < tail)
            low = p;
        else
            high = p;
    }
    return low;
}

double share_high(size_t k, size_t n) {
    return 1 - share_low(n - k, n);
}

size_t share_needed(double precision) {
    return (size_t)ceil(log(tail) / log(precision));
}
