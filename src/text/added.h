/* text/added.h: added tokens: strings that are found in the text before anything else is done to it
 * (`normalized` false) or after it was normalized (`normalized` true), and are never split. */
#ifndef KEN_TEXT_ADDED_H
#define KEN_TEXT_ADDED_H

#include "text/codes.h"
#include "text/trie.h"

typedef struct added_token {
    int32_t id;
    bool normalized;
    bool single_word; /* only between characters that are not of a word */
    bool lstrip;      /* takes the white space before it, or after it, along */
    bool rstrip;
} added_token;

typedef struct added_tokens {
    added_token *tokens;
    size_t n_tokens, max_tokens;
    trie raw; /* values are indices into `tokens` */
    trie normalized;
} added_tokens;

void added_tokens_free(added_tokens *a);
/* `content` is already normalized when the token says so. */
KEN_MUST_CHECK ken_status added_tokens_add(added_tokens *a, const codes *content,
                                           const added_token *token, ken_error *err);

/* A part of a text: an added token, or with id -1 text to go on with. */
typedef struct span {
    size_t begin, end;
    int32_t id;
    bool first; /* begins where the whole text begins */
} span;

typedef struct span_list {
    span *items;
    size_t size, capacity;
    ken_status status;
} span_list;

void span_list_free(span_list *list);
void span_list_push(span_list *list, span item);

/* Cuts the text at the tokens of `t`, which is a->raw or a->normalized. Empty text is left out. */
void added_tokens_split(const added_tokens *a, const trie *t, const uint32_t *text, size_t n,
                        span_list *out);

#endif
