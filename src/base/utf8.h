/* base/utf8.h: bytes as code points (RFC 3629), and names that survive any byte.
 *
 * Ids of images are paths; a path may hold any byte. utf8_escape writes the bytes that are not part
 * of valid UTF-8, control characters and '%' itself as %XX, so that every path has one id that is
 * valid text, and utf8_unescape gives the path back. */
#ifndef KEN_BASE_UTF8_H
#define KEN_BASE_UTF8_H

#include "base/buf.h"

#define UTF8_INVALID 0xFFFFFFFFu

/* Decodes the code point at `text` (n >= 1 bytes readable) and returns the bytes it takes. An
 * invalid sequence gives UTF8_INVALID and the length of its maximal invalid part (Unicode's
 * "maximal subpart" practice, so replacing it by one U+FFFD agrees with Python's errors="replace").
 */
size_t utf8_decode(const char *text, size_t n, uint32_t *code);
/* Writes 1 to 4 bytes. `code` must be a scalar value. */
size_t utf8_encode(uint32_t code, char out[4]);
bool utf8_valid(const char *text, size_t n);

bool utf8_escape(buf *out, const char *bytes, size_t n);
/* False when a '%' is not followed by two hexadecimal digits. */
bool utf8_unescape(buf *out, const char *text, size_t n);

#endif
