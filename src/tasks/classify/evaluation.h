/* tasks/classify/evaluation.h: results against labels.
 *
 * An image's answer is its best match, or none. A label that is not a category is right when
 * nothing matched. Average precision ranks all labelled images by a category's score and does not
 * depend on thresholds; equal scores count as one step, as scikit-learn counts them. */
#ifndef KEN_TASKS_EVALUATION_H
#define KEN_TASKS_EVALUATION_H

#include "tasks/classify/labels.h"
#include "tasks/classify/results.h"

typedef struct evaluation_class {
    const char *name;
    size_t n_labelled; /* images with this label */
    size_t
        n_predicted; /* labelled images that got this answer; 0 for labels that are no category */
    size_t n_right;
    double precision, recall, f1, average_precision; /* NAN where undefined */
} evaluation_class;

/* Classes: the categories in order, none_label, then labels that are no category. */
typedef struct evaluation {
    arena memory;
    size_t n_labelled, n_right, n_unused_labels;
    double accuracy;
    double macro_f1, mean_average_precision; /* over the categories that have labelled images */
    evaluation_class *classes;
    size_t n_classes;
    size_t n_answers;  /* the first n_answers classes can be answers: the categories and none */
    size_t *confusion; /* [n_classes, n_answers] */
} evaluation;

KEN_MUST_CHECK ken_status evaluation_new(const results *r, const labels *l, evaluation **out,
                                         ken_error *err);
void evaluation_free(evaluation *e);
/* As aligned text, or as one JSON object. */
KEN_MUST_CHECK ken_status evaluation_put_text(const evaluation *e, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status evaluation_put_json(const evaluation *e, buf *out, ken_error *err);

#endif
