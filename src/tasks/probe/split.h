/* tasks/probe/split.h: labelled samples by class, cut into a part to learn from, a part to choose
 * by and a part that neither sees. Every class is cut alike, in an order drawn from the seed. */
#ifndef KEN_TASKS_SPLIT_H
#define KEN_TASKS_SPLIT_H

#include "tasks/classify/labels.h"
#include "tasks/classify/samples.h"

typedef struct split_options {
    double validation; /* share of each class, 0 to 0.9; a class keeps one sample to learn from */
    size_t few_shot;   /* samples a class to learn and to choose by; 0: all */
    uint64_t seed;
} split_options;

typedef struct split {
    arena memory;
    const char **classes; /* [n_classes] names in byte order */
    size_t n_classes;
    size_t *samples; /* [n] those to learn from, then to choose by, then the rest */
    uint32_t *y;     /* [n] the class of each */
    size_t n_train, n_validation, n_rest;
} split;

/* Fails when there are fewer than two classes, or when an image has several labels. */
KEN_MUST_CHECK ken_status split_new(const labels *l, const samples *from,
                                    const split_options *options, split **out, ken_error *err);
void split_free(split *s);

#endif
