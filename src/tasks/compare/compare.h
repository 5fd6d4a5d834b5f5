/* tasks/compare/compare.h: several ways to decide - rules, heads, models - on the same labelled
 * images: who is better, by how much, and can that be chance?
 *
 * Only images that every entry has and that are labelled are compared, so that each difference is
 * one between answers to the same questions. Differences are to the reference: the entry with the
 * highest accuracy, or the first one. */
#ifndef KEN_TASKS_COMPARE_H
#define KEN_TASKS_COMPARE_H

#include "tasks/classify/evaluation.h"
#include "tasks/compare/mcnemar.h"

/* What it takes to get answers, as far as this run could see it. */
typedef struct compare_cost {
    uint64_t model_bytes;  /* of the weights; 0: unknown */
    uint64_t memory_bytes; /* peak while the model was loaded and embedded; 0: unknown */
    double embed_seconds;  /* by the clock; NAN: the images were embedded before */
    size_t n_embedded;
} compare_cost;

typedef struct compare_entry {
    const char *name;
    const char *decider, *data, *model; /* for JSON: file, collection or images, model's id */
    const samples *samples;             /* borrowed, like the classifier */
    const classifier *classifier;
    compare_cost cost;
} compare_entry;

typedef struct compare_options {
    bool against_first; /* the reference is the first entry, not the best */
    size_t n_resamples; /* 0: no intervals */
    uint64_t seed;
    ken_pool *pool;
} compare_options;

typedef struct compare_row {
    const compare_entry *entry;
    evaluation *evaluation;         /* on the images compared */
    double decide_seconds;          /* similarities and decisions of the images compared */
    size_t n_lacking;               /* labelled images that others have and this entry lacks */
    double difference;              /* of the accuracies: this entry less the reference */
    evaluation_interval interval;   /* of the difference, 95 %: paired bootstrap */
    size_t n_only_this, n_only_ref; /* images of which only one of the two is right */
    mcnemar test;                   /* 1 in the reference's own row */
    double p;                       /* p_mid, corrected by Holm for the number of rows */
} compare_row;

typedef struct comparison {
    compare_options options;
    compare_row *rows; /* [n], in the order of the entries */
    size_t n, reference;
    size_t n_compared;   /* images */
    size_t n_left_out;   /* labelled images that some entry lacks */
    size_t n_unlabelled; /* images that every entry has, without a label */
} comparison;

/* Fails when no labelled image is common to all. */
KEN_MUST_CHECK ken_status compare(const compare_entry *entries, size_t n, const labels *l,
                                  const compare_options *options, comparison **out, ken_error *err);
void comparison_free(comparison *c);

/* Seconds for 1,000 images: embedding, where it was measured, and deciding. */
double compare_seconds_per_1000(const compare_row *row);

KEN_MUST_CHECK ken_status comparison_put_text(const comparison *c, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status comparison_put_csv(const comparison *c, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status comparison_put_json(const comparison *c, buf *out, ken_error *err);
/* A line for each oddity of the labels. */
KEN_MUST_CHECK ken_status comparison_put_warnings(const comparison *c, buf *out, ken_error *err);

#endif
