/* base/cache_room.h: the inside of a cache, for cache.c and cache_room.c only. */
#ifndef KEN_BASE_CACHE_ROOM_H
#define KEN_BASE_CACHE_ROOM_H

#include "base/cache.h"

struct cache {
    int fd; /* of the folder */
    char *path;
    uint64_t limit_bytes; /* 0: by the file system's free room */
};

/* What the names of our files begin with. */
#define CACHE_FACT      "fact-"
#define CACHE_PACK      "pack-"
#define CACHE_TEMPORARY "tmp-"

/* Removes files, those first that were not used for the longest time, until `size_bytes` more fit
 * the limit. */
KEN_MUST_CHECK ken_status cache_make_room(const cache *c, uint64_t size_bytes, ken_error *err);

#endif
