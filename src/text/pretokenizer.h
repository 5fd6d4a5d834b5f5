/* text/pretokenizer.h: the "pre_tokenizer" section of tokenizer.json: steps that cut the normalized
 * text into the words that the model sees. */
#ifndef KEN_TEXT_PRETOKENIZER_H
#define KEN_TEXT_PRETOKENIZER_H

#include "text/pattern.h"

typedef enum pretokenizer_kind {
    PRETOKENIZER_SPLIT,
    PRETOKENIZER_BYTE_LEVEL,
    PRETOKENIZER_METASPACE,
    PRETOKENIZER_WHITESPACE_SPLIT,
} pretokenizer_kind;

typedef enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS,
} split_behavior;

typedef enum prepend_scheme { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS } prepend_scheme;

typedef struct pretokenizer {
    pretokenizer_kind kind;
    pattern pattern; /* split; byte level: GPT-2's words */
    split_behavior behavior;
    bool invert;
    bool cut;              /* byte level: use_regex; metaspace: split */
    prepend_scheme scheme; /* byte level's add_prefix_space is PREPEND_ALWAYS with a space */
    uint32_t replacement;  /* metaspace */
} pretokenizer;

/* A text and its pieces; those with an id are added tokens and stay as they are. */
typedef struct cut_text {
    codes text;
    span_list pieces;
} cut_text;

void cut_text_free(cut_text *t);
void cut_text_clear(cut_text *t);
KEN_MUST_CHECK ken_status cut_text_check(const cut_text *t, ken_error *err);
void pretokenizer_free(pretokenizer *p);
/* Rewrites `t`; `spare` is memory to work in. */
KEN_MUST_CHECK ken_status pretokenizer_apply(const pretokenizer *p, cut_text *t, cut_text *spare,
                                             ken_error *err);

#endif
