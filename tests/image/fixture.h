/* tests/image/fixture.h: what the image tests share: files, tables of tab-separated values, and the
 * line that says what decoding a file came to. */
#ifndef KEN_TESTS_IMAGE_FIXTURE_H
#define KEN_TESTS_IMAGE_FIXTURE_H

#include "base/file.h"
#include "image/preprocess.h"

#define IMAGE_DATA KEN_TEST_DATA "/image"

enum { MAX_FIELDS = 16, DIGEST_SIZE = 17 };

/* Maps a file below IMAGE_DATA; fails the test when it is not there. */
file_map fixture_file(const char *name);
/* The first 16 hexadecimal digits of a SHA-256. */
void digest(const void *bytes, size_t size, char out[DIGEST_SIZE]);
/* Of the pixels as they are; of a palette picture, of its RGBA. */
void image_digest(const image *img, char out[DIGEST_SIZE]);
const char *image_mode_name(image_mode mode);

/* What decoding came to. */
typedef struct outcome {
    char verdict[16]; /* "ok", "warned", or the name of the status */
    char size[32], mode[8];
    int orientation;
    char digest[DIGEST_SIZE];
    char strict[16]; /* the verdict with strict set */
} outcome;
void decode_outcome(const uint8_t *bytes, size_t size, outcome *out);

/* Calls `row` for each line that is not empty and does not begin with '#'. Returns how many. */
typedef void row_function(char *fields[MAX_FIELDS], int n_fields, void *context);
int each_row(const char *path, row_function *row, void *context);

#endif
