/* text/tables_json.h: the vocabulary and the merges of a tokenizer.json, read without a document.
 *
 * They are nearly all of the file: 256,000 tokens and 580,000 merges in a SigLIP 2. As JSON values
 * they take longer than everything else at a start, so both are cut out before the file is parsed,
 * and read where they lie. Only what is plainly valid is read this way; for anything odd the caller
 * takes the parser, which says what is wrong. */
#ifndef KEN_TEXT_TABLES_JSON_H
#define KEN_TEXT_TABLES_JSON_H

#include "text/bpe.h"

typedef struct json_span {
    size_t begin, end; /* in the file, brackets included; both 0: not found */
} json_span;

typedef struct tables_json {
    json_span vocab;  /* root.model.vocab, if it is an object */
    json_span merges; /* root.model.merges, if it is an array */
} tables_json;

/* Looks at strings and brackets only. */
tables_json tables_json_find(const char *text, size_t size);
/* Adds all, or fails: also when the text is not plainly valid. */
KEN_MUST_CHECK ken_status tables_json_add_vocab(vocab *v, const char *text, json_span span,
                                                ken_error *err);
KEN_MUST_CHECK ken_status tables_json_add_merges(bpe *b, const char *text, json_span span,
                                                 ken_error *err);

#endif
