#include "text/merges_json.h"

#include "base/utf8.h"

#include <string.h>

enum { max_token_bytes = 1 << 16 };

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
        c->at++;
}

static bool take(cursor *c, char wanted) {
    skip_space(c);
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool read_hex4(cursor *c, uint32_t *code) {
    *code = 0;
    if (c->end - c->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char digit = *c->at++;
        uint32_t value = digit >= '0' && digit <= '9'   ? (uint32_t)(digit - '0')
                         : digit >= 'a' && digit <= 'f' ? (uint32_t)(digit - 'a' + 10)
                         : digit >= 'A' && digit <= 'F' ? (uint32_t)(digit - 'A' + 10)
                                                        : 16u;
        if (value > 15)
            return false;
        *code = *code << 4 | value;
    }
    return true;
}

/* What follows a backslash. A surrogate that is not half of a pair is left to the parser. */
static bool read_escape(cursor *c, buf *out) {
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (c->at >= c->end)
        return false;
    char letter = *c->at++;
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (found)
        return buf_putc(out, values[found - letters]);
    uint32_t code, low;
    if (letter != 'u' || !read_hex4(c, &code) || code == 0)
        return false;
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u')
            return false;
        c->at += 2;
        if (!read_hex4(c, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    char bytes[4];
    return buf_append(out, bytes, utf8_encode(code, bytes));
}

static bool read_string(cursor *c, buf *out) {
    buf_clear(out);
    if (!take(c, '"'))
        return false;
    while (c->at < c->end && *c->at != '"') {
        const char *plain = c->at;
        while (c->at < c->end && *c->at != '"' && *c->at != '\\' && (unsigned char)*c->at >= 0x20)
            c->at++;
        buf_append(out, plain, (size_t)(c->at - plain));
        if (c->at >= c->end || *c->at == '"')
            break;
        if (*c->at++ != '\\' || !read_escape(c, out))
            return false;
    }
    return take(c, '"') && !out->failed && out->data && utf8_valid(out->data, out->size);
}

/* The next element: a "left right" string in `left`, or a pair in both, which sets *pair. */
static bool read_merge(cursor *c, buf *left, buf *right, bool *pair) {
    *pair = take(c, '[');
    if (!read_string(c, left))
        return false;
    return !*pair || (take(c, ',') && read_string(c, right) && take(c, ']'));
}

typedef ken_status merge_fn(bpe *b, const buf *left, const buf *right, bool pair, ken_error *err);

/* Calls `fn` (may be NULL) for each merge. Returns false when the array is not plainly valid. */
static bool walk(cursor *c, merge_fn *fn, bpe *b, ken_status *status, ken_error *err) {
    buf left, right;
    buf_init(&left, max_token_bytes);
    buf_init(&right, max_token_bytes);
    bool ok = take(c, '['), pair, more = ok && !take(c, ']');
    *status = KEN_OK;
    for (size_t n = 0; more && *status == KEN_OK; n++) {
        ok = read_merge(c, &left, &right, &pair) && n < bpe_max_merges;
        if (ok && fn)
            *status = fn(b, &left, &right, pair, err);
        more = ok && take(c, ',');
        ok = ok && (more || take(c, ']'));
    }
    buf_free(&left);
    buf_free(&right);
    return ok;
}

static ken_status add(bpe *b, const buf *left, const buf *right, bool pair, ken_error *err) {
    if (pair)
        return bpe_add_merge(b, left->data, left->size, right->data, right->size, err);
    return bpe_add_merge_lines(b, left->data, left->size, err);
}

/* Past the string whose quote is at c->at; the string without quotes. */
static bool skip_string(cursor *c, const char **text, size_t *size) {
    *text = ++c->at;
    while (c->at < c->end && *c->at != '"')
        c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
    if (c->at >= c->end)
        return false;
    *size = (size_t)(c->at++ - *text);
    return true;
}

static bool is(const char *text, size_t size, const char *wanted) {
    return size == strlen(wanted) && memcmp(text, wanted, size) == 0;
}

/* The array that is the value of "merges" in the object that is the value of "model" in the root.
 */
static bool find_array(cursor *c) {
    int depth = 0;
    bool in_model = false, model_next = false;
    while (c->at < c->end) {
        const char *name = "";
        size_t size = 0;
        if (*c->at == '"') {
            if (!skip_string(c, &name, &size))
                return false;
            if (!take(c, ':'))
                continue;
            model_next = depth == 1 && is(name, size, "model");
            skip_space(c);
            if (in_model && depth == 2 && is(name, size, "merges"))
                return true;
            continue;
        }
        if (*c->at == '{' || *c->at == '[') {
            depth++;
            in_model = in_model || (depth == 2 && model_next && *c->at == '{');
            model_next = false;
        } else if (*c->at == '}' || *c->at == ']') {
            depth--;
            in_model = in_model && depth >= 2;
        }
        c->at++;
    }
    return false;
}

merges_json merges_json_find(const char *text, size_t size) {
    cursor c = {text, text + size};
    ken_status status;
    if (!find_array(&c))
        return (merges_json){0, 0};
    size_t begin = (size_t)(c.at - text);
    if (!walk(&c, NULL, NULL, &status, NULL))
        return (merges_json){0, 0};
    return (merges_json){begin, (size_t)(c.at - text)};
}

ken_status merges_json_add(bpe *b, const char *text, merges_json span, ken_error *err) {
    cursor c = {text + span.begin, text + span.end};
    ken_status status;
    if (!walk(&c, add, b, &status, err) && status == KEN_OK)
        return error_set(err, KEN_NO_MEMORY, "no memory for the merges");
    return status;
}
