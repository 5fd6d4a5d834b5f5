/* formats/json_cursor.h: reads JSON (RFC 8259) of a known shape from bytes, without building a
 * tree.
 *
 * For headers that may be 100 MB of hostile text: linear time, no allocation, no recursion. Every
 * function skips leading whitespace and returns false on an error, after which `problem` says what
 * was expected and `at` where; a cursor that failed must not be used again. */
#ifndef KEN_FORMATS_JSON_CURSOR_H
#define KEN_FORMATS_JSON_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_cursor {
    const uint8_t *text;
    size_t size;
    size_t at;
    const char *problem; /* NULL while all is well */
} json_cursor;

/* Is `c` the next character? Consumes it if so; not being there is no error. */
bool json_next_is(json_cursor *cursor, char c);
/* The next character must be `c`. */
bool json_expect(json_cursor *cursor, char c, const char *problem);
/* A string, decoded to UTF-8 with a final NUL. `out` must have room for as many bytes as the string
 * takes in the text, quotes included; NULL only checks it. NUL characters in it are an error. */
bool json_read_string(json_cursor *cursor, char *out, size_t *n);
/* An integer of 0 to 2^64 - 1, without sign, fraction or exponent. */
bool json_uint(json_cursor *cursor, uint64_t *out);
/* null, if it is next. */
bool json_read_null(json_cursor *cursor);
/* Any value, at most 128 levels deep. */
bool json_skip(json_cursor *cursor);
/* Nothing but whitespace may follow. */
bool json_end(json_cursor *cursor);

#endif
