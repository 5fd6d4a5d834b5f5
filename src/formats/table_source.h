/* formats/table_source.h: table files as SQL that DuckDB can read. */
#ifndef KEN_FORMATS_TABLE_SOURCE_H
#define KEN_FORMATS_TABLE_SOURCE_H

#include "formats/duck.h"
#include "formats/table.h"

enum { TABLE_MAX_SQL_BYTES = 64 << 20 };

/* The path must be a regular file: DuckDB would wait for ever for a FIFO. */
KEN_MUST_CHECK ken_status table_check_file(const char *path, ken_error *err);
/* Appends a table function that reads the files, which are of one kind, in order. CSV columns come
 * as text, JSONL columns as DuckDB detects them. */
KEN_MUST_CHECK ken_status table_put_source(buf *sql, const char *const *paths, size_t n_paths,
                                           ken_error *err);

#endif
