/* formats/zip_index.h: where the files of a zip archive lie, for archives whose files are stored
 * without compression, as torch.save writes them (APPNOTE.TXT 6.3, with zip64). Nothing is copied:
 * data points into the mapped archive. */
#ifndef KEN_FORMATS_ZIP_INDEX_H
#define KEN_FORMATS_ZIP_INDEX_H

#include "base/file.h"
#include "base/mem.h"

typedef struct zip_entry {
    const char *name; /* name_size bytes, without NUL */
    size_t name_size;
    const uint8_t *data;
    size_t size;
} zip_entry;

typedef struct zip_index {
    arena memory;
    zip_entry *entries; /* by name, in byte order */
    size_t n_entries;
} zip_index;

/* Refuses what is compressed, encrypted, cut off, or named twice. `path` appears in messages. Reset
 * the index in any case. */
KEN_MUST_CHECK ken_status zip_index_read(const file_map *file, const char *path, zip_index *out,
                                         ken_error *err);
void zip_index_reset(zip_index *z);
/* NULL when there is none. */
const zip_entry *zip_index_find(const zip_index *z, const char *name, size_t name_size);

#endif
