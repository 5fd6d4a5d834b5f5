/* tests/formats/scratch.h: a directory for a test's files, and ways to fill it. */
#ifndef KEN_TESTS_SCRATCH_H
#define KEN_TESTS_SCRATCH_H

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka group setup and teardown: makes the directory, removes it with all it holds. */
int scratch_make(void **state);
int scratch_remove(void **state);
/* DIR/name, in one of a few rotating buffers. */
const char *scratch_path(const char *name);
/* Writes a file, making the folders above it; returns its path. */
const char *scratch_write(const char *name, const void *bytes, size_t size);
const char *scratch_text(const char *name, const char *text);
/* A safetensors file of this header and `data_bytes` bytes 0, 1, 2... */
const char *scratch_safetensors(const char *name, const char *header, size_t data_bytes);
/* A file of the test data, read whole; freed by mem_free. */
uint8_t *test_data(const char *name, size_t *size);

/* The call failed with this status and a message that holds `text`. */
#define assert_error(call, expected, err, text)                                                    \
    do {                                                                                           \
        ken_status got_ = (call);                                                                  \
        if (got_ != (expected) || (err).status != got_ || !strstr((err).message, text))            \
            fail_msg("got %s '%s', expected %s with '%s'", ken_status_name(got_),                  \
                     got_ ? (err).message : "", ken_status_name(expected), text);                  \
    } while (0)
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        ken_status got_ = (call);                                                                  \
        if (got_ != KEN_OK)                                                                        \
            fail_msg("%s: %s", ken_status_name(got_), (err).message);                              \
    } while (0)

#endif
