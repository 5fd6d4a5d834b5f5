/* cli/cache_folder.h: where packed weights are kept, as the environment says; docs/cache.md. */
#ifndef KEN_CLI_CACHE_FOLDER_H
#define KEN_CLI_CACHE_FOLDER_H

#include "base/buf.h"

typedef struct cache_folder {
    buf dir;              /* empty: no cache */
    uint64_t limit_bytes; /* 0: the library's default */
} cache_folder;

/* $XDG_CACHE_HOME/ken or ~/.cache/ken, and $KEN_CACHE_LIMIT; fails when that cannot be read as a
 * size. */
KEN_MUST_CHECK ken_status cache_folder_find(cache_folder *out, ken_error *err);
void cache_folder_reset(cache_folder *folder);

#endif
