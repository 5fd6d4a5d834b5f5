/* text/normalizer.h: the "normalizer" section of tokenizer.json: steps that rewrite the text. */
#ifndef KEN_TEXT_NORMALIZER_H
#define KEN_TEXT_NORMALIZER_H

#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/unicode.h"

typedef enum normalizer_kind {
    NORMALIZER_FORM,
    NORMALIZER_LOWERCASE,
    NORMALIZER_REPLACE,
    NORMALIZER_PREPEND,
    NORMALIZER_PRECOMPILED,
    NORMALIZER_STRIP,
    NORMALIZER_STRIP_ACCENTS,
    NORMALIZER_NMT,
} normalizer_kind;

typedef struct normalizer {
    normalizer_kind kind;
    unicode_form form;
    pattern pattern; /* replace */
    codes content;   /* replace, prepend */
    charsmap map;
    bool left, right; /* strip */
} normalizer;

void normalizer_free(normalizer *n);
/* Rewrites the text; `spare` is memory to work in, its contents are lost. */
KEN_MUST_CHECK ken_status normalizer_apply(const normalizer *n, codes *text, codes *spare,
                                           ken_error *err);

#endif
