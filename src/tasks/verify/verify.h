/* tasks/verify/verify.h: does a model compute what its reference computes?
 *
 * Two kinds of goldens: a safetensors file with inputs and the reference's activations after every
 * layer (tools/make_model_goldens.py writes them; docs/models/ gives the names), and a JSON file
 * with photos, texts, token ids and embeddings, which checks decoding, preprocessing and
 * tokenization as well. */
#ifndef KEN_TASKS_VERIFY_H
#define KEN_TASKS_VERIFY_H

#include "base/mem.h"
#include "models/model.h"

typedef struct verify_options {
    const char *photos;  /* folder of the photos that a JSON file names; NULL: check texts only */
    double min_cosine;   /* 0: 0.999999 in f32, 0.99999 in s16, 0.995 in int8 and auto */
    double max_abs_diff; /* 0: 1e-4 in f32, 5e-2 in s16, 0.5 in int8, auto */
    ken_pool *pool;      /* borrowed; NULL: the calling thread only */
} verify_options;

/* One tensor of the goldens against what was computed. */
typedef struct verify_row {
    const char *name;    /* "vision.blocks.3" */
    size_t n_vectors;    /* compared: tokens, pictures or texts */
    size_t width;        /* elements of a vector */
    double max_abs_diff; /* over all elements */
    double min_cosine;   /* over the vectors */
    bool ok;
    const char *problem; /* why it could not be compared; "" when it was */
} verify_row;

typedef struct verify_report {
    arena memory;
    verify_row *rows; /* in the order of computation */
    size_t n_rows, n_failed;
    size_t n_without_reference;      /* layers computed that the goldens do not hold */
    double min_cosine, max_abs_diff; /* the limits used */
    double cosine_min, cosine_mean;  /* of the embeddings, both towers; 1 when there are none */
    size_t n_embeddings;
} verify_report;

/* The goldens of a model directory: goldens.safetensors, else goldens.json; KEN_NOT_FOUND
 * otherwise. */
KEN_MUST_CHECK ken_status verify_find_goldens(const char *dir, buf *path, ken_error *err);
/* Fails when the goldens cannot be read or do not belong to the model; a difference is not a
 * failure but a row that is not ok. Free the report in any case. */
KEN_MUST_CHECK ken_status verify_run(const ken_model *model, const char *goldens_path,
                                     const verify_options *options, verify_report *report,
                                     ken_error *err);
void verify_report_free(verify_report *report);

#endif
