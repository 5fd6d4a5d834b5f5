/* tasks/collection/collection.h: vectors, ids and provenance together: what `ken embed` writes and
 * every other command reads. CLI.md, "The collection", fixes the files, columns and metadata. */
#ifndef KEN_TASKS_COLLECTION_H
#define KEN_TASKS_COLLECTION_H

#include "base/mem.h"
#include "formats/table.h"
#include "models/model.h"

/* Provenance: the `ken.*` metadata, as text. */
typedef struct collection_meta {
    const char *format_version, *program_version, *model_id, *model_revision, *weights_sha256;
    const char *preprocess, *preprocess_sha256, *precision;
    const char *precision_cosine_min; /* to f32, measured on built-in inputs of the kind */
    const char *precision_s16_layers; /* precision "auto": the layers not in int8; else "" */
    const char *kind;                 /* "image" or "text" */
    int dim;
} collection_meta;

typedef struct collection collection;

/* A .parquet file or a directory of parts. Loads ids, paths and embeddings into memory:
 * n_rows * dim * 4 bytes. Rows whose embedding is missing, not finite or zero are an error that
 * names the row. */
KEN_MUST_CHECK ken_status collection_open(const char *path, collection **out, ken_error *err);
void collection_close(collection *c);
bool collection_looks_like(const char *path); /* a .parquet file with ken.* metadata, or ken.json */

const collection_meta *collection_get_meta(const collection *c);
size_t collection_n_rows(const collection *c);
const char *collection_id(const collection *c, size_t row);
const char *collection_path(const collection *c, size_t row);
const float *collection_embeddings(const collection *c); /* [n_rows, dim] */
/* The Parquet files that it consists of, in row order. */
const char *const *collection_part_paths(const collection *c, size_t *n);
/* The provenance in a Parquet file's metadata; strings live in `memory`. */
KEN_MUST_CHECK ken_status collection_read_meta(const table_reader *r, const char *where,
                                               arena *memory, collection_meta *out, ken_error *err);
enum { COLLECTION_META_ENTRIES = 13 };
/* As Parquet metadata, in the order in which files carry it; `dim_text` is `dim` in digits.
 * Pointers are the struct's own. */
size_t collection_meta_entries(const collection_meta *m, const char *dim_text,
                               table_metadata out[COLLECTION_META_ENTRIES]);
/* Fails when weights_sha256 or preprocess_sha256 differ, naming the field and both values.
 * preprocess matters only between two image collections. */
KEN_MUST_CHECK ken_status collection_meta_match(const collection_meta *a, const char *a_name,
                                                const collection_meta *b, const char *b_name,
                                                ken_error *err);
/* The provenance of what `model` would write; strings live in `arena`. */
KEN_MUST_CHECK ken_status collection_meta_of_model(const ken_model *model, const char *model_id,
                                                   const char *model_revision, const preprocess *p,
                                                   bool images, arena *arena, collection_meta *out,
                                                   ken_error *err);

#endif
