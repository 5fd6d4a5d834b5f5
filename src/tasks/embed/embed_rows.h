/* tasks/embed/embed_rows.h: an embedded item as a row of a collection, and a failed one as a line
 * of its error table. CLI.md, "The collection", fixes the columns. */
#ifndef KEN_TASKS_EMBED_ROWS_H
#define KEN_TASKS_EMBED_ROWS_H

#include "base/buf.h"
#include "base/mem.h"
#include "formats/table.h"
#include "tasks/pipeline/pipeline.h"

typedef struct row_layout {
    table_column *columns;
    table_value *values; /* scratch for one row */
    size_t n_columns, n_extra;
    bool texts, captions;
} row_layout;

/* Fails when a --keep column has the name of one of ours. */
KEN_MUST_CHECK ken_status row_layout_init(const inputs *in, int embedding_width, row_layout *out,
                                          ken_error *err);
void row_layout_reset(row_layout *layout);
KEN_MUST_CHECK ken_status row_add(row_layout *layout, table_writer *to, const embed_item *item,
                                  ken_error *err);

#define ERROR_TABLE_HEADER "id,path,stage,reason,detail\n"
bool error_line_put(buf *out, const embed_item *item);

#endif
