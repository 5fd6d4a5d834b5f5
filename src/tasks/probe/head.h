/* tasks/probe/head.h: a linear head on embeddings: what `ken probe train` writes and `ken classify
 * --head` applies. A safetensors file: "weight" [C, D], "bias" [C] (optional), and in the metadata
 * "ken.labels" (a JSON array of C names) and the provenance of the embeddings that it was trained
 * on. Class probabilities are softmax(W x + b) for an L2-normalised embedding x; a head of one
 * class is a score, W x + b itself.
 *
 * A state dict of torch.nn.Linear (.pth), such as LAION's aesthetic predictors, is read as well. It
 * says neither the labels, which become its file's name (and a number), nor the model. */
#ifndef KEN_TASKS_HEAD_H
#define KEN_TASKS_HEAD_H

#include "tasks/collection/collection.h"

/* How it was trained, for people; kept in the file. */
typedef struct head_training {
    double c;                   /* scikit-learn's C: 1 / (l2 * samples) */
    double validation_accuracy; /* NAN: nothing was held out */
    size_t n_samples, n_validation;
    uint64_t seed;
} head_training;

typedef struct head {
    arena memory;
    size_t n_classes, dim; /* C, D */
    const char **labels;   /* [C] */
    float *weight, *bias;  /* [C, D], [C] */
    collection_meta meta;  /* of the training embeddings */
    head_training training;
} head;

/* An empty head of that size. `labels` and `meta` are copied. */
KEN_MUST_CHECK ken_status head_new(const char *const *labels, size_t n_classes, size_t dim,
                                   const collection_meta *meta, head **out, ken_error *err);
KEN_MUST_CHECK ken_status head_load(const char *path, head **out, ken_error *err);
KEN_MUST_CHECK ken_status head_save(const head *h, const char *path, ken_error *err);
void head_free(head *h);

#endif
