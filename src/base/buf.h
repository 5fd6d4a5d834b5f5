/* base/buf.h: a growable byte buffer with a ceiling that its owner must state.
 *
 * Appending past the ceiling, or without memory, sets `failed` and leaves the contents as they
 * were; so a long run of appends needs one check at its end. Not thread safe. */
#ifndef KEN_BASE_BUF_H
#define KEN_BASE_BUF_H

#include "base/error.h"

typedef struct buf {
    char *data; /* always NUL-terminated after the first append; NULL before it */
    size_t size;
    size_t capacity;
    size_t max_bytes;
    bool failed;
    bool out_of_memory; /* why it failed; else the ceiling */
} buf;

void buf_init(buf *b, size_t max_bytes);
void buf_free(buf *b);
void buf_clear(buf *b); /* keeps the memory, forgets a failure */
bool buf_append(buf *b, const void *bytes, size_t n);
bool buf_puts(buf *b, const char *text);
bool buf_putc(buf *b, char c);
bool buf_printf(buf *b, const char *format, ...) KEN_PRINTF(2, 3);
/* Makes room for `n` more bytes and returns where they go; the caller adds to `size` what it wrote.
 */
void *buf_reserve(buf *b, size_t n);
/* KEN_OK, or why the appends failed. */
ken_status buf_check(const buf *b, ken_error *err);

/* The text as a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD. */
bool buf_put_json(buf *b, const char *text, size_t n);
/* The text with & < > " ' escaped, for HTML text and attribute values. */
bool buf_put_html(buf *b, const char *text, size_t n);
/* The text as a CSV field (RFC 4180): quoted when it must be. */
bool buf_put_csv(buf *b, const char *text, size_t n);
/* Base64 (RFC 4648) with padding. */
bool buf_put_base64(buf *b, const void *bytes, size_t n);

#endif
