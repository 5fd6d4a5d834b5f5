#include "base/buf.h"

#include "base/checked.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(buf *b, size_t max_bytes) {
    *b = (buf){.max_bytes = max_bytes};
}

void buf_free(buf *b) {
    mem_free(b->data);
    *b = (buf){.max_bytes = b->max_bytes};
}

void buf_clear(buf *b) {
    b->size = 0;
    b->failed = b->out_of_memory = false;
    if (b->data)
        b->data[0] = '\0';
}

void *buf_reserve(buf *b, size_t n) {
    size_t needed;
    if (b->failed || !checked_add(b->size, n, &needed) || needed > b->max_bytes ||
        !checked_add(needed, 1, &needed)) {
        b->failed = true;
        return NULL;
    }
    if (needed > b->capacity) {
        size_t capacity = b->capacity ? b->capacity : 256;
        while (capacity < needed)
            capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
        char *data = mem_grow(b->data, b->size, capacity);
        if (!data) {
            b->failed = b->out_of_memory = true;
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
        b->data[b->size] = '\0';
    }
    return b->data + b->size;
}

bool buf_append(buf *b, const void *bytes, size_t n) {
    char *to = buf_reserve(b, n);
    if (!to)
        return false;
    if (n)
        memcpy(to, bytes, n);
    b->size += n;
    b->data[b->size] = '\0';
    return true;
}

bool buf_puts(buf *b, const char *text) {
    return buf_append(b, text, strlen(text));
}

bool buf_putc(buf *b, char c) {
    return buf_append(b, &c, 1);
}

bool buf_printf(buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = length < 0 ? NULL : buf_reserve(b, (size_t)length);
    if (to) {
        vsnprintf(to, (size_t)length + 1, format, again);
        b->size += (size_t)length;
    } else {
        b->failed = true;
    }
    va_end(again);
    return to != NULL;
}

ken_status buf_check(const buf *b, ken_error *err) {
    if (!b->failed)
        return KEN_OK;
    if (b->out_of_memory)
        return error_no_memory(err, b->size + 1);
    return error_set(err, KEN_TOO_LARGE, "text grew past its limit of %zu bytes", b->max_bytes);
}

bool buf_put_json(buf *b, const char *text, size_t n) {
    buf_putc(b, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        uint32_t code;
        size_t length = utf8_decode(text + i, n - i, &code);
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", (unsigned)c);
        else if (code == UTF8_INVALID)
            buf_puts(b, "\xef\xbf\xbd");
        else
            buf_append(b, text + i, length);
        i += length;
    }
    return buf_putc(b, '"');
}

bool buf_put_html(buf *b, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        switch (text[i]) {
        case '&':
            buf_puts(b, "&amp;");
            break;
        case '<':
            buf_puts(b, "&lt;");
            break;
        case '>':
            buf_puts(b, "&gt;");
            break;
        case '"':
            buf_puts(b, "&quot;");
            break;
        case '\'':
            buf_puts(b, "&#39;");
            break;
        default:
            buf_putc(b, text[i]);
        }
    }
    return !b->failed;
}

bool buf_put_csv(buf *b, const char *text, size_t n) {
    bool quote = false;
    for (size_t i = 0; i < n && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote)
        return buf_append(b, text, n);
    buf_putc(b, '"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            buf_putc(b, '"');
        buf_putc(b, text[i]);
    }
    return buf_putc(b, '"');
}

bool buf_put_base64(buf *b, const void *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char *out = buf_reserve(b, (n + 2) / 3 * 4);
    if (!out)
        return false;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)in[i] << 16;
        three |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
        three |= i + 2 < n ? in[i + 2] : 0;
        for (int j = 0; j < 4; j++)
            *out++ = digits[three >> (18 - 6 * j) & 63];
        if (i + 1 >= n)
            out[-2] = '=';
        if (i + 2 >= n)
            out[-1] = '=';
    }
    b->size += (n + 2) / 3 * 4;
    b->data[b->size] = '\0';
    return true;
}
