/* text/tokenizer.h: text -> ids, exactly as the reference tokenizers make them.
 *
 * A tokenizer is immutable after loading and shared by threads. Texts are bytes: what is not valid
 * UTF-8 counts as U+FFFD, one for each maximal invalid part, as Python's errors="replace" reads it.
 */
#ifndef KEN_TEXT_TOKENIZER_H
#define KEN_TEXT_TOKENIZER_H

#include "base/buf.h"

typedef struct tokenizer tokenizer;

enum { tokenizer_max_text_bytes = 16 << 20 };

/* Which reference's reading of the text: they differ (docs/internals/text.md). */
typedef enum tokenizer_kind {
    TOKENIZER_CLIP_HF, /* NFC, whitespace, lower case; tokenizer.json or vocab.json + merges.txt */
    TOKENIZER_CLIP_OPEN_CLIP, /* ftfy, html.unescape twice, whitespace, lower case; pads with 0 */
    TOKENIZER_FROM_FILE,      /* SigLIP, SigLIP 2: what the directory's tokenizer files say */
} tokenizer_kind;

/* What OpenCLIP's tokenizers do to the text first (`clean` of tokenizer_kwargs); all of it after
 * ftfy.fix_text and html.unescape twice. */
typedef enum tokenizer_clean {
    TOKENIZER_CLEAN_DEFAULT,    /* lower for TOKENIZER_CLIP_OPEN_CLIP; nothing at all for others */
    TOKENIZER_CLEAN_LOWER,      /* collapse white space, lower-case */
    TOKENIZER_CLEAN_WHITESPACE, /* collapse white space: the default of OpenCLIP's HFTokenizer */
    TOKENIZER_CLEAN_CANONICALIZE, /* lower-case, without ASCII punctuation; "_" becomes a space */
} tokenizer_clean;

typedef struct tokenizer_options {
    tokenizer_kind kind;
    int context_length; /* ids that tokenizer_encode writes */
    int vocab_size; /* rows of the token embedding: a text with another id fails; 0: do not check */
    bool siglip;    /* lower-case, strip punctuation, collapse whitespace first (SigLIP 1) */
    tokenizer_clean clean; /* of an OpenCLIP directory: `text_cfg.tokenizer_kwargs.clean` */
} tokenizer_options;

/* Reads the tokenizer files of a model directory. TOKENIZER_CLIP_OPEN_CLIP always takes the
 * standard CLIP vocabulary built into the program, as OpenCLIP does, and `dir` may be NULL. For an
 * OpenCLIP directory whose text_cfg has `hf_tokenizer_name`, the kind is TOKENIZER_FROM_FILE, with
 * `clean` from tokenizer_kwargs (TOKENIZER_CLEAN_WHITESPACE when it is absent). TOKENIZER_CLIP_HF
 * in a directory whose tokenizer_config.json names another class than CLIP's reads as
 * TOKENIZER_FROM_FILE. */
KEN_MUST_CHECK ken_status tokenizer_load(const char *dir, const tokenizer_options *options,
                                         tokenizer **out, ken_error *err);
void tokenizer_free(tokenizer *t);

typedef struct tokenizer_result {
    int n_tokens; /* ids before padding, after truncation */
    bool truncated;
} tokenizer_result;

/* Writes context_length ids, padded. Texts of more than tokenizer_max_text_bytes are refused. */
KEN_MUST_CHECK ken_status tokenizer_encode(const tokenizer *t, const char *text, size_t size,
                                           int32_t *ids, tokenizer_result *result, ken_error *err);

/* The ids that the text would have, special ones included, if the context had no end. */
KEN_MUST_CHECK ken_status tokenizer_count(const tokenizer *t, const char *text, size_t size,
                                          size_t *out, ken_error *err);

/* The piece of an id as the vocabulary file spells it, or NULL. Belongs to the tokenizer. */
const char *tokenizer_piece(const tokenizer *t, int32_t id);
int tokenizer_context_length(const tokenizer *t);
int32_t tokenizer_pad_id(const tokenizer *t);
/* -1 when the tokenizer has none. */
int32_t tokenizer_begin_id(const tokenizer *t);
int32_t tokenizer_end_id(const tokenizer *t);

#endif
