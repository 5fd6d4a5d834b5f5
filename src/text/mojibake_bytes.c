#include "text/mojibake_bytes.h"

#include "base/utf8.h"

#include <string.h>

enum { space = 0x20, no_break_space = 0xA0, lost = 0x1A };

static bool between(uint8_t byte, uint8_t low, uint8_t high) {
    return byte >= low && byte <= high;
}

static bool is_tail(uint8_t byte) {
    return between(byte, 0x80, 0xBF);
}

/* A continuation byte that ftfy expects beside a lost A0: not 85, which is often an ellipsis. */
static bool is_likely_tail(uint8_t byte) {
    return is_tail(byte) && byte != 0x85 && byte != 0xA0;
}

/* The length of a sequence at `s` that would be UTF-8 were a space A0, or 0. */
static size_t altered(const uint8_t *s, size_t n) {
    if (n >= 2 && memchr("\xc2\xc3\xc5\xce\xd0\xd9", s[0], 6) && s[1] == space)
        return 2;
    if (n >= 3 && between(s[0], 0xE2, 0xE3) && s[1] == space && is_likely_tail(s[2]))
        return 3;
    if (n >= 3 && between(s[0], 0xE0, 0xE3) && is_likely_tail(s[1]) && s[2] == space)
        return 3;
    if (n < 4 || s[0] != 0xF0)
        return 0;
    int spaces = (s[1] == space) + (s[2] == space) + (s[3] == space);
    int tails = is_tail(s[1]) + is_tail(s[2]) + is_tail(s[3]);
    return spaces == 1 && tails == 2 ? 4 : 0;
}

/* True for "C3 20" that stands for the word "à", which keeps its space. The words after it are
 * Portuguese contractions, which do not. */
static bool is_a_grave_word(const uint8_t *s, size_t n) {
    static const char *const joined[] = {" ", "quele", "quela", "quilo", "s "};
    if (n < 2 || s[0] != 0xC3 || s[1] != space)
        return false;
    for (size_t i = 0; i < sizeof joined / sizeof *joined; i++) {
        size_t size = strlen(joined[i]);
        if (n - 2 >= size && memcmp(s + 2, joined[i], size) == 0)
            return false;
    }
    return true;
}

static bool has_altered(const buf *in) {
    for (size_t i = 0; i < in->size; i++)
        if (altered((const uint8_t *)in->data + i, in->size - i))
            return true;
    return false;
}

void bytes_restore_a0(const buf *in, buf *out) {
    if (!has_altered(in)) {
        buf_append(out, in->data, in->size);
        return;
    }
    buf words;
    buf_init(&words, 2 * in->size + 1);
    const uint8_t *s = (const uint8_t *)in->data;
    for (size_t i = 0; i < in->size;) {
        bool word = is_a_grave_word(s + i, in->size - i);
        buf_append(&words, word ? "\xc3\xa0 " : in->data + i, word ? 3 : 1);
        i += word ? 2 : 1;
    }
    s = (const uint8_t *)words.data;
    for (size_t i = 0; i < words.size;) {
        size_t length = altered(s + i, words.size - i);
        for (size_t k = 0; k < length; k++)
            buf_putc(out, (char)(s[i + k] == space ? no_break_space : s[i + k]));
        if (!length)
            buf_putc(out, words.data[i]);
        i += length ? length : 1;
    }
    out->failed = out->failed || words.failed;
    buf_free(&words);
}

static bool is_lost(uint8_t byte) {
    return byte == lost || byte == '?';
}

/* What stands where a continuation byte belongs: one, or the sign of a lost one. */
static bool is_tail_or_lost(uint8_t byte) {
    return byte == lost || is_tail(byte);
}

/* Of the `n` bytes after a lead one is lost, as 1A or '?', and the others are tails or 1A. */
static bool one_is_lost(const uint8_t *s, size_t n) {
    for (size_t k = 0; k < n; k++) {
        bool fits = is_lost(s[k]);
        for (size_t i = 0; i < n; i++)
            fits = fits && (i == k || is_tail_or_lost(s[i]));
        if (fits)
            return true;
    }
    return false;
}

/* A pair of surrogates as CESU-8 has them, with a byte lost in one of them. */
static bool is_lossy_cesu(const uint8_t *s, size_t n) {
    if (n < 6 || s[0] != 0xED || !between(s[1], 0xA0, 0xAF) || s[3] != 0xED ||
        !between(s[4], 0xB0, 0xBF))
        return false;
    bool first = is_lost(s[2]), second = is_lost(s[5]);
    return (first && (second || is_tail(s[5]))) || (second && (first || is_tail(s[2])));
}

/* The length of a sequence at `s` with lost bytes, or 0. */
static size_t lossy(const uint8_t *s, size_t n) {
    if (n >= 2 && between(s[0], 0xC2, 0xDF) && s[1] == lost)
        return 2;
    if (n >= 2 && between(s[0], 0xC2, 0xC3) && s[1] == '?')
        return 2;
    if (is_lossy_cesu(s, n))
        return 6;
    if (n >= 3 && between(s[0], 0xE0, 0xEF) && one_is_lost(s + 1, 2))
        return 3;
    if (n >= 4 && between(s[0], 0xF0, 0xF4) && one_is_lost(s + 1, 3))
        return 4;
    return s[0] == lost;
}

void bytes_replace_lossy(const buf *in, buf *out) {
    for (size_t i = 0; i < in->size;) {
        size_t length = lossy((const uint8_t *)in->data + i, in->size - i);
        if (length)
            buf_puts(out, "\xef\xbf\xbd");
        else
            buf_putc(out, in->data[i]);
        i += length ? length : 1;
    }
}

/* A CESU-8 pair: both halves of a surrogate pair as three bytes each. */
static bool is_cesu(const uint8_t *s, size_t n) {
    return n >= 6 && s[0] == 0xED && between(s[1], 0xA0, 0xAF) && is_tail(s[2]) && s[3] == 0xED &&
           between(s[4], 0xB0, 0xBF) && is_tail(s[5]);
}

bool bytes_decode(const buf *in, codes *out) {
    const uint8_t *s = (const uint8_t *)in->data;
    for (size_t i = 0; i < in->size;) {
        size_t n = in->size - i;
        uint32_t code;
        size_t length = utf8_decode(in->data + i, n, &code);
        if (code == UTF8_INVALID && is_cesu(s + i, n)) {
            code = 0x10000 + ((s[i + 1] & 0x0Fu) << 16 | (s[i + 2] & 0x3Fu) << 10 |
                              (s[i + 4] & 0x0Fu) << 6 | (s[i + 5] & 0x3Fu));
            length = 6;
        } else if (code == UTF8_INVALID && s[i] == 0xC0 && n > 1 &&
                   (s[i + 1] == 0x80 || (s[i + 1] == '\n' && n == 2))) {
            /* The reference's `$` also matches before a last newline, and takes it along. */
            code = 0;
            length = 2;
        } else if (code == UTF8_INVALID) {
            return false;
        }
        codes_push(out, code);
        i += length;
    }
    return true;
}
