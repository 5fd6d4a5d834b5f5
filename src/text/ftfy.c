#include "text/ftfy.h"

#include "text/html.h"
#include "text/mojibake.h"
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

enum { max_segment = 1000000 };

/* Common ligatures and digraphs of Latin letters, taken apart. */
static const struct {
    uint32_t code;
    uint32_t letters[3];
} ligatures[] = {
    {0x132, {'I', 'J'}},       {0x133, {'i', 'j'}},       {0x149, {0x2BC, 'n'}},
    {0x1C4, {'D', 0x17D}},     {0x1C5, {'D', 0x17E}},     {0x1C6, {'d', 0x17E}},
    {0x1C7, {'L', 'J'}},       {0x1C8, {'L', 'j'}},       {0x1C9, {'l', 'j'}},
    {0x1CA, {'N', 'J'}},       {0x1CB, {'N', 'j'}},       {0x1CC, {'n', 'j'}},
    {0x1F1, {'D', 'Z'}},       {0x1F2, {'D', 'z'}},       {0x1F3, {'d', 'z'}},
    {0xFB00, {'f', 'f'}},      {0xFB01, {'f', 'i'}},      {0xFB02, {'f', 'l'}},
    {0xFB03, {'f', 'f', 'i'}}, {0xFB04, {'f', 'f', 'l'}}, {0xFB05, {0x17F, 't'}},
    {0xFB06, {'s', 't'}},
};

/* fix_latin_ligatures. */
static bool put_ligature(uint32_t code, codes *out) {
    for (size_t i = 0; i < sizeof ligatures / sizeof *ligatures; i++) {
        if (ligatures[i].code != code)
            continue;
        for (size_t k = 0; k < 3 && ligatures[i].letters[k]; k++)
            codes_push(out, ligatures[i].letters[k]);
        return true;
    }
    return false;
}

/* fix_character_width: half and full width forms become what NFKC makes of them. */
static void put_width(uint32_t code, codes *out) {
    if (code == 0x3000) {
        codes_push(out, ' ');
    } else if (code >= 0xFF01 && code <= 0xFFEF) {
        codes one = {.data = &code, .size = 1};
        unicode_normalize(&one, UNICODE_NFKC, PY_NEWER, out);
    } else {
        codes_push(out, code);
    }
}

/* uncurl_quotes and the single characters of fix_line_breaks. */
static uint32_t plain_quote_or_break(uint32_t code) {
    if (code == 0x2BC || (code >= 0x2018 && code <= 0x201B))
        return '\'';
    if (code >= 0x201C && code <= 0x201F)
        return '"';
    if (code == '\r' || code == 0x2028 || code == 0x2029 || code == 0x85)
        return '\n';
    return code;
}

static bool is_removed(uint32_t code) {
    return code <= 8 || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F ||
           (code >= 0x206A && code <= 0x206F) || code == 0xFEFF ||
           (code >= 0xFFF9 && code <= 0xFFFC);
}

/* \d of Python's re: the decimal digits of all scripts that it knows. */
static bool is_decimal(uint32_t code) {
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ND &&
           unicode_class(code) & PY_WORD;
}

/* The length of a terminal escape at `text`: ESC [ digits and semicolons, a letter. */
static size_t terminal_escape(const uint32_t *text, size_t n) {
    if (n < 3 || text[0] != 0x1B || text[1] != '[')
        return 0;
    size_t i = 2;
    while (i < n && (text[i] == ';' || is_decimal(text[i])))
        i++;
    bool letter = i < n && text[i] < 0x80 && (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z';
    return letter ? i + 1 : 0;
}

/* The fixers that look at characters one by one. Quotes are straightened after widths, as the
 * reference does, so each passes over the whole. */
static void fix_characters(codes *text, codes *spare) {
    codes_clear(spare);
    for (size_t i = 0; i < text->size; i++)
        if (!put_ligature(text->data[i], spare))
            codes_push(spare, text->data[i]);
    codes_swap(text, spare);
    codes_clear(spare);
    for (size_t i = 0; i < text->size; i++)
        put_width(text->data[i], spare);
    codes_swap(text, spare);
}

static void fix_breaks_and_controls(codes *text, codes *spare) {
    codes_clear(spare);
    for (size_t i = 0; i < text->size; i++) {
        bool crlf = text->data[i] == '\r' && i + 1 < text->size && text->data[i + 1] == '\n';
        codes_push(spare, crlf ? '\n' : plain_quote_or_break(text->data[i]));
        i += crlf;
    }
    codes_swap(text, spare);
    codes_clear(spare);
    for (size_t i = 0; i < text->size;) {
        size_t escape = terminal_escape(text->data + i, text->size - i);
        if (!escape && !is_removed(text->data[i]))
            codes_push(spare, text->data[i]);
        i += escape ? escape : 1;
    }
    codes_swap(text, spare);
}

/* True when no fixer would change a thing. */
static bool is_plain(const codes *text) {
    for (size_t i = 0; i < text->size; i++) {
        uint32_t c = text->data[i];
        if (c >= 0x7F || c == '&' || (c < 0x20 && c != '\t' && c != '\n'))
            return false;
    }
    return true;
}

static bool equal(const codes *a, const codes *b) {
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->data, b->data, a->size * sizeof *a->data) == 0);
}

/* One round of all fixers. */
static ken_status fix_once(codes *text, codes *spare, bool unescape, ken_error *err) {
    if (unescape) {
        codes_clear(spare);
        html_unescape_strict(text, spare);
        codes_swap(text, spare);
    }
    TRY(codes_check(text, err));
    TRY(mojibake_fix(text, err));
    for (size_t i = 0; i < text->size; i++)
        text->data[i] = mojibake_c1(text->data[i]);
    fix_characters(text, spare);
    fix_breaks_and_controls(text, spare);
    codes_clear(spare);
    unicode_normalize(text, UNICODE_NFC, PY_NEWER, spare);
    codes_swap(text, spare);
    TRY(codes_check(spare, err));
    return codes_check(text, err);
}

/* fix_and_explain: rounds until nothing changes. */
static ken_status fix_segment(codes *text, bool unescape, ken_error *err) {
    codes before = {0}, spare = {0};
    ken_status status = KEN_OK;
    while (status == KEN_OK && !is_plain(text) && !equal(text, &before)) {
        codes_clear(&before);
        codes_append(&before, text->data, text->size);
        status = codes_check(&before, err);
        if (status == KEN_OK)
            status = fix_once(text, &spare, unescape, err);
    }
    codes_free(&before);
    codes_free(&spare);
    return status;
}

/* A line with its end, or as much of it as the reference fixes at once. */
static size_t segment_end(const codes *text, size_t begin) {
    size_t end = begin;
    while (end < text->size && end - begin < max_segment)
        if (text->data[end++] == '\n')
            break;
    return end;
}

ken_status ftfy_fix_text(codes *text, ken_error *err) {
    if (is_plain(text))
        return KEN_OK;
    codes out = {0}, segment = {0};
    bool unescape = true; /* until a '<' says that the text is HTML */
    ken_status status = KEN_OK;
    for (size_t begin = 0; status == KEN_OK && begin < text->size;) {
        size_t end = segment_end(text, begin);
        for (size_t i = begin; i < end; i++)
            unescape = unescape && text->data[i] != '<';
        codes_clear(&segment);
        codes_append(&segment, text->data + begin, end - begin);
        status = fix_segment(&segment, unescape, err);
        codes_append(&out, segment.data, segment.size);
        begin = end;
    }
    codes_swap(text, &out);
    codes_free(&out);
    codes_free(&segment);
    return status == KEN_OK ? codes_check(text, err) : status;
}
