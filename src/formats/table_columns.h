/* formats/table_columns.h: what a source's columns are called and how each is to be read. */
#ifndef KEN_FORMATS_TABLE_COLUMNS_H
#define KEN_FORMATS_TABLE_COLUMNS_H

#include "base/mem.h"
#include "formats/duck.h"
#include "formats/table.h"

typedef struct source_column {
    const char *name;
    table_type type;
    const char *expression; /* SQL that gives the column as BIGINT, BOOLEAN, FLOAT, DOUBLE, VARCHAR,
                               BLOB or FLOAT[] */
} source_column;

typedef struct source_columns {
    source_column *items;
    size_t n_items;
    uint64_t n_rows;
} source_columns;

/* Everything is allocated from `memory`. `is_text` says that all columns are text so far, of which
 * those that hold only numbers are to be numbers. */
KEN_MUST_CHECK ken_status table_describe(const duck_session *s, const char *source_sql,
                                         bool is_text, const char *doing, arena *memory,
                                         source_columns *out, ken_error *err);

#endif
