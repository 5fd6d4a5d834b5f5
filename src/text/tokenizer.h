/* text/tokenizer.h: text -> ids, exactly as the reference tokenizers make them.
 *
 * A tokenizer is immutable after loading and shared by threads. Texts are bytes: what is not valid
 * UTF-8 counts as U+FFFD, one for each maximal invalid part, as Python's errors="replace" reads it. */
#ifndef KEN_TEXT_TOKENIZER_H
#define KEN_TEXT_TOKENIZER_H

#include "base/buf.h"

typedef struct tokenizer tokenizer;

/* Which reference's reading of the text: they differ (docs/internals/text.md). */
typedef enum tokenizer_kind {
    TOKENIZER_CLIP_HF,        /* NFC, whitespace, lower case; tokenizer.json or vocab.json + merges.txt */
    TOKENIZER_CLIP_OPEN_CLIP, /* ftfy, html.unescape twice, whitespace, lower case; pads with 0 */
    TOKENIZER_FROM_FILE,      /* SigLIP, SigLIP 2: what the directory's tokenizer files say */
} tokenizer_kind;

typedef struct tokenizer_options {
    tokenizer_kind kind;
    int context_length; /* ids that tokenizer_encode writes */
    int vocab_size;     /* rows of the token embedding: ids must be below; 0: do not check */
    bool siglip;        /* lower-case, strip punctuation, collapse whitespace first (SigLIP 1) */
} tokenizer_options;

/* Reads the tokenizer files of a model directory. TOKENIZER_CLIP_OPEN_CLIP in a directory without
 * files, or a NULL dir, takes the standard CLIP vocabulary built into the program. */
KEN_MUST_CHECK ken_status tokenizer_load(const char *dir, const tokenizer_options *options,
                                         tokenizer **out, ken_error *err);
void tokenizer_free(tokenizer *t);

typedef struct tokenizer_result {
    int n_tokens;   /* ids before padding, after truncation */
    bool truncated;
} tokenizer_result;

/* Writes context_length ids, padded. */
KEN_MUST_CHECK ken_status tokenizer_encode(const tokenizer *t, const char *text, size_t size,
                                           int32_t *ids, tokenizer_result *result, ken_error *err);

/* The piece of an id as the vocabulary file spells it, or NULL. Belongs to the tokenizer. */
const char *tokenizer_piece(const tokenizer *t, int32_t id);
int tokenizer_context_length(const tokenizer *t);
int32_t tokenizer_pad_id(const tokenizer *t);
/* -1 when the tokenizer has none. */
int32_t tokenizer_begin_id(const tokenizer *t);
int32_t tokenizer_end_id(const tokenizer *t);

#endif
