/* tasks/classify/classify.h: rules and a model -> a classifier. What `ken classify` and the server
 * do first.
 */
#ifndef KEN_TASKS_CLASSIFY_H
#define KEN_TASKS_CLASSIFY_H

#include "tasks/classify/classifier.h"
#include "tasks/classify/samples.h"

typedef struct classify_options {
    classify_mode mode;
    ken_pool *pool;
    const collection_meta *meta;      /* of the model, for the rules' example images */
    const pipeline_options *pipeline; /* how they are read; needed only when there are examples */
} classify_options;

/* Embeds the rules' prompts and example images. `rules` must outlive the classifier. `warnings`
 * (may be NULL) gets a line for each prompt that was cut to the model's context. */
KEN_MUST_CHECK ken_status classify_prepare(const rules *r, const ken_model *model,
                                           const classify_options *options, classifier **out,
                                           buf *warnings, ken_error *err);
bool classify_needs_images(const rules *r); /* some category has examples */

#endif
