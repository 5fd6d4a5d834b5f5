/* formats/pack_file.h: named blobs in one file of a cache, to be mapped and used in place.
 *
 * The file is ours and of this machine: numbers are as the processor has them. It names the key of
 * what it holds, so a file is only ever used for exactly what it was made for. The header is
 * checked when the file is opened (its length, its checksum, every offset against the real size), a
 * blob when it is taken; docs/cache.md describes the layout. */
#ifndef KEN_FORMATS_PACK_FILE_H
#define KEN_FORMATS_PACK_FILE_H

#include "base/cache.h"

typedef struct pack_blob {
    const char *name;
    const void *data;
    size_t size_bytes;
} pack_blob;

/* In this order, each 64-byte aligned. */
KEN_MUST_CHECK ken_status pack_file_write(const cache *c, const char *file, const char *key,
                                          const pack_blob *blobs, size_t n_blobs, ken_error *err);

typedef struct pack_file {
    file_map map;
    const struct pack_entry *entries;
    size_t n_entries;
    size_t next; /* the entry that pack_file_take looks at first */
} pack_file;

/* KEN_NOT_FOUND: there is none; KEN_BAD_FORMAT: it is damaged, or another key's. */
KEN_MUST_CHECK ken_status pack_file_open(const cache *c, const char *file, const char *key,
                                         pack_file *out, ken_error *err);
void pack_file_close(pack_file *f);

/* The blob of this name and size, its contents verified. KEN_NOT_FOUND: there is none;
 * KEN_BAD_FORMAT: it is damaged. Blobs are found fastest in the order in which they lie. */
KEN_MUST_CHECK ken_status pack_file_take(pack_file *f, const char *name, size_t size_bytes,
                                         const void **out, ken_error *err);

#endif
