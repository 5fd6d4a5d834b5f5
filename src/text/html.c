#include "text/html.h"

#include <string.h>

typedef struct entity {
    char name[33]; /* without '&', with ';' where it is needed */
    uint32_t codes[3];
} entity;

#include "text/html_entities.inc"

enum {
    n_entities = sizeof entities / sizeof *entities,
    n_capital_entities = sizeof capital_entities / sizeof *capital_entities,
    max_name = 32, /* characters that a name may have before its ';' */
    max_strict_name = 24,
    max_code = 0x10FFFF,
};

/* What numeric references to 0x80-0x9F mean: Windows-1252, as HTML says. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
    0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178,
};

static int compare(const uint32_t *text, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (text[i] != c)
            return text[i] < c ? -1 : 1;
    }
    return name[n] ? -1 : 0;
}

static const entity *find(const entity *table, size_t n_table, const uint32_t *text, size_t n) {
    if (n > max_name)
        return NULL;
    size_t low = 0, high = n_table;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(text, n, table[middle].name);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void put_entity(const entity *e, codes *out) {
    for (size_t i = 0; i < 3 && e->codes[i]; i++)
        codes_push(out, e->codes[i]);
}

/* Code points that stand for nothing: controls and noncharacters. */
static bool is_dropped(uint32_t code) {
    return (code >= 0x1 && code <= 0x8) || code == 0xB || (code >= 0xE && code <= 0x1F) ||
           code == 0x7F || (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
}

static void put_number(uint32_t code, codes *out) {
    if (code == 0 || code > max_code || (code >= 0xD800 && code <= 0xDFFF))
        codes_push(out, 0xFFFD);
    else if (code >= 0x80 && code <= 0x9F)
        codes_push(out, windows_1252[code - 0x80]);
    else if (!is_dropped(code))
        codes_push(out, code);
}

static int digit_value(uint32_t code, bool hexadecimal) {
    if (code >= '0' && code <= '9')
        return (int)code - '0';
    uint32_t lower = code | 0x20;
    return hexadecimal && lower >= 'a' && lower <= 'f' ? (int)lower - 'a' + 10 : -1;
}

/* Reads the number of a reference whose '#' is at text[0]; returns the length with '#' and digits,
 * or 0 when there is no digit. Numbers past the last code point saturate. */
static size_t read_number(const uint32_t *text, size_t n, uint32_t *code) {
    bool hexadecimal = n > 1 && (text[1] | 0x20) == 'x';
    size_t begin = hexadecimal ? 2 : 1, i = begin;
    *code = 0;
    for (; i < n && digit_value(text[i], hexadecimal) >= 0; i++) {
        *code = *code * (hexadecimal ? 16 : 10) + (uint32_t)digit_value(text[i], hexadecimal);
        if (*code > max_code)
            *code = max_code + 1;
    }
    return i > begin ? i : 0;
}

static bool ends_name(uint32_t c) {
    return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' ||
           c == ';';
}

/* The characters after '&' that html.unescape looks at for a name, with the ';'. */
static size_t name_length(const uint32_t *text, size_t n) {
    size_t i = 0;
    while (i < n && i < max_name && !ends_name(text[i]))
        i++;
    return i && i < n && text[i] == ';' ? i + 1 : i;
}

/* A name as it stands, or the longest known name that begins it. Returns what was consumed. */
static size_t put_named(const uint32_t *text, size_t n, codes *out) {
    size_t length = name_length(text, n);
    for (size_t size = length; size > 1; size--) {
        const entity *e = find(entities, n_entities, text, size);
        if (e) {
            put_entity(e, out);
            return size;
        }
    }
    return 0;
}

void html_unescape(const codes *in, codes *out) {
    for (size_t i = 0; i < in->size;) {
        const uint32_t *rest = in->data + i + 1;
        size_t n = in->size - i - 1;
        if (in->data[i] != '&') {
            codes_push(out, in->data[i++]);
            continue;
        }
        size_t used = 0;
        if (n && rest[0] == '#') {
            uint32_t code;
            used = read_number(rest, n, &code);
            if (used) {
                put_number(code, out);
                used += used < n && rest[used] == ';';
            }
        } else if (n) {
            used = put_named(rest, n, out);
        }
        if (!used)
            codes_push(out, '&');
        i += 1 + used;
    }
}

static bool is_alphanumeric(uint32_t c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80);
}

/* Puts what "&name;" stands for; the length of "name;", or 0. */
static size_t put_strict(const uint32_t *text, size_t n, codes *out) {
    size_t begin = n && text[0] == '#', i = begin;
    while (i < n && i - begin < max_strict_name && is_alphanumeric(text[i]))
        i++;
    if (i == begin || i >= n || text[i] != ';')
        return 0;
    size_t size = i + 1;
    if (begin) {
        uint32_t code;
        if (read_number(text, size, &code) != i)
            return 0;
        /* "&#59;" is left alone: ftfy takes the ';' it decodes to for one that was not read. */
        if (code == ';')
            return 0;
        put_number(code, out);
        return size;
    }
    const entity *e = find(entities, n_entities, text, size);
    if (!e)
        e = find(capital_entities, n_capital_entities, text, size);
    if (!e)
        return 0;
    put_entity(e, out);
    return size;
}

void html_unescape_strict(const codes *in, codes *out) {
    for (size_t i = 0; i < in->size;) {
        size_t used = 0;
        if (in->data[i] == '&')
            used = put_strict(in->data + i + 1, in->size - i - 1, out);
        if (!used)
            codes_push(out, in->data[i]);
        i += used ? 1 + used : 1;
    }
}
