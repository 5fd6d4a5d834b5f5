/* formats/table_csv.h: the header line of a CSV or TSV file.
 *
 * ken reads it itself, so that DuckDB has nothing to guess: its sniffer may take a semicolon in a
 * caption for a separator, and says little about a line that does not fit. */
#ifndef KEN_FORMATS_TABLE_CSV_H
#define KEN_FORMATS_TABLE_CSV_H

#include "base/buf.h"

/* Appends {'name': 'VARCHAR', ...} for the columns that the first record names. */
KEN_MUST_CHECK ken_status table_put_csv_columns(buf *sql, const char *path, char delimiter,
                                                ken_error *err);

#endif
