#include "text/mojibake.h"

#include "text/mojibake_bytes.h"
#include "text/unicode.h"

#include <string.h>

typedef struct char_sets {
    uint32_t code;
    uint64_t sets[2];
} char_sets;

typedef struct bad_sequence {
    uint8_t length;
    bool at_start;
    uint8_t sets[7];
} bad_sequence;

typedef struct charmap {
    bool sloppy; /* byte 1A stands for U+FFFD */
    bool macroman;
    uint16_t high[128];   /* of bytes 0x80 to 0xFF */
    uint8_t by_code[128]; /* those bytes sorted by their code point */
} charmap;

#include "text/mojibake_tables.inc"

enum {
    n_listed = sizeof listed_sets / sizeof *listed_sets,
    n_bad_sequences = sizeof bad_sequences / sizeof *bad_sequences,
    n_charmaps = sizeof charmaps / sizeof *charmaps,
    latin_1 = 0,
    windows_1252 = 1,
    substitute = 0x1A,
    replacement = 0xFFFD,
    max_nesting = 32,
};

static bool in_set(const char_sets *c, unsigned set) {
    return c->sets[set / 64] >> (set % 64) & 1;
}

static void add_set(char_sets *c, unsigned set) {
    c->sets[set / 64] |= (uint64_t)1 << (set % 64);
}

static char_sets sets_of(uint32_t code) {
    char_sets found = {.code = code};
    size_t low = 0, high = n_listed;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (listed_sets[middle].code == code) {
            found = listed_sets[middle];
            break;
        }
        if (listed_sets[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    unsigned classes = unicode_class(code);
    bool letter = (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    if (classes & PY_SPACE)
        add_set(&found, SET_SPACE);
    if (classes & PY_WORD)
        add_set(&found, SET_WORD);
    if (!letter)
        add_set(&found, SET_NOT_ASCII_LETTER);
    if (code != '\n')
        add_set(&found, SET_NOT_NEWLINE);
    return found;
}

static bool matches(const bad_sequence *sequence, const char_sets *window, size_t n,
                    bool at_start) {
    if (n < sequence->length || (sequence->at_start && !at_start))
        return false;
    for (size_t k = 0; k < sequence->length; k++)
        if (!in_set(&window[k], sequence->sets[k]))
            return false;
    return true;
}

/* ftfy.badness.is_bad: a window of seven characters moves over the text. */
static bool is_bad(const uint32_t *text, size_t n) {
    char_sets window[7];
    size_t filled = 0;
    for (size_t i = 0; i < n; i++) {
        if (filled)
            memmove(window, window + 1, --filled * sizeof *window);
        for (; filled < 7 && i + filled < n; filled++)
            window[filled] = sets_of(text[i + filled]);
        for (size_t k = 0; k < n_bad_sequences; k++)
            if (matches(&bad_sequences[k], window, filled, i == 0))
                return true;
    }
    return false;
}

static bool is_ascii(const codes *text) {
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] >= 0x80)
            return false;
    return true;
}

/* The byte of a code point in an encoding, or -1. */
static int encode_char(const charmap *map, uint32_t code) {
    if (code < 0x80)
        return map->sloppy && code == substitute ? -1 : (int)code;
    if (map->sloppy && code == replacement)
        return substitute;
    size_t low = 0, high = 128;
    while (low < high) {
        size_t middle = (low + high) / 2;
        uint32_t other = map->high[map->by_code[middle] - 0x80];
        if (other == code)
            return map->by_code[middle];
        if (other < code)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static bool encode(const charmap *map, const codes *text, buf *out) {
    buf_clear(out);
    for (size_t i = 0; i < text->size; i++) {
        int byte = encode_char(map, text->data[i]);
        if (byte < 0)
            return false;
        buf_putc(out, (char)byte);
    }
    return !out->failed;
}

static void swap(buf *a, buf *b) {
    buf kept = *a;
    *a = *b;
    *b = kept;
}

/* Repairs the bytes as far as the encoding allows and decodes them. */
static bool decode_repaired(const charmap *map, buf *bytes, buf *spare, codes *out) {
    if (!map->macroman) { /* there it would match an en dash and a space */
        buf_clear(spare);
        bytes_restore_a0(bytes, spare);
        swap(bytes, spare);
    }
    if (map->sloppy) {
        buf_clear(spare);
        bytes_replace_lossy(bytes, spare);
        swap(bytes, spare);
    }
    codes_clear(out);
    return bytes_decode(bytes, out);
}

static ken_status fix_nested(codes *text, int nesting, ken_error *err);

/* The end of the run of UTF-8-like sequences at `i`, or `i`. */
static size_t utf8_like_end(const uint32_t *text, size_t n, size_t i) {
    for (;;) {
        char_sets lead = i < n ? sets_of(text[i]) : (char_sets){0};
        size_t tails = 0;
        while (tails < 3 && i + 1 + tails < n) {
            char_sets tail = sets_of(text[i + 1 + tails]);
            if (!in_set(&tail, SET_CONTINUATION))
                break;
            tails++;
        }
        if (in_set(&lead, SET_FIRST_OF_2) && tails >= 1)
            i += 2;
        else if (in_set(&lead, SET_FIRST_OF_3) && tails >= 2)
            i += 3;
        else if (in_set(&lead, SET_FIRST_OF_4) && tails >= 3)
            i += 4;
        else
            return i;
    }
}

/* decode_inconsistent_utf8: repairs only the parts that look like UTF-8. */
static ken_status fix_parts(const codes *text, codes *out, int nesting, ken_error *err) {
    codes part = {0};
    ken_status status = KEN_OK;
    for (size_t i = 0; status == KEN_OK && i < text->size;) {
        char_sets before = i ? sets_of(text->data[i - 1]) : (char_sets){0};
        size_t end = in_set(&before, SET_STRICT) ? i : utf8_like_end(text->data, text->size, i);
        size_t size = end - i;
        if (size && size < text->size && is_bad(text->data + i, size)) {
            codes_clear(&part);
            codes_append(&part, text->data + i, size);
            status = codes_check(&part, err);
            if (status == KEN_OK)
                status = fix_nested(&part, nesting + 1, err);
            codes_append(out, part.data, part.size);
        } else {
            end = size ? end : i + 1;
            codes_append(out, text->data + i, end - i);
        }
        i = end;
    }
    codes_free(&part);
    return status;
}

static bool equal(const codes *a, const codes *b) {
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->data, b->data, a->size * sizeof *a->data) == 0);
}

/* C1 controls of a Latin-1 text as Windows-1252; false when one has no character there. */
static bool latin_1_as_1252(const codes *text, codes *out) {
    codes_clear(out);
    for (size_t i = 0; i < text->size; i++) {
        uint32_t code = mojibake_c1(text->data[i]);
        if (code >= 0x80 && code <= 0x9F)
            return false;
        codes_push(out, code);
    }
    return true;
}

/* One step of ftfy.fix_encoding; `out` gets the new text, which may be the old one. */
static ken_status fix_step(const codes *text, codes *out, int nesting, ken_error *err) {
    buf bytes, spare;
    buf_init(&bytes, 4 * text->size + 64);
    buf_init(&spare, 4 * text->size + 64);
    bool decoded = false, is_latin_1 = false;
    for (size_t k = 0; k < n_charmaps && !decoded; k++) {
        if (!encode(&charmaps[k], text, &bytes))
            continue;
        is_latin_1 = is_latin_1 || k == latin_1;
        decoded = decode_repaired(&charmaps[k], &bytes, &spare, out);
    }
    bool failed = bytes.failed || spare.failed;
    buf_free(&bytes);
    buf_free(&spare);
    if (failed)
        return error_no_memory(err, text->size);
    if (decoded)
        return codes_check(out, err);
    codes_clear(out);
    TRY(fix_parts(text, out, nesting, err));
    TRY(codes_check(out, err));
    if (!equal(text, out))
        return KEN_OK;
    if (is_latin_1 && latin_1_as_1252(text, out) && !equal(text, out))
        return codes_check(out, err);
    codes_clear(out);
    for (size_t i = 0; i < text->size; i++)
        codes_push(out, mojibake_c1(text->data[i]));
    return codes_check(out, err);
}

static ken_status fix_nested(codes *text, int nesting, ken_error *err) {
    codes fixed = {0};
    ken_status status = KEN_OK;
    while (status == KEN_OK && nesting < max_nesting && !is_ascii(text) &&
           is_bad(text->data, text->size)) {
        codes_clear(&fixed);
        status = fix_step(text, &fixed, nesting, err);
        if (status != KEN_OK || equal(text, &fixed))
            break;
        codes_swap(text, &fixed);
    }
    codes_free(&fixed);
    return status;
}

ken_status mojibake_fix(codes *text, ken_error *err) {
    return fix_nested(text, 0, err);
}

uint32_t mojibake_c1(uint32_t code) {
    return code >= 0x80 && code <= 0x9F ? charmaps[windows_1252].high[code - 0x80] : code;
}
