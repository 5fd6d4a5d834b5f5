#include "tasks/inputs/stream.h"

#include "base/utf8.h"
#include "formats/tar.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What a table's columns are for; the --keep columns follow. */
enum { role_path, role_url, role_image, role_id, role_text, role_caption, n_roles };

struct stream {
    stream_options options;
    char *path;
    buf id, shown; /* of the item in hand */
    arena scratch; /* values of the item in hand */
    input_extra *extra;
    bool ended, failed; /* failed: the next call gives the failed item */
    ken_error reason;
    uint64_t row;

    tar_reader *tar;
    tar_sample first;
    bool has_first, first_is_large;

    table_reader *table;
    int column_of[n_roles]; /* -1: not there */
    table_value *values;
    size_t n_values;
};

static ken_status new_stream(const char *path, const stream_options *options, stream **out,
                             ken_error *err) {
    stream *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err, sizeof *s);
    s->options = *options;
    s->path = mem_strdup(path);
    s->extra = mem_zalloc(options->n_extra + 1, sizeof *s->extra);
    buf_init(&s->id, INT_MAX);
    buf_init(&s->shown, 4 * PATH_MAX);
    utf8_escape(&s->shown, path, strlen(path));
    if (!s->path || !s->extra || s->shown.failed) {
        stream_close(s);
        return error_no_memory(err, sizeof *s);
    }
    *out = s;
    return KEN_OK;
}

void stream_close(stream *s) {
    if (!s)
        return;
    tar_close(s->tar);
    table_reader_close(s->table);
    arena_free(&s->scratch);
    buf_free(&s->id);
    buf_free(&s->shown);
    mem_free(s->path);
    mem_free(s->extra);
    mem_free(s->values);
    mem_free(s);
}

uint64_t stream_n_rows(const stream *s) {
    return s->table ? table_reader_n_rows(s->table) : 0;
}

/* ---- tar shards ------------------------------------------------------------------------------ */

static const tar_field *find_field(const tar_sample *sample, const char *name) {
    for (size_t i = 0; i < sample->n_fields; i++)
        if (strcmp(sample->fields[i].name, name) == 0)
            return &sample->fields[i];
    return NULL;
}

static const tar_field *find_image(const tar_sample *sample) {
    static const char *const names[] = {"jpg", "jpeg", "png", "webp", "gif",  "bmp",
                                        "tif", "tiff", "jxl", "avif", "heic", "heif"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tar_field *field = find_field(sample, names[i]);
        if (field)
            return field;
    }
    return NULL;
}

ken_status stream_open_tar(const char *path, const stream_options *options, stream **out,
                           ken_error *err) {
    stream *s;
    TRY(new_stream(path, options, &s, err));
    ken_status status = tar_open(path, options->max_field_bytes, &s->tar, &s->reason);
    bool more = false;
    if (status == KEN_OK)
        status = tar_next(s->tar, &s->first, &more, &s->reason);
    s->has_first = more;
    s->first_is_large = more && status == KEN_TOO_LARGE;
    s->failed = status != KEN_OK && !more;
    s->ended = status == KEN_OK && !more;
    *out = s;
    return KEN_OK;
}

/* The shard itself as a failed item; what came before it stands. */
static ken_status give_failed_shard(stream *s, input_item *item, ken_error *err) {
    s->failed = false;
    s->ended = true;
    *item = (input_item){.kind = INPUT_IMAGE_BYTES,
                         .id = s->shown.data,
                         .path = s->shown.data,
                         .stage = "open",
                         .reason = ken_status_name(s->reason.status),
                         .detail = s->reason.message,
                         .extra = s->extra,
                         .n_extra = s->options.n_extra};
    return extras_from_json(NULL, 0, s->options.extra, s->options.n_extra, &s->scratch, s->extra,
                            err);
}

static ken_status give_sample(stream *s, const tar_sample *sample, input_item *item,
                              ken_error *err) {
    utf8_escape(&s->id, sample->key, strlen(sample->key));
    TRY(buf_check(&s->id, err));
    const tar_field *image = find_image(sample), *caption = find_field(sample, "txt"),
                    *json = find_field(sample, "json");
    *item = (input_item){.kind = INPUT_IMAGE_BYTES,
                         .id = s->id.data ? s->id.data : "",
                         .path = s->shown.data,
                         .extra = s->extra,
                         .n_extra = s->options.n_extra};
    if (image) {
        item->bytes = image->bytes;
        item->size = image->size;
    } else {
        item->stage = "open";
        item->reason = "no_image";
        item->detail = "the sample holds no image";
    }
    if (caption && s->options.captions) {
        item->caption = arena_strndup(&s->scratch, (const char *)caption->bytes, caption->size);
        if (!item->caption)
            return error_no_memory(err, caption->size);
    }
    return extras_from_json(json ? (const char *)json->bytes : NULL, json ? json->size : 0,
                            s->options.extra, s->options.n_extra, &s->scratch, s->extra, err);
}

/* A sample with a file beyond the limit is a failed item; the shard goes on behind it. */
static ken_status give_large_sample(stream *s, const tar_sample *sample, input_item *item,
                                    ken_error *err) {
    TRY(give_sample(s, sample, item, err));
    item->reason = ken_status_name(s->reason.status);
    item->detail = s->reason.message;
    return KEN_OK;
}

static ken_status next_sample(stream *s, input_item *item, bool *more, ken_error *err) {
    tar_sample sample = s->first;
    ken_status status = KEN_OK;
    if (s->failed) {
        *more = true;
        return give_failed_shard(s, item, err);
    }
    if (s->has_first) {
        *more = true;
        status = s->first_is_large ? KEN_TOO_LARGE : KEN_OK;
        s->has_first = false;
    } else {
        status = tar_next(s->tar, &sample, more, &s->reason);
    }
    if (status == KEN_OK)
        return *more ? give_sample(s, &sample, item, err) : KEN_OK;
    if (*more)
        return give_large_sample(s, &sample, item, err);
    *more = true;
    return give_failed_shard(s, item, err);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Which of the usual names the table has, when the user named none. */
static const char *guess(table_reader *r, const char *const *names) {
    for (; *names; names++)
        for (size_t i = 0; i < table_reader_n_columns(r); i++)
            if (strcmp(table_reader_column_name(r, i), *names) == 0)
                return *names;
    return NULL;
}

static ken_status choose_columns(stream *s, ken_error *err) {
    static const char *const images[] = {"image", "image_bytes", NULL};
    static const char *const paths[] = {"path", "image_path", "file_name", NULL};
    static const char *const texts[] = {"text", "caption", NULL};
    stream_options *o = &s->options;
    bool named = o->texts ? o->text_col != NULL : o->path_col || o->url_col || o->image_col;
    if (named)
        return KEN_OK;
    table_reader *r;
    const char *path = s->path;
    TRY(table_reader_open(&path, 1, NULL, 0, &r, err));
    if (o->texts)
        o->text_col = guess(r, texts);
    else
        o->image_col = guess(r, images);
    if (!o->texts && !o->image_col)
        o->path_col = guess(r, paths);
    table_reader_close(r);
    if (o->text_col || o->image_col || o->path_col)
        return KEN_OK;
    error_set(err, KEN_BAD_ARGUMENT, "no column of '%s' is known to hold %s", s->path,
              o->texts ? "texts" : "images or their paths");
    return error_hint(err, KEN_BAD_ARGUMENT, "%s",
                      o->texts ? "name it with --text-col"
                               : "name it with --path-col, --image-col or --url-col");
}

static ken_status open_reader(stream *s, ken_error *err) {
    const stream_options *o = &s->options;
    const char *const named[n_roles] = {o->path_col,  o->url_col,
                                        o->image_col, o->id_col,
                                        o->text_col,  o->captions ? o->caption_col : NULL};
    size_t n = 0;
    const char **columns = mem_zalloc(n_roles + o->n_extra, sizeof *columns);
    s->values = mem_zalloc(n_roles + o->n_extra, sizeof *s->values);
    if (!columns || !s->values) {
        mem_free(columns);
        return error_no_memory(err, 0);
    }
    for (int role = 0; role < n_roles; role++) {
        bool used = named[role] && (role != role_text || o->texts);
        s->column_of[role] = used ? (int)n : -1;
        if (used)
            columns[n++] = named[role];
    }
    s->n_values = n;
    for (size_t i = 0; i < o->n_extra; i++)
        columns[n++] = o->extra[i].name;
    const char *path = s->path;
    ken_status status = table_reader_open(&path, 1, columns, n, &s->table, err);
    mem_free(columns);
    return status;
}

static ken_status check_types(const stream *s, ken_error *err) {
    int at = s->column_of[role_image];
    if (at >= 0 && table_reader_column_type(s->table, (size_t)at, NULL) != TABLE_BLOB)
        return error_set(err, KEN_BAD_ARGUMENT,
                         "column '%s' of '%s' does not hold bytes or {bytes, path} structs",
                         s->options.image_col, s->path);
    static const int texts[] = {role_path, role_url, role_text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        at = s->column_of[texts[i]];
        if (at >= 0 && table_reader_column_type(s->table, (size_t)at, NULL) != TABLE_TEXT)
            return error_set(err, KEN_BAD_ARGUMENT, "column '%s' of '%s' does not hold text",
                             table_reader_column_name(s->table, (size_t)at), s->path);
    }
    return KEN_OK;
}

ken_status stream_open_table(const char *path, const stream_options *options, stream **out,
                             ken_error *err) {
    stream *s;
    TRY(new_stream(path, options, &s, err));
    ken_status status = choose_columns(s, err);
    if (status == KEN_OK)
        status = open_reader(s, err);
    if (status == KEN_OK)
        status = check_types(s, err);
    if (status == KEN_OK)
        *out = s;
    else
        stream_close(s);
    return status;
}

static const table_value *role_value(const stream *s, int role) {
    int at = s->column_of[role];
    return at >= 0 && !s->values[at].is_null ? &s->values[at] : NULL;
}

static ken_status role_text_of(stream *s, int role, const char **out, ken_error *err) {
    const table_value *value = role_value(s, role);
    *out = NULL;
    if (!value)
        return KEN_OK;
    switch (table_reader_column_type(s->table, (size_t)s->column_of[role], NULL)) {
    case TABLE_INT32:
    case TABLE_INT64:
    case TABLE_BOOL:
        *out = arena_printf(&s->scratch, "%lld", (long long)value->integer);
        break;
    case TABLE_FLOAT:
    case TABLE_DOUBLE:
        *out = arena_printf(&s->scratch, "%.17g", value->number);
        break;
    case TABLE_TEXT:
        *out = arena_strndup(&s->scratch, value->bytes, value->size);
        break;
    default:
        return KEN_OK;
    }
    return *out ? KEN_OK : error_no_memory(err, value->size);
}

static void fail_item(input_item *item, const char *stage, const char *reason, const char *detail) {
    item->stage = stage;
    item->reason = reason;
    item->detail = detail;
}

/* The row's image: its bytes, else its file. */
static ken_status set_image(stream *s, input_item *item, ken_error *err) {
    const table_value *bytes = role_value(s, role_image);
    const char *path;
    TRY(role_text_of(s, role_path, &path, err));
    if (path) {
        buf shown;
        buf_init(&shown, INT_MAX);
        utf8_escape(&shown, path, strlen(path));
        item->os_path = path;
        item->path = arena_strndup(&s->scratch, shown.data ? shown.data : "", shown.size);
        bool ok = buf_check(&shown, err) == KEN_OK && item->path;
        buf_free(&shown);
        if (!ok)
            return error_no_memory(err, strlen(path));
    }
    if (bytes) {
        item->kind = INPUT_IMAGE_BYTES;
        item->bytes = (const uint8_t *)bytes->bytes;
        item->size = bytes->size;
    } else if (path && *path) {
        item->kind = INPUT_IMAGE_FILE;
    } else if (role_value(s, role_url)) {
        fail_item(item, "fetch", "unsupported", "this version does not fetch images by URL");
    } else {
        fail_item(item, "open", "no_image", "the row names no image");
    }
    return KEN_OK;
}

static ken_status set_id(stream *s, input_item *item, ken_error *err) {
    const char *id;
    TRY(role_text_of(s, role_id, &id, err));
    if (id)
        utf8_escape(&s->id, id, strlen(id));
    else if (*item->path)
        buf_puts(&s->id, item->path);
    else if (s->options.numbered_by_table)
        buf_printf(&s->id, "%s:%llu", s->shown.data, (unsigned long long)s->row);
    else
        buf_printf(&s->id, "%llu", (unsigned long long)s->row);
    item->id = s->id.data ? s->id.data : "";
    return buf_check(&s->id, err);
}

static ken_status next_row(stream *s, input_item *item, bool *more, ken_error *err) {
    TRY(table_reader_next(s->table, s->values, more, err));
    if (!*more)
        return KEN_OK;
    *item = (input_item){
        .kind = INPUT_IMAGE_BYTES, .path = "", .extra = s->extra, .n_extra = s->options.n_extra};
    if (s->options.texts) {
        const table_value *text = role_value(s, role_text);
        item->kind = INPUT_TEXT;
        if (text) {
            item->bytes = (const uint8_t *)text->bytes;
            item->size = text->size;
        } else {
            fail_item(item, "open", "no_text", "the row holds no text");
        }
    } else {
        TRY(set_image(s, item, err));
    }
    TRY(set_id(s, item, err));
    TRY(role_text_of(s, role_caption, &item->caption, err));
    for (size_t i = 0; i < s->options.n_extra; i++)
        s->extra[i] = (input_extra){.name = s->options.extra[i].name,
                                    .type = s->options.extra[i].type,
                                    .value = s->values[s->n_values + i]};
    s->row++;
    return KEN_OK;
}

bool stream_has_captions(const stream *s) {
    if (s->table)
        return s->options.caption_col != NULL;
    return s->has_first && find_field(&s->first, "txt");
}

ken_status stream_next(stream *s, input_item *item, bool *more, ken_error *err) {
    arena_free(&s->scratch);
    buf_clear(&s->id);
    *more = false;
    if (s->ended)
        return KEN_OK;
    return s->table ? next_row(s, item, more, err) : next_sample(s, item, more, err);
}
