/* text/clip_vocab.h: the standard CLIP vocabulary of 49,408 tokens, part of the program.
 *
 * data/clip_merges.txt holds the 48,894 merges that CLIP uses of the 262,144 in OpenAI's
 * bpe_simple_vocab_16e6.txt.gz, unchanged and in order (MIT, data/LICENSE.openai-CLIP). Tokens are
 * the 256 bytes, the same with "</w>", what the merges make, begin and end. */
#ifndef KEN_TEXT_CLIP_VOCAB_H
#define KEN_TEXT_CLIP_VOCAB_H

#include "text/bpe.h"

enum { clip_begin_id = 49406, clip_end_id = 49407 };

/* Fills an initialised vocabulary, then the BPE on it. `begin` and `end` are how the reader at hand
 * spells the special tokens. */
KEN_MUST_CHECK ken_status clip_vocab_build(vocab *v, bpe *b, const char *begin, const char *end,
                                           ken_error *err);

#endif
