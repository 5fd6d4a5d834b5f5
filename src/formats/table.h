/* formats/table.h: Parquet, CSV and JSONL through DuckDB, which is loaded at the first call.
 *
 * A table_reader streams rows of any table file; a table_writer writes Parquet whose bytes depend
 * only on what is written to it (same rows, same metadata, same library: same bytes). Neither is
 * thread safe; different readers and writers may be used by different threads. */
#ifndef KEN_FORMATS_TABLE_H
#define KEN_FORMATS_TABLE_H

#include "base/buf.h"

/* ---- writing --------------------------------------------------------------------------------- */

typedef enum table_type {
    TABLE_TEXT,      /* VARCHAR */
    TABLE_INT32,     /* INTEGER */
    TABLE_INT64,     /* BIGINT */
    TABLE_BOOL,      /* BOOLEAN */
    TABLE_FLOAT,     /* FLOAT */
    TABLE_DOUBLE,    /* DOUBLE */
    TABLE_TIMESTAMP, /* TIMESTAMP WITH TIME ZONE (UTC), given as microseconds since 1970 */
    TABLE_VECTOR,    /* FLOAT[width], fixed length */
    TABLE_BLOB,
} table_type;

typedef struct table_column {
    const char *name;
    table_type type;
    int width; /* TABLE_VECTOR only */
} table_column;

typedef struct table_value {
    bool is_null;
    union {
        struct {
            const char *bytes; /* TABLE_TEXT (valid UTF-8), TABLE_BLOB */
            size_t size;
        };
        int64_t integer;     /* TABLE_INT32, TABLE_INT64, TABLE_BOOL, TABLE_TIMESTAMP */
        double number;       /* TABLE_FLOAT, TABLE_DOUBLE */
        const float *vector; /* TABLE_VECTOR: `width` floats; when read, `size` counts them too */
    };
} table_value;

/* Parquet key-value metadata, in this order. */
typedef struct table_metadata {
    const char *key;
    const char *value;
} table_metadata;

typedef struct table_writer table_writer;

/* Rows gather in memory until table_writer_finish, which writes `path` (zstd, row groups of
 * 2048 rows) and fsyncs it. The caller renames. */
KEN_MUST_CHECK ken_status table_writer_new(const table_column *columns, size_t n_columns,
                                           const table_metadata *metadata, size_t n_metadata,
                                           table_writer **out, ken_error *err);
/* `row` holds n_columns values. */
KEN_MUST_CHECK ken_status table_writer_add(table_writer *w, const table_value *row, ken_error *err);
KEN_MUST_CHECK ken_status table_writer_finish(table_writer *w, const char *path, ken_error *err);
/* The most memory that writing, or joining, rows of about this size takes. Texts and bytes among
 * them that are long come on top. */
uint64_t table_writing_bytes(uint64_t vector_bytes);
void table_writer_free(table_writer *w);

/* Joins Parquet files of equal schema, in the order given, into one Parquet file with `metadata`.
 */
KEN_MUST_CHECK ken_status table_join(const char *const *paths, size_t n_paths,
                                     const table_metadata *metadata, size_t n_metadata,
                                     const char *out_path, ken_error *err);

/* ---- reading --------------------------------------------------------------------------------- */

typedef enum table_file { TABLE_PARQUET, TABLE_CSV, TABLE_TSV, TABLE_JSONL } table_file;
/* By extension (.parquet .csv .tsv .jsonl .ndjson); false when it is none of them. */
bool table_file_kind(const char *path, table_file *out);

typedef struct table_reader table_reader;

/* `columns` NULL reads all. Several paths of one kind are read in order as one table. A column that
 * does not exist is an error that lists those that do. CSV and TSV have a header line; a column of
 * theirs is a number when each value is written as one (000123 is text). JSONL types are detected.
 */
KEN_MUST_CHECK ken_status table_reader_open(const char *const *paths, size_t n_paths,
                                            const char *const *columns, size_t n_columns,
                                            table_reader **out, ken_error *err);
void table_reader_close(table_reader *r);
size_t table_reader_n_columns(const table_reader *r);
const char *table_reader_column_name(const table_reader *r, size_t column);
/* The type as this interface gives it: integers as TABLE_INT64, lists of floats as TABLE_VECTOR, a
 * {bytes, path} struct as TABLE_BLOB of its bytes, others as text. A vector's width is that of the
 * first rows, and a later row of another width is an error; 0 when the first rows differ. */
table_type table_reader_column_type(const table_reader *r, size_t column, int *width);
uint64_t table_reader_n_rows(const table_reader *r);
/* Fills `row` (n_columns values), which stay valid until the next call. *more is false at the end.
 */
KEN_MUST_CHECK ken_status table_reader_next(table_reader *r, table_value *row, bool *more,
                                            ken_error *err);
/* Value of a Parquet file's key-value metadata, or NULL; belongs to the reader. */
const char *table_reader_metadata(const table_reader *r, const char *key);

/* Version of libduckdb, such as "v1.4.4"; loads it. NULL when it cannot be loaded. */
const char *table_library_version(void);

#endif
