/* tasks/classify/csv.h: small CSV files that people and ken itself write (labels, error tables),
 * read as text.
 *
 * A table reader would guess types and turn the id 0012 into 12; here every field stays as written.
 * RFC 4180: quotes doubled inside quoted fields, which may hold line breaks. A byte order mark and
 * empty lines are passed over. */
#ifndef KEN_TASKS_CSV_H
#define KEN_TASKS_CSV_H

#include "base/buf.h"

enum { CSV_MAX_FIELDS = 64 };

typedef struct csv_reader {
    const char *where; /* the file's name, for messages */
    const char *at, *end;
    char separator;
    int line; /* of the record last read, from 1 */
    int next_line;
    buf record; /* its fields, each NUL-terminated */
    size_t starts[CSV_MAX_FIELDS];
    size_t n_fields;
} csv_reader;

/* `text` is borrowed until csv_close. */
void csv_open(csv_reader *r, const char *text, size_t size, char separator, const char *where);
void csv_close(csv_reader *r);
/* *more is false at the end. */
KEN_MUST_CHECK ken_status csv_next(csv_reader *r, bool *more, ken_error *err);
/* A field of the record last read; "" past its last one. */
const char *csv_field(const csv_reader *r, size_t index);
/* Reads the header record: columns[i] becomes the position of names[i]. Fails when one is missing.
 */
KEN_MUST_CHECK ken_status csv_header(csv_reader *r, const char *const *names, size_t n_names,
                                     size_t *columns, ken_error *err);

#endif
