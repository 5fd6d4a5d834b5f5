/* tasks/classify/samples.h: the images that a task works on, with their embeddings: a collection,
 * or files that are embedded on the fly. What failed is kept beside what worked. */
#ifndef KEN_TASKS_SAMPLES_H
#define KEN_TASKS_SAMPLES_H

#include "tasks/collection/collection.h"
#include "tasks/pipeline/pipeline.h"

/* A row of the error table. */
typedef struct sample_failure {
    const char *id, *path, *stage, *reason, *detail;
} sample_failure;

typedef struct samples {
    arena memory;
    collection *collection; /* NULL when embedded on the fly */
    collection_meta meta;
    size_t n, dim;
    const char **ids, **paths; /* [n] valid UTF-8, escaped as base/utf8.h says */
    const float *embeddings;   /* [n, E] */
    sample_failure *failures;
    size_t n_failures;
    size_t capacity, failure_capacity;
    float *owned; /* embeddings made on the fly */
} samples;

/* Fails when the collection holds texts. The error table beside it, where there is one, becomes
 * `failures`. */
KEN_MUST_CHECK ken_status samples_open(const char *path, samples **out, ken_error *err);
/* Embeds images. `meta` describes the model; its strings must outlive the samples. */
KEN_MUST_CHECK ken_status samples_embed(const ken_model *model, const collection_meta *meta,
                                        const inputs_options *inputs,
                                        const pipeline_options *options, samples **out,
                                        ken_error *err);
void samples_free(samples *s);

/* The error table as CSV: id,path,stage,reason,detail. */
bool samples_put_errors(const samples *s, buf *out);

#endif
