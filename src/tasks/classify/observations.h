/* tasks/classify/observations.h: what evaluation.c gathers of each labelled image, and how figures
 * are counted from it; weights let the bootstrap count the same way. Not for others. */
#ifndef KEN_TASKS_OBSERVATIONS_H
#define KEN_TASKS_OBSERVATIONS_H

#include "tasks/classify/evaluation.h"

typedef struct observed {
    uint32_t n_truths, n_answers; /* of `truths` and `answers`, behind those of earlier images */
    uint32_t best;                /* the category with the highest score */
    uint32_t place; /* of the label among the categories by score, from 1; 0: not ranked */
    bool right;
} observed;

typedef struct observations {
    size_t n;
    buf images;           /* observed [n] */
    buf truths, answers;  /* uint32_t: classes */
    buf scores;           /* float [n, categories] */
    text_index classes;   /* class of a label */
    char example_id[128]; /* of some image, for messages */
} observations;

/* An image's score for one category, in the order of scores. */
typedef struct scored {
    float score;
    uint32_t image;
    bool positive;
} scored;

/* Counts that make the figures. The arrays are [n_classes]. */
typedef struct tally {
    size_t n, n_exact, n_ranked, n_acc1, n_acc5;
    size_t *n_labelled, *n_predicted, *n_right, *n_best_right;
} tally;

KEN_MUST_CHECK ken_status tally_init(tally *t, size_t n_classes, ken_error *err);
void tally_reset(tally *t);
/* `weights` is how often each image counts; NULL: once. */
void tally_count(tally *t, const evaluation *e, const uint32_t *weights);
/* All figures but the mean average precision. */
void tally_figures(const tally *t, const evaluation *e, double figures[N_FIGURES]);

/* The images by score for a category; `out` is [n]. */
void observations_sort(const evaluation *e, size_t category, scored *out);
/* NAN without positives. */
double average_precision(const scored *sorted, size_t n, const uint32_t *weights);

KEN_MUST_CHECK ken_status evaluation_bootstrap(evaluation *e, const evaluation_options *options,
                                               ken_error *err);

#endif
