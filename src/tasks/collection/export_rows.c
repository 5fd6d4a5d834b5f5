#include "tasks/collection/export_rows.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const size_t flush_bytes = (size_t)1 << 20, max_line_bytes = (size_t)1 << 30;

static ken_status open_all_columns(const collection *c, table_reader **out, ken_error *err) {
    size_t n;
    const char *const *paths = collection_part_paths(c, &n);
    return table_reader_open(paths, n, NULL, 0, out, err);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* "2024-05-06T07:08:09.123456Z" */
static void put_time(buf *out, int64_t us) {
    int64_t seconds = us / 1000000 - (us % 1000000 < 0);
    time_t whole = (time_t)seconds;
    struct tm utc;
    char text[40];
    if (!gmtime_r(&whole, &utc) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc))
        return;
    buf_printf(out, "%s.%06dZ", text, (int)(us - seconds * 1000000));
}

/* Nine digits give every float back exactly. */
static void put_vector(buf *out, const float *vector, int n) {
    buf_putc(out, '[');
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%.9g", i ? "," : "", (double)vector[i]);
    buf_putc(out, ']');
}

/* The value as CSV shows it; JSON quotes what is not a number. */
static void put_plain(buf *out, table_type type, int width, const table_value *value) {
    switch (type) {
    case TABLE_TEXT:
    case TABLE_BLOB:
        buf_append(out, value->bytes, value->size);
        break;
    case TABLE_INT32:
    case TABLE_INT64:
        buf_printf(out, "%lld", (long long)value->integer);
        break;
    case TABLE_BOOL:
        buf_puts(out, value->integer ? "true" : "false");
        break;
    case TABLE_FLOAT:
        buf_printf(out, "%.9g", value->number);
        break;
    case TABLE_DOUBLE:
        buf_printf(out, "%.17g", value->number);
        break;
    case TABLE_TIMESTAMP:
        put_time(out, value->integer);
        break;
    case TABLE_VECTOR:
        put_vector(out, value->vector, width);
        break;
    }
}

static bool is_quoted_in_json(table_type type) {
    return type == TABLE_TEXT || type == TABLE_BLOB || type == TABLE_TIMESTAMP;
}

typedef struct text_export {
    table_reader *from;
    bool json;
    int fd;
    const char *path;
    buf out, field;
} text_export;

static void put_row(text_export *x, const table_value *row) {
    size_t n = table_reader_n_columns(x->from);
    if (x->json)
        buf_putc(&x->out, '{');
    for (size_t i = 0; i < n; i++) {
        int width = 0;
        table_type type = table_reader_column_type(x->from, i, &width);
        const char *name = table_reader_column_name(x->from, i);
        buf_puts(&x->out, i ? "," : "");
        if (x->json) {
            buf_put_json(&x->out, name, strlen(name));
            buf_putc(&x->out, ':');
        }
        buf_clear(&x->field);
        if (!row[i].is_null)
            put_plain(&x->field, type, width, &row[i]);
        const char *text = x->field.data ? x->field.data : "";
        if (x->json && row[i].is_null)
            buf_puts(&x->out, "null");
        else if (x->json && is_quoted_in_json(type))
            buf_put_json(&x->out, text, x->field.size);
        else if (x->json)
            buf_append(&x->out, text, x->field.size);
        else
            buf_put_csv(&x->out, text, x->field.size);
    }
    buf_puts(&x->out, x->json ? "}\n" : "\n");
}

static ken_status flush(text_export *x, ken_error *err) {
    TRY(buf_check(&x->out, err));
    TRY(buf_check(&x->field, err));
    TRY(file_write_all(x->fd, x->out.data ? x->out.data : "", x->out.size, x->path, err));
    buf_clear(&x->out);
    return KEN_OK;
}

static ken_status write_rows(text_export *x, ken_error *err) {
    size_t n = table_reader_n_columns(x->from);
    for (size_t i = 0; i < n && !x->json; i++) {
        const char *name = table_reader_column_name(x->from, i);
        buf_puts(&x->out, i ? "," : "");
        buf_put_csv(&x->out, name, strlen(name));
    }
    buf_puts(&x->out, x->json ? "" : "\n");
    table_value *row = mem_zalloc(n + 1, sizeof *row);
    if (!row)
        return error_no_memory(err, n * sizeof *row);
    ken_status status = KEN_OK;
    bool more = true;
    while (status == KEN_OK && more) {
        status = table_reader_next(x->from, row, &more, err);
        if (status == KEN_OK && more)
            put_row(x, row);
        if (status == KEN_OK && (x->out.size >= flush_bytes || !more))
            status = flush(x, err);
    }
    mem_free(row);
    if (status == KEN_OK && fsync(x->fd) != 0 && errno != EINVAL)
        status = error_errno(err, errno, "could not sync '%s'", x->path);
    return status;
}

static ken_status write_beside(text_export *x, const char *output, ken_error *err) {
    buf tmp;
    buf_init(&tmp, PATH_MAX);
    buf_printf(&tmp, "%s.tmp-%ld", output, (long)getpid());
    ken_status status = buf_check(&tmp, err);
    if (status == KEN_OK) {
        x->path = tmp.data;
        x->fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (x->fd < 0) {
            error_errno(err, errno, "could not create '%s'", output);
            if (err)
                err->status = KEN_CANNOT_CREATE;
            status = KEN_CANNOT_CREATE;
        }
    }
    if (status == KEN_OK) {
        status = write_rows(x, err);
        close(x->fd);
        if (status == KEN_OK && rename(tmp.data, output) != 0)
            status = error_errno(err, errno, "could not create '%s'", output);
        if (status != KEN_OK)
            unlink(tmp.data);
        else
            status = file_sync_parent(output, err);
    }
    buf_free(&tmp);
    return status;
}

ken_status export_text_rows(const collection *c, bool json, const char *output, ken_error *err) {
    text_export x = {.json = json, .fd = -1};
    buf_init(&x.out, max_line_bytes);
    buf_init(&x.field, max_line_bytes);
    ken_status status = open_all_columns(c, &x.from, err);
    if (status == KEN_OK)
        status = write_beside(&x, output, err);
    table_reader_close(x.from);
    buf_free(&x.out);
    buf_free(&x.field);
    return status;
}

/* ---- clip-retrieval's metadata
 * ------------------------------------------------------------------- */

/* Where the columns of the new table come from. */
typedef struct mapping {
    table_column *columns;
    size_t *from;
    size_t n;
    table_value *old_row, *new_row;
} mapping;

static void mapping_reset(mapping *m) {
    mem_free(m->columns);
    mem_free(m->from);
    mem_free(m->old_row);
    mem_free(m->new_row);
}

static void map_column(mapping *m, const char *name, table_type type, size_t from) {
    m->columns[m->n] = (table_column){.name = name, .type = type};
    m->from[m->n++] = from;
}

/* image_path is the file's path, or for what has none the id, as clip-retrieval writes a shard's
 * key. */
static ken_status map_columns(mapping *m, const collection *c, table_reader *r, ken_error *err) {
    size_t n = table_reader_n_columns(r);
    bool images = strcmp(collection_get_meta(c)->kind, "image") == 0;
    m->columns = mem_zalloc(n + 1, sizeof *m->columns);
    m->from = mem_zalloc(n + 1, sizeof *m->from);
    m->old_row = mem_zalloc(n + 1, sizeof *m->old_row);
    m->new_row = mem_zalloc(n + 1, sizeof *m->new_row);
    if (!m->columns || !m->from || !m->old_row || !m->new_row)
        return error_no_memory(err, n * sizeof *m->columns);
    for (size_t i = 0; i < n; i++) {
        const char *name = table_reader_column_name(r, i);
        table_type type = table_reader_column_type(r, i, NULL);
        if (strcmp(name, "embedding") == 0)
            continue;
        if (strcmp(name, "path") == 0)
            map_column(m, "image_path", type, i);
        else if (!images && strcmp(name, "text") == 0)
            map_column(m, "caption", type, i);
        else
            map_column(m, name, type, i);
    }
    return KEN_OK;
}

static ken_status copy_rows(mapping *m, table_reader *r, table_writer *w, ken_error *err) {
    for (;;) {
        bool more;
        TRY(table_reader_next(r, m->old_row, &more, err));
        if (!more)
            return KEN_OK;
        for (size_t i = 0; i < m->n; i++) {
            const table_value *value = &m->old_row[m->from[i]];
            bool nameless =
                strcmp(m->columns[i].name, "image_path") == 0 && (value->is_null || !value->size);
            m->new_row[i] = nameless ? m->old_row[0] : *value; /* column 0 is the id */
        }
        TRY(table_writer_add(w, m->new_row, err));
    }
}

ken_status export_metadata_table(const collection *c, const char *path, ken_error *err) {
    table_reader *r;
    TRY(open_all_columns(c, &r, err));
    mapping m = {0};
    table_writer *w = NULL;
    ken_status status = map_columns(&m, c, r, err);
    if (status == KEN_OK)
        status = table_writer_new(m.columns, m.n, NULL, 0, &w, err);
    if (status == KEN_OK)
        status = copy_rows(&m, r, w, err);
    if (status == KEN_OK)
        status = table_writer_finish(w, path, err);
    table_writer_free(w);
    mapping_reset(&m);
    table_reader_close(r);
    return status;
}
