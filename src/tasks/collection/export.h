/* tasks/collection/export.h: a collection in the layouts of others. */
#ifndef KEN_TASKS_EXPORT_H
#define KEN_TASKS_EXPORT_H

#include "base/error.h"

typedef enum export_format {
    EXPORT_NPY,            /* OUT.npy [n, dim] float32, and OUT.ids.txt, an id a line */
    EXPORT_CLIP_RETRIEVAL, /* OUT/img_emb/img_emb_0.npy, OUT/metadata/metadata_0.parquet */
    EXPORT_JSONL,          /* a row a line, every column, the embedding as an array */
    EXPORT_CSV,            /* every column; the embedding as a JSON array in one field */
} export_format;

/* False when the name is none of npy, clip-retrieval, jsonl, csv. */
bool export_format_named(const char *name, export_format *out);
/* Files are written so that they appear whole or not at all; existing ones are replaced. */
KEN_MUST_CHECK ken_status export_collection(const char *collection, export_format format,
                                            const char *output, uint64_t *n_rows, ken_error *err);

#endif
