/* tasks/inputs/extras.c: --keep columns out of JSON: a tar sample's "json" field, an image's
 * sidecar. */
#include "base/doc.h"
#include "tasks/inputs/stream.h"

#include <string.h>

static ken_status set_text(input_extra *out, const char *text, size_t size, arena *memory,
                           ken_error *err) {
    char *copy = arena_strndup(memory, text, size);
    if (!copy)
        return error_no_memory(err, size);
    out->value = (table_value){.bytes = copy, .size = size};
    return KEN_OK;
}

static ken_status as_text(const json_t *value, arena *memory, input_extra *out, ken_error *err) {
    if (json_is_string(value))
        return set_text(out, json_string_value(value), json_string_length(value), memory, err);
    char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (!dumped)
        return error_no_memory(err, 0);
    ken_status status = set_text(out, dumped, strlen(dumped), memory, err);
    free(dumped);
    return status;
}

static ken_status set_value(const json_t *value, arena *memory, input_extra *out, ken_error *err) {
    if (!value || json_is_null(value))
        return KEN_OK;
    switch (out->type) {
    case TABLE_INT64:
        if (json_is_integer(value))
            out->value = (table_value){.integer = json_integer_value(value)};
        return KEN_OK;
    case TABLE_DOUBLE:
        if (json_is_number(value))
            out->value = (table_value){.number = json_number_value(value)};
        return KEN_OK;
    case TABLE_BOOL:
        if (json_is_boolean(value))
            out->value = (table_value){.integer = json_is_true(value)};
        return KEN_OK;
    default:
        return as_text(value, memory, out, err);
    }
}

ken_status extras_from_json(const char *text, size_t size, const table_column *columns,
                            size_t n_columns, arena *memory, input_extra *out, ken_error *err) {
    for (size_t i = 0; i < n_columns; i++)
        out[i] = (input_extra){
            .name = columns[i].name, .type = columns[i].type, .value = {.is_null = true}};
    if (!text || !n_columns)
        return KEN_OK;
    json_t *doc;
    /* Metadata that is not an object has none of the columns: the image still counts. */
    if (doc_parse(text, size, "metadata", &doc, NULL) != KEN_OK)
        return KEN_OK;
    ken_status status = KEN_OK;
    for (size_t i = 0; i < n_columns && status == KEN_OK; i++)
        status = set_value(json_object_get(doc, columns[i].name), memory, &out[i], err);
    json_decref(doc);
    return status;
}
