/* base/cache.h: a private folder of files that can be made again at any time.
 *
 * Nothing in it is needed: every function here may fail, and its caller goes on as if there were no
 * cache. The folder is ours alone (mode 0700); files that somebody else owns are not read. A file
 * appears whole under its name or not at all; processes may share a cache, and what one removes
 * stays readable to those that have it mapped. Nothing is synced to the disk: what a power cut
 * leaves behind is found by the checksums of those who read it, and made again.
 *
 * When the folder would grow past its limit, the files that were not used for the longest time go.
 * Names begin with "fact-" or "pack-"; other files in the folder are neither counted nor removed.
 */
#ifndef KEN_BASE_CACHE_H
#define KEN_BASE_CACHE_H

#include "base/file.h"

typedef struct cache cache;

/* Makes the folder and those above it if need be. `limit_bytes` 0: the smaller of 8 GiB and a tenth
 * of the room that the file system has for us. */
KEN_MUST_CHECK ken_status cache_open(const char *dir, uint64_t limit_bytes, cache **out,
                                     ken_error *err);
void cache_close(cache *c);
const char *cache_path(const cache *c);

/* The file, mapped. KEN_NOT_FOUND when it is not there. */
KEN_MUST_CHECK ken_status cache_map(const cache *c, const char *name, file_map *out,
                                    ken_error *err);
bool cache_has(const cache *c, const char *name);
typedef struct cache_piece {
    const void *data;
    size_t size;
} cache_piece;
/* Writes the pieces one after the other as the file `name`, in place of the one that is there. */
KEN_MUST_CHECK ken_status cache_write(const cache *c, const char *name, const cache_piece *pieces,
                                      size_t n_pieces, ken_error *err);
void cache_remove(const cache *c, const char *name);

/* A fact is a short text found by a key, such as a file's digest by its identity. */
enum { CACHE_FACT_BYTES = 4096 }; /* of a value, its final NUL included */
/* False when it is not known. */
bool cache_fact(const cache *c, const char *key, char value[CACHE_FACT_BYTES]);
KEN_MUST_CHECK ken_status cache_remember(const cache *c, const char *key, const char *value,
                                         ken_error *err);

typedef struct cache_usage {
    uint64_t n_files, used_bytes, limit_bytes;
} cache_usage;
KEN_MUST_CHECK ken_status cache_measure(const cache *c, cache_usage *out, ken_error *err);

#endif
