/* tasks/classify/results.h: classified images as rows, and the rows as CSV, JSON, Parquet or an
 * aligned table.
 *
 * A row per image and matched category in the order of the images and, within one, of rank: id,
 * path, category, score, pos_sim, neg_sim, neutral_sim, threshold, rank, reason. An image that
 * matched nothing has one row with the rules' none_label, rank 0 and no numbers. */
#ifndef KEN_TASKS_RESULTS_H
#define KEN_TASKS_RESULTS_H

#include "tasks/classify/classifier.h"
#include "tasks/classify/samples.h"

typedef struct results {
    const classifier *classifier; /* borrowed, like the samples */
    const samples *samples;
    ken_pool *pool;
    struct results_window *window; /* the similarities of samples that were asked for last */
    bool all;                      /* rows that did not match, too */
    size_t top_k;                  /* rows an image may have; 0: any number */
} results;

/* Similarities are computed when a sample is asked for, for many samples at once: all of them when
 * that is not much memory, else its neighbours. One thread at a time. */
KEN_MUST_CHECK ken_status results_init(results *r, const classifier *c, const samples *s,
                                       ken_pool *pool, ken_error *err);
void results_reset(results *r);

/* The verdicts of a sample in order of rank; `out` is [categories]. */
void results_decide(const results *r, size_t sample, verdict *out);
/* The same with classifier_matches: the matches come first. Returns their number. */
size_t results_matches(const results *r, size_t sample, verdict *out);
/* The category that an image is taken to show: the best match, or n_categories for none. */
size_t results_predicted(const results *r, const verdict *verdicts);

typedef struct result_row {
    size_t sample;
    const char *id, *path, *category, *reason;
    const verdict *verdict; /* NULL: nothing matched */
    float threshold;
} result_row;
typedef ken_status result_fn(void *context, const result_row *row, ken_error *err);
KEN_MUST_CHECK ken_status results_each(const results *r, result_fn *fn, void *context,
                                       ken_error *err);
/* The rows of one sample. */
KEN_MUST_CHECK ken_status results_each_of(const results *r, size_t sample, verdict *verdicts,
                                          buf *reason, result_fn *fn, void *context,
                                          ken_error *err);

typedef enum results_format {
    RESULTS_TABLE,
    RESULTS_CSV,
    RESULTS_JSONL,
    RESULTS_JSON, /* an array of objects; the category is also the "label" */
} results_format;
/* Numbers are written with as many digits as give the same float back. */
KEN_MUST_CHECK ken_status results_put(const results *r, results_format format, buf *out,
                                      ken_error *err);
/* Parquet with the provenance of the samples; replaces `path` when it is complete. */
KEN_MUST_CHECK ken_status results_write_parquet(const results *r, const char *path, ken_error *err);
/* Everything about one image: each category's similarities, tests and prompts. */
KEN_MUST_CHECK ken_status results_explain(const results *r, const char *id, buf *out,
                                          ken_error *err);
/* The shortest decimal number that reads back as `value`; "" for NAN. `out` holds 32 bytes. */
const char *results_number(float value, char *out);

#endif
