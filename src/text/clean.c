#include "text/clean.h"

#include "text/ftfy.h"
#include "text/html.h"
#include "text/unicode.h"

static bool is_space(uint32_t code) {
    return unicode_class(code) & PY_SPACE;
}

/* string.punctuation */
static bool is_punctuation(uint32_t code) {
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
           (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
}

/* " ".join(text.split()), in place. */
static void collapse_spaces(codes *text) {
    size_t kept = 0;
    bool gap = false;
    for (size_t i = 0; i < text->size; i++) {
        if (is_space(text->data[i])) {
            gap = kept > 0;
            continue;
        }
        if (gap)
            text->data[kept++] = ' ';
        gap = false;
        text->data[kept++] = text->data[i];
    }
    text->size = kept;
}

static void remove_punctuation(codes *text) {
    size_t kept = 0;
    for (size_t i = 0; i < text->size; i++)
        if (!is_punctuation(text->data[i]))
            text->data[kept++] = text->data[i];
    text->size = kept;
}

static void lower(codes *text, codes *spare) {
    codes_clear(spare);
    unicode_lower_python(text, spare);
    codes_swap(text, spare);
}

static void unescape(codes *text, codes *spare) {
    codes_clear(spare);
    html_unescape(text, spare);
    codes_swap(text, spare);
}

/* Stripping at the ends is part of collapse_spaces, which follows in every kind. */
ken_status clean_open_clip(codes *text, tokenizer_clean kind, ken_error *err) {
    codes spare = {0};
    ken_status status = ftfy_fix_text(text, err);
    if (status == KEN_OK) {
        unescape(text, &spare);
        unescape(text, &spare);
        if (kind == TOKENIZER_CLEAN_CANONICALIZE) {
            for (size_t i = 0; i < text->size; i++)
                if (text->data[i] == '_')
                    text->data[i] = ' ';
            remove_punctuation(text);
            lower(text, &spare);
            collapse_spaces(text);
        } else {
            collapse_spaces(text);
            if (kind == TOKENIZER_CLEAN_LOWER)
                lower(text, &spare);
        }
        status = codes_check(text, err);
    }
    codes_free(&spare);
    return status;
}

ken_status clean_siglip(codes *text, bool lower_case, ken_error *err) {
    codes spare = {0};
    if (lower_case)
        lower(text, &spare);
    remove_punctuation(text);
    collapse_spaces(text);
    codes_free(&spare);
    return codes_check(text, err);
}
