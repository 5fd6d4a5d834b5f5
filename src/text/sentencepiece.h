/* text/sentencepiece.h: encoding with a SentencePiece model as transformers' SiglipTokenizer does.
 */
#ifndef KEN_TEXT_SENTENCEPIECE_H
#define KEN_TEXT_SENTENCEPIECE_H

#include "text/tokenizer_parts.h"

/* Appends the ids of the text, without special tokens, until there are at least `wanted`. */
KEN_MUST_CHECK ken_status sentencepiece_encode(const tokenizer *t, const codes *text, size_t wanted,
                                               id_list *out, ken_error *err);

#endif
