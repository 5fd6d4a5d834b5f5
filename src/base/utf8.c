#include "base/utf8.h"

size_t utf8_decode(const char *text, size_t n, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)text;
    unsigned char lead = s[0];
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    *code = UTF8_INVALID;
    if (lead < 0xC2 || lead > 0xF4)
        return 1;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    /* The second byte's range excludes overlong forms, surrogates and values past U+10FFFF. */
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    uint32_t value = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= n || s[i] < low || s[i] > high)
            return i;
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return length;
}

size_t utf8_encode(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

bool utf8_valid(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(text + i, n - i, &code);
        if (code == UTF8_INVALID)
            return false;
    }
    return true;
}

bool utf8_escape(buf *out, const char *bytes, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = utf8_decode(bytes + i, n - i, &code);
        bool plain = code != UTF8_INVALID && code >= 0x20 && code != 0x7F && code != '%' &&
                     !(code >= 0x80 && code < 0xA0);
        if (plain)
            buf_append(out, bytes + i, length);
        else
            for (size_t k = 0; k < length; k++)
                buf_printf(out, "%%%02X", (unsigned)(unsigned char)bytes[i + k]);
        i += length;
    }
    return !out->failed;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool utf8_unescape(buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            buf_putc(out, text[i]);
            continue;
        }
        int high = i + 2 < n ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low < 0)
            return false;
        buf_putc(out, (char)(high << 4 | low));
        i += 2;
    }
    return !out->failed;
}
