/* text/unicode.h: classes, lower case and normal forms as each reference sees them.
 *
 * "PY" is what OpenCLIP's Python does (str, re, regex), "HF" what the tokenizers library does. They
 * rest on different Unicode versions, so characters newer than one of them must be left alone
 * there; the tables were asked from the references (tools/make_unicode_tables.py). */
#ifndef KEN_TEXT_UNICODE_H
#define KEN_TEXT_UNICODE_H

#include "text/codes.h"

/* Bits of unicode_class, in the order of CLASSES in the tool. */
enum unicode_class {
    PY_LETTER = 1 << 0,    /* [\p{L}] of regex, case ignored */
    PY_NUMBER = 1 << 1,    /* [\p{N}] of regex */
    PY_SPACE = 1 << 2,     /* str.isspace; \s of re */
    PY_SKIPPED = 1 << 3,   /* neither of them nor [^\s\p{L}\p{N}] */
    PY_WORD = 1 << 4,      /* \w of re */
    PY_CASED = 1 << 5,     /* makes a sigma final when before it, and not when after it */
    PY_IGNORABLE = 1 << 6, /* skipped when looking for such a character */
    PY_NEWER = 1 << 7,     /* unassigned when the reference normalizes */
    HF_LETTER = 1 << 8,
    HF_NUMBER = 1 << 9,
    HF_SPACE = 1 << 10,
    HF_WORD = 1 << 11,
    HF_MARK = 1 << 12, /* removed by StripAccents */
    HF_NEWER = 1 << 13,
};

unsigned unicode_class(uint32_t code);

/* str.lower(): a capital sigma at the end of a word becomes the final form. Appends to `out`. */
void unicode_lower_python(const codes *in, codes *out);
/* char::to_lowercase for each character. Appends to `out`. */
void unicode_lower_hf(const codes *in, codes *out);

typedef enum unicode_form {
    UNICODE_NFC,
    UNICODE_NFD,
    UNICODE_NFKC,
    UNICODE_NFKD,
} unicode_form;

/* Normalizes in time linear in the text. `newer` is PY_NEWER or HF_NEWER. Appends to `out`. */
void unicode_normalize(const codes *in, unicode_form form, unsigned newer, codes *out);

#endif
