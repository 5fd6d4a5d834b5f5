#include "tasks/classify/csv.h"

#include <string.h>

enum { max_record_bytes = 1 << 20 };

void csv_open(csv_reader *r, const char *text, size_t size, char separator, const char *where) {
    static const char mark[] = "\xEF\xBB\xBF";
    *r = (csv_reader){.where = where, .at = text, .end = text + size, .separator = separator};
    if (size >= 3 && memcmp(text, mark, 3) == 0)
        r->at += 3;
    r->next_line = 1;
    buf_init(&r->record, max_record_bytes);
}

void csv_close(csv_reader *r) {
    buf_free(&r->record);
}

static bool at_line_end(const csv_reader *r) {
    return r->at == r->end || *r->at == '\n' ||
           (*r->at == '\r' && r->end - r->at > 1 && r->at[1] == '\n');
}

static ken_status read_quoted(csv_reader *r, ken_error *err) {
    r->at++;
    for (;;) {
        if (r->at == r->end)
            return error_set(err, KEN_BAD_FORMAT, "%s:%d: a quoted field does not end", r->where,
                             r->line);
        char c = *r->at++;
        if (c == '"') {
            if (r->at == r->end || *r->at != '"')
                break;
            r->at++;
        }
        r->next_line += c == '\n';
        buf_putc(&r->record, c);
    }
    if (!at_line_end(r) && *r->at != r->separator)
        return error_set(err, KEN_BAD_FORMAT,
                         "%s:%d: expected '%c' after a quoted field, found '%c'", r->where,
                         r->next_line, r->separator, *r->at);
    return KEN_OK;
}

static ken_status read_field(csv_reader *r, ken_error *err) {
    if (r->n_fields == CSV_MAX_FIELDS)
        return error_set(err, KEN_BAD_FORMAT, "%s:%d: more than %d fields", r->where, r->line,
                         CSV_MAX_FIELDS);
    r->starts[r->n_fields++] = r->record.size;
    if (r->at < r->end && *r->at == '"') {
        TRY(read_quoted(r, err));
    } else {
        const char *start = r->at;
        while (!at_line_end(r) && *r->at != r->separator)
            r->at++;
        buf_append(&r->record, start, (size_t)(r->at - start));
    }
    buf_putc(&r->record, '\0');
    return KEN_OK;
}

static void skip_line_end(csv_reader *r) {
    if (r->at < r->end && *r->at == '\r')
        r->at++;
    if (r->at < r->end) {
        r->at++;
        r->next_line++;
    }
}

ken_status csv_next(csv_reader *r, bool *more, ken_error *err) {
    *more = false;
    while (r->at < r->end && at_line_end(r))
        skip_line_end(r);
    if (r->at == r->end)
        return KEN_OK;
    buf_clear(&r->record);
    r->n_fields = 0;
    r->line = r->next_line;
    for (;;) {
        TRY(read_field(r, err));
        if (at_line_end(r))
            break;
        r->at++; /* the separator */
    }
    skip_line_end(r);
    if (r->record.failed) {
        ken_status status = buf_check(&r->record, err);
        return error_prefix(err, status, "%s:%d", r->where, r->line);
    }
    *more = true;
    return KEN_OK;
}

const char *csv_field(const csv_reader *r, size_t index) {
    return index < r->n_fields ? r->record.data + r->starts[index] : "";
}

ken_status csv_header(csv_reader *r, const char *const *names, size_t n_names, size_t *columns,
                      ken_error *err) {
    bool more;
    TRY(csv_next(r, &more, err));
    if (!more)
        return error_set(err, KEN_BAD_FORMAT, "'%s' is empty, expected a header with '%s'",
                         r->where, names[0]);
    for (size_t i = 0; i < n_names; i++) {
        size_t at = 0;
        while (at < r->n_fields && strcmp(csv_field(r, at), names[i]) != 0)
            at++;
        if (at == r->n_fields)
            return error_set(err, KEN_BAD_FORMAT, "%s:%d: the header has no column '%s'", r->where,
                             r->line, names[i]);
        columns[i] = at;
    }
    return KEN_OK;
}
