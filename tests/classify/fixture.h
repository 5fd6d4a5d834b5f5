/* tests/classify/fixture.h: rules over made-up vectors: no model, no files.
 *
 * The vectors of prompts are chosen in the plane, so that every cosine is known: a prompt that is a
 * number of degrees points there, and so does an image. */
#ifndef KEN_TESTS_CLASSIFY_FIXTURE_H
#define KEN_TESTS_CLASSIFY_FIXTURE_H

#include "testing.h"

#include "base/file.h"
#include "tasks/classify/evaluation.h"
#include "tasks/report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { fixture_dim = 2, fixture_max = 16 };

typedef struct fixture {
    rules *rules;
    prompts *prompts;
    classifier *classifier;
    samples samples;
    results results;
    const char *ids[fixture_max], *paths[fixture_max];
    float embeddings[fixture_max * fixture_dim];
} fixture;

static inline void fixture_point(double degrees, float *out) {
    out[0] = (float)cos(degrees * 3.14159265358979323846 / 180);
    out[1] = (float)sin(degrees * 3.14159265358979323846 / 180);
}

static inline void fixture_classifier(fixture *f, const char *yaml,
                                      const classifier_options *options) {
    ken_error err;
    memset(f, 0, sizeof *f);
    if (rules_parse(yaml, strlen(yaml), "r.yaml", ".", &f->rules, &err) != KEN_OK ||
        prompts_new(f->rules, &f->prompts, &err) != KEN_OK)
        fail_msg("%s", err.message);
    float *vectors = calloc(f->prompts->n_texts * fixture_dim, sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < f->prompts->n_texts; i++)
        fixture_point(strtod(f->prompts->texts[i], NULL), vectors + i * fixture_dim);
    if (classifier_new(f->rules, f->prompts, vectors, NULL, fixture_dim, kernels_best(), options,
                       &f->classifier, &err) != KEN_OK)
        fail_msg("%s", err.message);
    free(vectors);
}

/* An image that points in a direction. */
static inline void fixture_image(fixture *f, const char *id, double degrees) {
    size_t i = f->samples.n++;
    assert_true(i < fixture_max);
    f->ids[i] = id;
    f->paths[i] = id;
    fixture_point(degrees, f->embeddings + i * fixture_dim);
    f->samples.ids = f->ids;
    f->samples.paths = f->paths;
    f->samples.embeddings = f->embeddings;
    f->samples.dim = fixture_dim;
}

static inline void fixture_results(fixture *f) {
    ken_error err;
    if (results_init(&f->results, f->classifier, &f->samples, NULL, &err) != KEN_OK)
        fail_msg("%s", err.message);
}

/* Labels from a table, given as text. */
static inline labels *fixture_labels(const char *csv) {
    char path[64];
    ken_error err;
    labels *l;
    snprintf(path, sizeof path, "/tmp/ken-labels-%ld.csv", (long)getpid());
    assert_int_equal(file_write_atomic(path, csv, strlen(csv), NULL), KEN_OK);
    if (labels_read(path, &l, &err) != KEN_OK)
        fail_msg("%s", err.message);
    unlink(path);
    return l;
}

/* How the labels of an image read; `out` holds 256 bytes. */
static inline const char *fixture_labels_of(const labels *l, const char *id, const char *path,
                                            char *out) {
    label_set set;
    buf text;
    buf_init(&text, 255);
    labels_of(l, id, path, &set);
    label_set_put(&set, &text);
    snprintf(out, 256, "%s", text.data ? text.data : "");
    buf_free(&text);
    return out;
}

static inline void fixture_free(fixture *f) {
    results_reset(&f->results);
    classifier_free(f->classifier);
    prompts_free(f->prompts);
    rules_free(f->rules);
}

#endif
