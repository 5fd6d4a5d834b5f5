/* tasks/collection/collection_files.h: which Parquet files a collection consists of.
 *
 * A file; a folder with ken.json, whose manifest lists its parts; or a folder of shards
 * (shard-00000-of-00004/ ...), each such a folder, all of which must be there. */
#ifndef KEN_TASKS_COLLECTION_FILES_H
#define KEN_TASKS_COLLECTION_FILES_H

#include "base/mem.h"

typedef struct collection_files {
    arena memory;
    const char **paths;
    size_t n, capacity;
} collection_files;

KEN_MUST_CHECK ken_status collection_files_find(const char *path, collection_files *out,
                                                ken_error *err);
void collection_files_free(collection_files *files);
/* A folder that holds a finished collection. */
bool collection_is_folder(const char *path);

#endif
