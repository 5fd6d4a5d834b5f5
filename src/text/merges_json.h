/* text/merges_json.h: the `merges` of a tokenizer.json, read without a document of them.
 *
 * A SigLIP 2 file holds 580,000 merges; as JSON values they take longer than all the rest of
 * loading. So the array is cut out before the file is parsed. Only what is plainly valid is read
 * this way; anything odd is left to the parser, which says what is wrong. */
#ifndef KEN_TEXT_MERGES_JSON_H
#define KEN_TEXT_MERGES_JSON_H

#include "text/bpe.h"

typedef struct merges_json {
    size_t begin, end; /* of the array in the file, with its brackets; both 0: not found */
} merges_json;

/* Finds root.model.merges and checks that it is an array of strings, or of pairs of strings. */
merges_json merges_json_find(const char *text, size_t size);
/* Adds the merges of a found array. */
KEN_MUST_CHECK ken_status merges_json_add(bpe *b, const char *text, merges_json span,
                                          ken_error *err);

#endif
