/* tasks/collection/manifest.h: the append-only list of a job's finished parts, a line of JSON each.
 *
 * A line is written after its part is safely on disk, so it never names what is not there. A torn
 * last line (the power went) is no line. A part that was made again has a second line, which
 * counts. */
#ifndef KEN_TASKS_MANIFEST_H
#define KEN_TASKS_MANIFEST_H

#include "base/buf.h"
#include "base/hash.h"

typedef struct part_record {
    uint64_t part;  /* its number */
    uint64_t first; /* index of its first item */
    uint64_t items; /* rows and failures */
    uint64_t rows, failed;
    uint64_t size_bytes;               /* of the Parquet file */
    char hash[HASH_XXH128_HEX];        /* of the Parquet file */
    char errors_hash[HASH_XXH128_HEX]; /* of the part's error table; "" when nothing failed */
} part_record;

typedef struct manifest {
    part_record *parts; /* sorted by number, each number once */
    size_t n, capacity;
    size_t valid_bytes; /* of the file: what follows is torn */
} manifest;

void manifest_free(manifest *m);
/* Reads the lines up to the first that is not whole or not sensible. */
KEN_MUST_CHECK ken_status manifest_parse(const char *text, size_t size, manifest *out,
                                         ken_error *err);
/* A file that does not exist is an empty manifest. */
KEN_MUST_CHECK ken_status manifest_read(const char *path, manifest *out, ken_error *err);
/* Adds or replaces, in memory only. */
KEN_MUST_CHECK ken_status manifest_set(manifest *m, const part_record *record, ken_error *err);
const part_record *manifest_find(const manifest *m, uint64_t part);
bool manifest_put_line(buf *out, const part_record *record);

/* "part-000007.parquet" and "part-000007.errors.csv" */
bool part_file_name(buf *out, const char *dir, uint64_t part);
bool part_errors_name(buf *out, const char *dir, uint64_t part);

#endif
