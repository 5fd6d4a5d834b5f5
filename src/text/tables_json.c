#include "text/tables_json.h"

#include "base/utf8.h"

#include <string.h>

enum { max_token_bytes = 1 << 16, max_digits = 9 };
/* Bytes of the file for an entry, to make room at once; a wrong guess costs growing. */
enum { typical_token_bytes = 24, typical_merge_bytes = 20 };

typedef struct cursor {
    const char *at, *end;
} cursor;

/* A string's text, in the file or, when it has escapes, in the buffer that decoded it. */
typedef struct piece {
    const char *data;
    size_t size;
} piece;

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_space(cursor *c) {
    while (c->at < c->end && is_space(*c->at))
        c->at++;
}

static bool take(cursor *c, char wanted) {
    skip_space(c);
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Past the string whose quote is at c->at; the string without quotes. */
static bool skip_string(cursor *c, piece *out) {
    const char *at = ++c->at;
    while (at < c->end && *at != '"')
        at += *at == '\\' && c->end - at > 1 ? 2 : 1;
    if (at >= c->end)
        return false;
    *out = (piece){c->at, (size_t)(at - c->at)};
    c->at = at + 1;
    return true;
}

static bool is(piece name, const char *wanted) {
    return name.size == strlen(wanted) && memcmp(name.data, wanted, name.size) == 0;
}

/* Past the array or object whose bracket is at c->at. */
static bool skip_brackets(cursor *c) {
    piece ignored;
    for (int depth = 0; c->at < c->end;) {
        char here = *c->at;
        if (here == '"') {
            if (!skip_string(c, &ignored))
                return false;
            continue;
        }
        c->at++;
        if (here == '{' || here == '[')
            depth++;
        else if ((here == '}' || here == ']') && --depth == 0)
            return true;
    }
    return false;
}

/* The value at the cursor, if it begins with this bracket and was not found before. */
static bool take_table(cursor *c, const char *text, char bracket, json_span *out) {
    if (c->at >= c->end || *c->at != bracket || out->end)
        return false;
    size_t begin = (size_t)(c->at - text);
    if (!skip_brackets(c))
        return false;
    *out = (json_span){begin, (size_t)(c->at - text)};
    return true;
}

tables_json tables_json_find(const char *text, size_t size) {
    cursor c = {text, text + size};
    tables_json found = {0};
    bool in_model = false, model_next = false;
    for (int depth = 0; c.at < c.end;) {
        char here = *c.at;
        if (here == '"') {
            piece name;
            if (!skip_string(&c, &name))
                break;
            if (!take(&c, ':'))
                continue;
            model_next = depth == 1 && is(name, "model");
            skip_space(&c);
            if (in_model && depth == 2 && is(name, "vocab"))
                take_table(&c, text, '{', &found.vocab);
            else if (in_model && depth == 2 && is(name, "merges"))
                take_table(&c, text, '[', &found.merges);
            continue;
        }
        if (here == '{' || here == '[') {
            depth++;
            in_model = in_model || (depth == 2 && model_next && here == '{');
            model_next = false;
        } else if (here == '}' || here == ']') {
            depth--;
            in_model = in_model && depth >= 2;
        }
        c.at++;
    }
    return found;
}

/* ---- strings --------------------------------------------------------------------------------- */

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

/* The characters up to a quote, a backslash or a control character; *high gathers their top bits.
 */
static piece read_plain(cursor *c, unsigned char *high) {
    const char *begin = c->at;
    while (c->at < c->end) {
        unsigned char here = (unsigned char)*c->at;
        if (here == '"' || here == '\\' || here < 0x20)
            break;
        *high |= here;
        c->at++;
    }
    return (piece){begin, (size_t)(c->at - begin)};
}

static bool read_string(cursor *c, buf *decoded, piece *out) {
    unsigned char high = 0;
    if (!take(c, '"'))
        return false;
    *out = read_plain(c, &high);
    if (c->at < c->end && *c->at == '\\') {
        buf_clear(decoded);
        buf_append(decoded, out->data, out->size);
        while (c->at < c->end && *c->at == '\\') {
            c->at++;
            if (!read_escape(c, decoded))
                return false;
            piece plain = read_plain(c, &high);
            buf_append(decoded, plain.data, plain.size);
        }
        if (decoded->failed)
            return false;
        *out = (piece){decoded->data, decoded->size};
    }
    if (out->size > max_token_bytes || (high >= 0x80 && !utf8_valid(out->data, out->size)))
        return false;
    return take(c, '"');
}

/* ---- reading --------------------------------------------------------------------------------- */

static ken_status odd(ken_error *err) {
    return error_set(err, KEN_BAD_FORMAT, "a table of the tokenizer is not plainly valid");
}

/* An integer that JSON and we write the same way. */
static bool read_id(cursor *c, int64_t *id) {
    skip_space(c);
    const char *begin = c->at;
    *id = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (c->at - begin == max_digits)
            return false;
        *id = *id * 10 + (*c->at - '0');
    }
    return c->at > begin && (*begin != '0' || c->at - begin == 1);
}

static ken_status add_tokens(vocab *v, cursor *c, buf *decoded, ken_error *err) {
    if (!take(c, '{'))
        return odd(err);
    if (take(c, '}'))
        return KEN_OK;
    do {
        piece token;
        int64_t id;
        if (!read_string(c, decoded, &token) || !take(c, ':') || !read_id(c, &id))
            return odd(err);
        TRY(vocab_add(v, token.data, token.size, id, err));
    } while (take(c, ','));
    return take(c, '}') ? KEN_OK : odd(err);
}

ken_status tables_json_add_vocab(vocab *v, const char *text, json_span span, ken_error *err) {
    cursor c = {text + span.begin, text + span.end};
    buf decoded;
    buf_init(&decoded, max_token_bytes);
    ken_status status =
        vocab_reserve(v, (span.end - span.begin) / typical_token_bytes, span.end - span.begin, err);
    if (status == KEN_OK)
        status = add_tokens(v, &c, &decoded, err);
    buf_free(&decoded);
    return status;
}

/* A "left right" string, or a pair. */
static ken_status add_merge(bpe *b, cursor *c, buf decoded[2], ken_error *err) {
    piece left, right;
    bool pair = take(c, '[');
    if (!read_string(c, &decoded[0], &left))
        return odd(err);
    if (!pair)
        return bpe_add_merge_lines(b, left.data, left.size, err);
    if (!take(c, ',') || !read_string(c, &decoded[1], &right) || !take(c, ']'))
        return odd(err);
    return bpe_add_merge(b, left.data, left.size, right.data, right.size, err);
}

static ken_status add_merges(bpe *b, cursor *c, buf decoded[2], ken_error *err) {
    if (!take(c, '['))
        return odd(err);
    if (take(c, ']'))
        return KEN_OK;
    do
        TRY(add_merge(b, c, decoded, err));
    while (take(c, ','));
    return take(c, ']') ? KEN_OK : odd(err);
}

ken_status tables_json_add_merges(bpe *b, const char *text, json_span span, ken_error *err) {
    cursor c = {text + span.begin, text + span.end};
    buf decoded[2];
    buf_init(&decoded[0], max_token_bytes);
    buf_init(&decoded[1], max_token_bytes);
    ken_status status = bpe_reserve(b, (span.end - span.begin) / typical_merge_bytes, err);
    if (status == KEN_OK)
        status = add_merges(b, &c, decoded, err);
    buf_free(&decoded[0]);
    buf_free(&decoded[1]);
    return status;
}
