/* tests/models/fixture.h: copies of the tiny checkpoints of tests/data/models, with one thing
 * changed. */
#ifndef KEN_TESTS_FIXTURE_H
#define KEN_TESTS_FIXTURE_H

#include "testing.h"

#include "formats/scratch.h"
#include "models/model.h"

#include <jansson.h>

/* The directory of tests/data/models itself, in one of a few rotating buffers. */
const char *fixture_dir(const char *name);
/* Copies its files, goldens left out, over the scratch directory of the same name; returns that. */
const char *fixture_copy(const char *name);
/* Sets the value at a path such as "vision_config.hidden_size" of a JSON file of the copy to
 * `json`; NULL removes it. */
void fixture_set(const char *name, const char *file, const char *path, const char *json);

/* A safetensors file taken apart: the header, and the bytes after it. */
typedef struct fixture_tensors {
    json_t *header;
    uint8_t *bytes, *data;
    size_t data_bytes;
} fixture_tensors;
void fixture_read_tensors(const char *name, const char *file, fixture_tensors *out);
/* Writes the copy's file: `header`, and the data. */
void fixture_write_tensors(const char *name, const char *file, const json_t *header,
                           const uint8_t *data, size_t data_bytes);
void fixture_free_tensors(fixture_tensors *tensors);

/* Loads, and fails the test when that fails. */
ken_model *fixture_load(const char *dir, const ken_model_options *options);
/* Loads, and expects the failure. */
void fixture_refused(const char *dir, ken_status expected, const char *text, ken_error *err);

#endif
