/* formats/table_csv.c: parses one record as RFC 4180 says. */
#include "formats/table_csv.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "formats/duck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { max_header_bytes = 1 << 20, max_columns = 2000 };

typedef struct record {
    const char *at, *end;
    char delimiter;
} record;

/* Decodes the next field; *more says that another one follows. False when a quote is not closed. */
static bool next_field(record *r, buf *field, bool *more) {
    buf_clear(field);
    bool quoted = r->at < r->end && *r->at == '"';
    r->at += quoted;
    while (r->at < r->end) {
        char c = *r->at;
        if (quoted && c == '"') {
            quoted = r->at + 1 < r->end && r->at[1] == '"';
            r->at += quoted ? 2 : 1;
            if (quoted)
                buf_putc(field, '"');
            continue;
        }
        if (!quoted && (c == r->delimiter || c == '\n' || c == '\r'))
            break;
        buf_putc(field, c);
        r->at++;
    }
    *more = r->at < r->end && *r->at == r->delimiter;
    r->at += *more;
    return !quoted;
}

static bool is_repeated(const char *const *names, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

static ken_status put_columns(buf *sql, record *r, const char *path, arena *memory, buf *field,
                              ken_error *err) {
    const char **names = arena_array(memory, max_columns, sizeof *names);
    if (!names)
        return error_no_memory(err, max_columns * sizeof *names);
    bool more = true;
    buf_putc(sql, '{');
    for (size_t n = 0; more; n++) {
        if (n == max_columns)
            return error_set(err, KEN_TOO_LARGE, "'%s' has more than %d columns", path,
                             max_columns);
        if (!next_field(r, field, &more))
            return error_set(err, KEN_BAD_FORMAT, "'%s': a quote in the header line is not closed",
                             path);
        if (!utf8_valid(field->data ? field->data : "", field->size))
            return error_set(err, KEN_BAD_FORMAT, "'%s': the header line is not UTF-8", path);
        /* A nameless column, such as the row numbers that pandas writes. */
        names[n] =
            field->size ? arena_strdup(memory, field->data) : arena_printf(memory, "column%zu", n);
        if (!names[n])
            return error_no_memory(err, field->size + 1);
        if (is_repeated(names, n, names[n]))
            return error_set(err, KEN_BAD_FORMAT, "'%s': the header line names column '%s' twice",
                             path, names[n]);
        buf_puts(sql, n ? ", " : "");
        duck_quote(sql, '\'', names[n]);
        buf_puts(sql, ": 'VARCHAR'");
    }
    buf_putc(sql, '}');
    return buf_check(sql, err);
}

/* The file's beginning, without a byte order mark. */
static ken_status read_beginning(const char *path, buf *out, ken_error *err) {
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_errno(err, errno, "could not open '%s'", path);
    char *to = buf_reserve(out, max_header_bytes);
    size_t n = to ? fread(to, 1, max_header_bytes, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    if (!to)
        return error_no_memory(err, max_header_bytes);
    if (failed)
        return error_set(err, KEN_IO, "could not read '%s'", path);
    if (n >= 3 && memcmp(to, "\xef\xbb\xbf", 3) == 0)
        memmove(to, to + 3, n -= 3);
    out->size = n;
    if (n == 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s' is empty, expected a header line", path);
    return KEN_OK;
}

ken_status table_put_csv_columns(buf *sql, const char *path, char delimiter, ken_error *err) {
    buf text, field;
    buf_init(&text, max_header_bytes);
    buf_init(&field, max_header_bytes);
    arena memory = {0};
    ken_status status = read_beginning(path, &text, err);
    if (status == KEN_OK) {
        record r = {text.data, text.data + text.size, delimiter};
        status = put_columns(sql, &r, path, &memory, &field, err);
    }
    arena_free(&memory);
    buf_free(&field);
    buf_free(&text);
    return status;
}
