/* formats/json_cursor.c: the grammar of RFC 8259, one token at a time. */
#include "formats/json_cursor.h"

#include "base/utf8.h"

#include <string.h>

enum { max_depth = 128 };

static bool fail(json_cursor *cursor, const char *problem) {
    if (!cursor->problem)
        cursor->problem = problem;
    return false;
}

static void skip_space(json_cursor *cursor) {
    while (cursor->at < cursor->size) {
        uint8_t c = cursor->text[cursor->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        cursor->at++;
    }
}

/* The next character after whitespace, or -1 at the end. */
static int peek(json_cursor *cursor) {
    skip_space(cursor);
    return cursor->at < cursor->size ? cursor->text[cursor->at] : -1;
}

bool json_next_is(json_cursor *cursor, char c) {
    if (peek(cursor) != (unsigned char)c)
        return false;
    cursor->at++;
    return true;
}

bool json_expect(json_cursor *cursor, char c, const char *problem) {
    return json_next_is(cursor, c) || fail(cursor, problem);
}

/* Four hexadecimal digits at `at`, or -1. */
static int32_t hex4(const json_cursor *cursor, size_t at) {
    if (cursor->size < 4 || at > cursor->size - 4)
        return -1;
    int32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        uint8_t c = cursor->text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The code point of \uXXXX, or of a surrogate pair; `at` is behind the backslash and the u. */
static bool unicode_escape(json_cursor *cursor, uint32_t *code) {
    int32_t unit = hex4(cursor, cursor->at);
    if (unit < 0)
        return fail(cursor, "expected four hexadecimal digits after '\\u'");
    if (unit == 0)
        return fail(cursor, "a string holds a NUL character");
    cursor->at += 4;
    *code = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDFFF)
        return true;
    const uint8_t *next = cursor->text + cursor->at;
    bool escaped = cursor->size - cursor->at >= 6 && next[0] == '\\' && next[1] == 'u';
    int32_t low = escaped && unit < 0xDC00 ? hex4(cursor, cursor->at + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return fail(cursor, "a string holds half of a surrogate pair");
    cursor->at += 6;
    *code = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return true;
}

/* Decodes the escape at `at`, which is behind the backslash. */
static bool escape(json_cursor *cursor, uint32_t *code) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (cursor->at >= cursor->size)
        return fail(cursor, "the text ends inside a string");
    uint8_t letter = cursor->text[cursor->at];
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (!found && letter != 'u')
        return fail(cursor, "unknown escape in a string");
    cursor->at++;
    if (!found)
        return unicode_escape(cursor, code);
    *code = (unsigned char)meanings[found - letters];
    return true;
}

/* Decodes the character at `at`, which is not a quote, to `bytes`; returns its length, 0 on errors.
 */
static size_t character(json_cursor *cursor, char bytes[4]) {
    uint8_t c = cursor->text[cursor->at];
    uint32_t code;
    if (c == '\\') {
        cursor->at++;
        return escape(cursor, &code) ? utf8_encode(code, bytes) : 0;
    }
    if (c < 0x20) {
        fail(cursor, "control character in a string");
        return 0;
    }
    const char *from = (const char *)cursor->text + cursor->at;
    size_t length = utf8_decode(from, cursor->size - cursor->at, &code);
    if (code == UTF8_INVALID) {
        fail(cursor, "not UTF-8");
        return 0;
    }
    memcpy(bytes, from, length);
    cursor->at += length;
    return length;
}

static bool is_plain(uint8_t c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

bool json_read_string(json_cursor *cursor, char *out, size_t *n) {
    if (!json_expect(cursor, '"', "expected a string"))
        return false;
    size_t used = 0;
    while (cursor->at < cursor->size) {
        uint8_t c = cursor->text[cursor->at];
        if (is_plain(c)) {
            cursor->at++;
            if (out)
                out[used] = (char)c;
            used++;
            continue;
        }
        if (c == '"') {
            cursor->at++;
            if (out)
                out[used] = '\0';
            if (n)
                *n = used;
            return true;
        }
        char bytes[4];
        size_t length = character(cursor, bytes);
        if (!length)
            return false;
        if (out)
            memcpy(out + used, bytes, length);
        used += length;
    }
    return fail(cursor, "the text ends inside a string");
}

static bool is_digit(const json_cursor *cursor) {
    return cursor->at < cursor->size && cursor->text[cursor->at] >= '0' &&
           cursor->text[cursor->at] <= '9';
}

bool json_uint(json_cursor *cursor, uint64_t *out) {
    static const char expected[] = "expected an integer without sign, fraction or exponent";
    skip_space(cursor);
    size_t begin = cursor->at;
    uint64_t value = 0;
    for (; is_digit(cursor); cursor->at++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(cursor->text[cursor->at] - '0'), &value))
            return fail(cursor, "an integer is larger than 64 bits hold");
    size_t n_digits = cursor->at - begin;
    if (n_digits == 0)
        return fail(cursor, expected);
    if (n_digits > 1 && cursor->text[begin] == '0')
        return fail(cursor, "an integer begins with 0");
    if (cursor->at < cursor->size && strchr(".eE", cursor->text[cursor->at]) &&
        cursor->text[cursor->at])
        return fail(cursor, expected);
    *out = value;
    return true;
}

static bool word(json_cursor *cursor, const char *text) {
    size_t n = strlen(text);
    if (cursor->size - cursor->at < n || memcmp(cursor->text + cursor->at, text, n) != 0)
        return false;
    cursor->at += n;
    return true;
}

bool json_read_null(json_cursor *cursor) {
    skip_space(cursor);
    return word(cursor, "null");
}

static bool digits(json_cursor *cursor) {
    if (!is_digit(cursor))
        return fail(cursor, "expected a digit");
    while (is_digit(cursor))
        cursor->at++;
    return true;
}

static bool skip_number(json_cursor *cursor) {
    word(cursor, "-");
    size_t begin = cursor->at;
    if (!digits(cursor))
        return false;
    if (cursor->at - begin > 1 && cursor->text[begin] == '0')
        return fail(cursor, "a number begins with 0");
    if (word(cursor, ".") && !digits(cursor))
        return false;
    if (word(cursor, "e") || word(cursor, "E")) {
        if (!word(cursor, "+"))
            word(cursor, "-");
        return digits(cursor);
    }
    return true;
}

/* A string, number or word. */
static bool skip_scalar(json_cursor *cursor) {
    int c = peek(cursor);
    if (c == '"')
        return json_read_string(cursor, NULL, NULL);
    if (c == '-' || (c >= '0' && c <= '9'))
        return skip_number(cursor);
    if (word(cursor, "true") || word(cursor, "false") || word(cursor, "null"))
        return true;
    return fail(cursor, c < 0 ? "the text ends where a value was expected" : "expected a value");
}

static bool skip_key(json_cursor *cursor) {
    return json_read_string(cursor, NULL, NULL) &&
           json_expect(cursor, ':', "expected ':' after a key");
}

bool json_skip(json_cursor *cursor) {
    bool in_object[max_depth];
    int depth = 0;
    do {
        bool object = json_next_is(cursor, '{');
        if (object || json_next_is(cursor, '[')) {
            if (depth == max_depth) {
                cursor->at--;
                return fail(cursor, "values nest deeper than 128 levels");
            }
            in_object[depth++] = object;
            if (!json_next_is(cursor, object ? '}' : ']')) {
                if (object && !skip_key(cursor))
                    return false;
                continue;
            }
            depth--;
        } else if (!skip_scalar(cursor)) {
            return false;
        }
        while (depth > 0 && !json_next_is(cursor, ',')) {
            bool closing_object = in_object[depth - 1];
            if (!json_expect(cursor, closing_object ? '}' : ']',
                             closing_object ? "expected ',' or '}'" : "expected ',' or ']'"))
                return false;
            depth--;
        }
        if (depth > 0 && in_object[depth - 1] && !skip_key(cursor))
            return false;
    } while (depth > 0);
    return true;
}

bool json_end(json_cursor *cursor) {
    return peek(cursor) < 0 || fail(cursor, "bytes follow the end of the JSON text");
}
