/* tasks/report/report_plan.h: which image stands where in the report, and which get a picture. */
#ifndef KEN_TASKS_REPORT_PLAN_H
#define KEN_TASKS_REPORT_PLAN_H

#include "tasks/classify/results.h"

/* An image in a group. */
typedef struct placement {
    uint32_t sample;
    uint32_t
        category; /* whose score it is: the group's, or the closest one of what matched nothing */
    float score;
    float order; /* larger stands first */
} placement;

enum {
    REPORT_STILLS = 48, /* cards of a group that are there without a script */
    REPORT_MAX_NUMBERS = 1 << 22,
};

/* Groups 0..n_categories-1 are the categories, the last one holds what matched nothing. */
typedef struct report_plan {
    size_t n_groups;
    placement *placements; /* sorted by group, then order */
    size_t *first;         /* [n_groups + 1] of each group */
    size_t *shown;         /* [n_groups] placements that get a card: the first ones */
    float *scores;         /* [n_categories, samples] */
    float *leads;          /* [n_categories, samples] over what the neutral test needs, of the sign
                              that the test has; INFINITY where there is none; NULL: nowhere */
    bool whole;       /* scores and leads are at most REPORT_MAX_NUMBERS: the page has them all */
    uint32_t *images; /* [n_images] the samples that get a card somewhere */
    size_t n_images;
    uint32_t *image_of; /* [samples] index among `images`; UINT32_MAX: none */
    bool *is_still;     /* [n_images] among the first REPORT_STILLS of a group */
} report_plan;

KEN_MUST_CHECK ken_status report_plan_init(report_plan *p, const results *r, size_t max_cards,
                                           ken_error *err);
void report_plan_reset(report_plan *p);

#endif
