/* tasks/calibrate/threshold.h: the threshold that serves a goal best on labelled scores. */
#ifndef KEN_TASKS_THRESHOLD_H
#define KEN_TASKS_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>

typedef enum threshold_goal_kind {
    GOAL_F1,        /* highest F1 */
    GOAL_PRECISION, /* highest recall among the cuts whose precision reaches the target */
    GOAL_COST,      /* lowest cost of wrong matches and misses */
} threshold_goal_kind;

typedef struct threshold_goal {
    threshold_goal_kind kind;
    double precision;        /* GOAL_PRECISION */
    double cost_fp, cost_fn; /* GOAL_COST */
} threshold_goal;

/* An image that could match. */
typedef struct candidate {
    float score;
    bool positive;
} candidate;

typedef struct threshold_fit {
    bool reached;     /* some cut serves the goal at all */
    double low, high; /* every threshold in (low, high] decides alike; infinite at the ends */
    size_t n_right, n_matched; /* of the images it was fitted on */
    double best_precision;     /* of any cut: what GOAL_PRECISION could have had at most */
} threshold_fit;

/* `sorted` is by descending score; `n_positive` counts the positives that cannot match, too. */
threshold_fit threshold_find(const candidate *sorted, size_t n, size_t n_positive,
                             const threshold_goal *goal);

enum { THRESHOLD_TEXT_BYTES = 32 };
/* The threshold in the middle of a fit's range with as few digits as lie in it; as a float it
 * decides as every other of the range. */
double threshold_choose(const threshold_fit *fit, char text[THRESHOLD_TEXT_BYTES]);

/* The ends of the 95 % interval of Clopper and Pearson for a share of which k of n were seen. */
double share_low(size_t k, size_t n);
double share_high(size_t k, size_t n);
/* Images that must all be right for the interval of the precision to begin above `precision`. */
size_t share_needed(double precision);

#endif
