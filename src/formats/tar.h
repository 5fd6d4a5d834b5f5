/* formats/tar.h: webdataset shards: samples of a tar file, through libarchive.
 *
 * Files that share the path up to the first dot of the last component form a sample; the rest of
 * the name, lower case, is the field ("jpg", "txt", "json"). Names are never used as paths. Not
 * thread safe. */
#ifndef KEN_FORMATS_TAR_H
#define KEN_FORMATS_TAR_H

#include "base/buf.h"

typedef struct tar_field {
    const char *name; /* extension, such as "jpg" */
    const uint8_t *bytes;
    size_t size;
} tar_field;

typedef struct tar_sample {
    const char *key;
    const tar_field *fields;
    size_t n_fields;
} tar_sample;

typedef struct tar_reader tar_reader;

/* Plain or compressed (gzip, bzip2, zstd, xz). */
KEN_MUST_CHECK ken_status tar_open(const char *path, size_t max_field_bytes, tar_reader **out,
                                   ken_error *err);
/* The next sample, valid until the next call; *more is false at the end. A sample with a field of
 * more than max_field_bytes is KEN_TOO_LARGE with *more true: it has its key and no fields, and the
 * reader goes on behind it. After any other error (a truncated shard) the samples already given
 * stand, and the reader is at its end. */
KEN_MUST_CHECK ken_status tar_next(tar_reader *r, tar_sample *sample, bool *more, ken_error *err);
void tar_close(tar_reader *r);

/* Expands one {a..b} range with equal-width numbers: "{00000..00002}.tar" gives three names, each
 * passed to `each`. A text without braces is passed as it is. */
KEN_MUST_CHECK ken_status tar_expand(const char *pattern,
                                     ken_status (*each)(void *context, const char *name,
                                                        ken_error *err),
                                     void *context, ken_error *err);

#endif
