/* tasks/classify/evaluation.h: results against labels.
 *
 * With one label an image, its answer is the best match, or none; with several, its answers are all
 * that matched. A label that is not a category is right when nothing matched. Figures "by score"
 * and average precision rank by score and do not depend on thresholds; equal scores count as one
 * step, as scikit-learn counts them.
 *
 * Images are added one by one, so that they need not be in memory together. */
#ifndef KEN_TASKS_EVALUATION_H
#define KEN_TASKS_EVALUATION_H

#include "tasks/classify/labels.h"
#include "tasks/classify/results.h"

typedef enum evaluation_figure {
    FIGURE_ACCURACY, /* all of the image's answers are right */
    FIGURE_MACRO_F1,
    FIGURE_MICRO_F1,
    FIGURE_MEAN_RECALL,
    FIGURE_MEAN_AVERAGE_PRECISION,
    FIGURE_ACC1, /* by score: the label is the first category, or among the first five */
    FIGURE_ACC5,
    FIGURE_ACC1_MEAN_RECALL, /* by score: mean of the categories' own acc1 */
    N_FIGURES,
} evaluation_figure;

typedef struct evaluation_interval {
    double low, high; /* NAN: there is none */
} evaluation_interval;

typedef struct evaluation_class {
    const char *name;
    size_t n_labelled;  /* images with this label */
    size_t n_predicted; /* labelled images that got this answer; 0 for labels that are none */
    size_t n_right;
    double precision, recall, f1, average_precision; /* NAN where undefined */
} evaluation_class;

/* Classes: the categories in order, none_label, then labels that are no category, in the order in
 * which they were met. All but the first two fields are valid after evaluation_finish. */
typedef struct evaluation {
    const rules *rules; /* borrowed, like the labels */
    const labels *labels;
    size_t n_images; /* with or without a label */
    size_t n_labelled, n_right;
    double figures[N_FIGURES];                /* NAN where undefined */
    evaluation_interval intervals[N_FIGURES]; /* 95 %: percentiles of bootstrap resamples */
    size_t n_resamples;                       /* 0: there are no intervals */
    uint64_t seed;
    evaluation_class *classes;
    size_t n_classes;
    size_t n_answers;  /* the first n_answers classes can be answers: the categories and none */
    size_t *confusion; /* [n_classes, n_answers]; NULL when images have several labels */
    struct observations *observations;
} evaluation;

KEN_MUST_CHECK ken_status evaluation_new(const rules *r, const labels *l, evaluation **out,
                                         ken_error *err);
void evaluation_free(evaluation *e);
/* An image and its verdicts, the matches first; one without labels is only counted. */
KEN_MUST_CHECK ken_status evaluation_add(evaluation *e, const char *id, const char *path,
                                         const verdict *verdicts, ken_error *err);

typedef struct evaluation_options {
    size_t n_resamples; /* 0: no intervals */
    uint64_t seed;
    ken_pool *pool;
} evaluation_options;
enum { EVALUATION_DEFAULT_RESAMPLES = 1000 };
/* Fails when no image had a label. */
KEN_MUST_CHECK ken_status evaluation_finish(evaluation *e, const evaluation_options *options,
                                            ken_error *err);
/* All of it, for results in memory. */
KEN_MUST_CHECK ken_status evaluation_of_results(const results *r, const labels *l,
                                                const evaluation_options *options, evaluation **out,
                                                ken_error *err);

/* Were all answers of the n-th labelled image that was added right? */
bool evaluation_was_right(const evaluation *e, size_t n);
/* The interval that holds 95 % of the values of n resamples, which get sorted; those that are NAN
 * do not count. */
evaluation_interval evaluation_interval_of(double *values, size_t n);

/* As aligned text; as one JSON object; as CLIP_benchmark's result file. */
KEN_MUST_CHECK ken_status evaluation_put_text(const evaluation *e, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status evaluation_put_json(const evaluation *e, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status evaluation_put_clip_benchmark(const evaluation *e, const char *dataset,
                                                        const collection_meta *meta, buf *out,
                                                        ken_error *err);
/* Appends a line for each oddity of the labels: ids that no image has, labels that are no category,
 * one class only. */
KEN_MUST_CHECK ken_status evaluation_put_warnings(const evaluation *e, buf *out, ken_error *err);

#endif
