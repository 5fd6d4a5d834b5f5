/* tasks/classify/classifier.h: rules as vectors, and the decision for an image.
 *
 * Each set of prompts is one vector, the normalised mean of its prompts' embeddings; a category
 * with examples mixes in the normalised mean of their images. An image's similarities to all sets
 * are one row of a matrix product, and everything after that is a function of this row, in float32:
 * whoever reads scores and thresholds from the output can repeat the decision exactly. */
#ifndef KEN_TASKS_CLASSIFIER_H
#define KEN_TASKS_CLASSIFIER_H

#include "base/buf.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "tasks/classify/prompts.h"

typedef enum classify_mode {
    CLASSIFY_RULES,   /* thresholds and margins decide */
    CLASSIFY_SOFTMAX, /* score: probability among the categories (sigmoid models: of each) */
    CLASSIFY_ARGMAX,  /* the category with the highest score, whatever the thresholds say */
} classify_mode;
const char *classify_mode_name(classify_mode mode);

typedef struct classifier_options {
    classify_mode mode;
    float logit_scale, logit_bias; /* CLASSIFY_SOFTMAX */
    bool sigmoid;
} classifier_options;

typedef struct classifier {
    const rules *rules; /* borrowed */
    classifier_options options;
    const kernels *kernels;
    size_t dim;    /* E */
    size_t n_sets; /* columns of the similarities: positives, then negatives, then neutrals */
    size_t *negative_set; /* of each category; SIZE_MAX: it has none */
    size_t *neutral_set;  /* the same; categories may share one */
    float *sets;          /* [n_sets, E], normalised */
    float *packed;        /* the same, as gemm_f32 wants it */
    float *bias;          /* [n_sets] added to the similarities of a linear head; else NULL */
} classifier;

/* `prompt_embeddings` is [p->n_texts, E]; `example_means` is [categories, E], normalised, read only
 * for categories with examples (NULL when there are none). Fails when a set's mean is zero, which
 * has no direction. */
KEN_MUST_CHECK ken_status classifier_new(const rules *r, const prompts *p,
                                         const float *prompt_embeddings, const float *example_means,
                                         size_t dim, const kernels *k,
                                         const classifier_options *options, classifier **out,
                                         ken_error *err);
/* A linear head instead of prompts: `weight` is [categories, E] and `bias` [categories]. A
 * category's similarity is its logit, and its score the softmax of them. */
KEN_MUST_CHECK ken_status classifier_new_linear(const rules *r, const float *weight,
                                                const float *bias, size_t dim, const kernels *k,
                                                classify_mode mode, classifier **out,
                                                ken_error *err);
void classifier_free(classifier *c);

/* `embeddings` is [n, E], `out` is [n, n_sets]. The same bits for any number of threads. */
void classifier_similarities(const classifier *c, const float *embeddings, size_t n, ken_pool *pool,
                             float *out);

/* Which test decided. */
typedef enum verdict_test {
    VERDICT_MATCHED,
    VERDICT_BELOW_THRESHOLD,
    VERDICT_BELOW_NEUTRAL, /* reached the threshold, but did not beat the neutral prompts */
    VERDICT_NOT_BEST,      /* passed, but another category scored higher and only one is wanted */
} verdict_test;

/* One category's decision for one image. */
typedef struct verdict {
    uint32_t category;
    uint32_t rank; /* from 1: matches by score, then the others by score */
    verdict_test test;
    float score, pos_sim;
    float neg_sim, neutral_sim; /* NAN where there are no such prompts */
} verdict;

/* `similarities` is one row; `out` is [categories], in the order of rank. */
void classifier_decide(const classifier *c, const float *similarities, verdict *out);

/* The same decisions, in less time: `out` begins with the verdicts that match, in the order of
 * rank; their number is returned. The others follow in any order, with rank 0 but for the second
 * one where one category only may match. */
size_t classifier_matches(const classifier *c, const float *similarities, verdict *out);

/* Does it pass the neutral test, which no threshold can change? */
bool classifier_beats_neutral(const classifier *c, const verdict *v);

/* Appends why `v` came out as it did; `verdicts` are all of the image's, as either of the two gives
 * them. */
void classifier_reason(const classifier *c, const verdict *verdicts, const verdict *v, buf *out);
/* The verdict that came closest to matching, by the larger of what its two tests lack; of equal
 * ones the first by rank. */
const verdict *classifier_closest(const classifier *c, const verdict *verdicts, float *lacks);
/* Appends why no category matched: which came closest, and what it lacked. */
void classifier_none_reason(const classifier *c, const verdict *verdicts, buf *out);

#endif
