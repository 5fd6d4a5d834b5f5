/* tasks/collection/export_rows.h: all columns of a collection, row by row, into other tables. */
#ifndef KEN_TASKS_EXPORT_ROWS_H
#define KEN_TASKS_EXPORT_ROWS_H

#include "tasks/collection/collection.h"

/* JSON lines, or CSV with a header. */
KEN_MUST_CHECK ken_status export_text_rows(const collection *c, bool json, const char *output,
                                           ken_error *err);
/* clip-retrieval's metadata: image_path, caption (when there is one), and every column but the
 * embedding, under its own name. Written to `path` as it is named. */
KEN_MUST_CHECK ken_status export_metadata_table(const collection *c, const char *path,
                                                ken_error *err);

#endif
