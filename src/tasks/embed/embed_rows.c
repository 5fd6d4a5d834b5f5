#include "tasks/embed/embed_rows.h"

#include <string.h>

enum { most_own_columns = 9 };

void row_layout_reset(row_layout *layout) {
    mem_free(layout->columns);
    mem_free(layout->values);
    *layout = (row_layout){0};
}

static ken_status check_names(const table_column *own, size_t n_own, const table_column *kept,
                              size_t n_kept, ken_error *err) {
    for (size_t k = 0; k < n_kept; k++) {
        bool taken = strcmp(kept[k].name, "caption") == 0;
        for (size_t i = 0; i < n_own && !taken; i++)
            taken = strcmp(kept[k].name, own[i].name) == 0;
        for (size_t i = 0; i < k && !taken; i++)
            taken = strcmp(kept[k].name, kept[i].name) == 0;
        if (taken)
            return error_set(err, KEN_BAD_ARGUMENT,
                             "column '%s' cannot be kept: the collection has one of that name",
                             kept[k].name);
    }
    return KEN_OK;
}

ken_status row_layout_init(const inputs *in, int embedding_width, row_layout *out, ken_error *err) {
    const table_column of_image[] = {
        {"id", TABLE_TEXT, 0},          {"path", TABLE_TEXT, 0},
        {"width", TABLE_INT32, 0},      {"height", TABLE_INT32, 0},
        {"size_bytes", TABLE_INT64, 0}, {"mtime", TABLE_TIMESTAMP, 0},
        {"hash", TABLE_TEXT, 0},        {"embedding", TABLE_VECTOR, embedding_width}};
    const table_column of_text[] = {{"id", TABLE_TEXT, 0},
                                    {"text", TABLE_TEXT, 0},
                                    {"n_tokens", TABLE_INT32, 0},
                                    {"truncated", TABLE_BOOL, 0},
                                    {"embedding", TABLE_VECTOR, embedding_width}};
    const table_column *extra;
    *out = (row_layout){.texts = inputs_are_texts(in), .captions = inputs_have_captions(in)};
    out->n_extra = inputs_extra_columns(in, &extra);
    const table_column *own = out->texts ? of_text : of_image;
    size_t n_own =
        out->texts ? sizeof of_text / sizeof *of_text : sizeof of_image / sizeof *of_image;
    TRY(check_names(own, n_own, extra, out->n_extra, err));
    size_t room = most_own_columns + out->n_extra;
    out->columns = mem_zalloc(room, sizeof *out->columns);
    out->values = mem_zalloc(room, sizeof *out->values);
    if (!out->columns || !out->values) {
        row_layout_reset(out);
        return error_no_memory(err, room * sizeof *out->values);
    }
    memcpy(out->columns, own, n_own * sizeof *own);
    if (out->n_extra)
        memcpy(out->columns + n_own, extra, out->n_extra * sizeof *extra);
    out->n_columns = n_own + out->n_extra;
    if (out->captions)
        out->columns[out->n_columns++] = (table_column){"caption", TABLE_TEXT, 0};
    return KEN_OK;
}

static table_value text_value(const char *text) {
    if (!text)
        return (table_value){.is_null = true};
    return (table_value){.bytes = text, .size = strlen(text)};
}

static table_value integer_value(int64_t value) {
    return (table_value){.integer = value};
}

ken_status row_add(row_layout *layout, table_writer *to, const embed_item *item, ken_error *err) {
    table_value *row = layout->values;
    size_t n = 0;
    row[n++] = text_value(item->id);
    if (layout->texts) {
        row[n++] = text_value(item->text);
        row[n++] = integer_value(item->n_tokens);
        row[n++] = integer_value(item->truncated);
    } else {
        row[n++] = text_value(item->path);
        row[n++] = integer_value(item->width);
        row[n++] = integer_value(item->height);
        row[n++] = integer_value(item->size_bytes);
        row[n++] =
            item->mtime_us == -1 ? (table_value){.is_null = true} : integer_value(item->mtime_us);
        row[n++] = text_value(item->hash);
    }
    row[n++] = (table_value){.vector = item->embedding};
    for (size_t i = 0; i < layout->n_extra; i++)
        row[n++] = item->extra[i].value;
    if (layout->captions)
        row[n++] = text_value(item->caption);
    return table_writer_add(to, row, err);
}

static void put_field(buf *out, const char *text, char end) {
    buf_put_csv(out, text ? text : "", text ? strlen(text) : 0);
    buf_putc(out, end);
}

bool error_line_put(buf *out, const embed_item *item) {
    put_field(out, item->id, ',');
    put_field(out, item->path, ',');
    put_field(out, item->stage, ',');
    put_field(out, item->reason, ',');
    put_field(out, item->detail, '\n');
    return !out->failed;
}
