#include "base/doc.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

enum { max_depth = 1024 };

/* jansson stops at its own, higher depth; ours is checked first, on the bytes, because a recursive
 * walk over the result would come too late. */
static ken_status check_bytes(const char *text, size_t size, const char *where, ken_error *err) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        /* jansson takes a NUL for the end of the text. */
        if (c == '\0')
            return error_at(err, KEN_BAD_FORMAT, (int64_t)i, "'%s' holds a NUL byte at byte %zu",
                            where, i);
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_depth)
                return error_at(err, KEN_BAD_FORMAT, (int64_t)i,
                                "'%s' nests deeper than %d levels at byte %zu", where, max_depth,
                                i);
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return KEN_OK;
}

static ken_status parse(const char *text, size_t size, size_t flags, const char *where,
                        json_t **out, ken_error *err) {
    *out = NULL;
    TRY(check_bytes(text, size, where, err));
    json_error_t reason;
    *out = json_loadb(text, size, flags | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                      &reason);
    if (!*out)
        return error_at(err, KEN_BAD_FORMAT, reason.position,
                        "'%s' is not valid JSON: line %d, column %d: %s", where, reason.line,
                        reason.column, reason.text);
    return KEN_OK;
}

ken_status doc_parse(const char *text, size_t size, const char *where, json_t **out,
                     ken_error *err) {
    return parse(text, size, 0, where, out, err);
}

ken_status doc_parse_reals(const char *text, size_t size, const char *where, json_t **out,
                           ken_error *err) {
    return parse(text, size, JSON_DECODE_INT_AS_REAL, where, out, err);
}

ken_status doc_read(const char *path, size_t max_bytes, json_t **out, ken_error *err) {
    *out = NULL;
    buf text;
    buf_init(&text, max_bytes);
    ken_status status = file_read(path, &text, err);
    if (status == KEN_OK)
        status = doc_parse(text.data ? text.data : "", text.size, path, out, err);
    buf_free(&text);
    return status;
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* The value, or NULL when it is absent or null. */
static const json_t *find(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) ? value : NULL;
}

static ken_status wrong_type(const json_t *value, const char *key, const char *where,
                             const char *expected, ken_error *err) {
    return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' is %s, expected %s", where, key,
                     type_name(value), expected);
}

ken_status doc_get_int(const json_t *object, const char *key, const char *where, int64_t min,
                       int64_t max, int64_t *out, ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_integer(value))
        return wrong_type(value, key, where, "an integer", err);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' is %lld, expected %lld to %lld", where,
                         key, (long long)number, (long long)min, (long long)max);
    *out = number;
    return KEN_OK;
}

ken_status doc_get_double(const json_t *object, const char *key, const char *where, double min,
                          double max, double *out, ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_number(value))
        return wrong_type(value, key, where, "a number", err);
    double number = json_number_value(value);
    if (!(number >= min && number <= max))
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' is %g, expected %g to %g", where, key,
                         number, min, max);
    *out = number;
    return KEN_OK;
}

ken_status doc_get_bool(const json_t *object, const char *key, const char *where, bool *out,
                        ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_boolean(value))
        return wrong_type(value, key, where, "a boolean", err);
    *out = json_is_true(value);
    return KEN_OK;
}

ken_status doc_get_string(const json_t *object, const char *key, const char *where,
                          const char **out, ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_string(value))
        return wrong_type(value, key, where, "a string", err);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' holds a NUL character", where, key);
    *out = json_string_value(value);
    return KEN_OK;
}

ken_status doc_get_object(const json_t *object, const char *key, const char *where,
                          const json_t **out, ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_object(value))
        return wrong_type(value, key, where, "an object", err);
    *out = value;
    return KEN_OK;
}

ken_status doc_get_array(const json_t *object, const char *key, const char *where,
                         const json_t **out, ken_error *err) {
    const json_t *value = find(object, key);
    if (!value)
        return KEN_OK;
    if (!json_is_array(value))
        return wrong_type(value, key, where, "an array", err);
    *out = value;
    return KEN_OK;
}
