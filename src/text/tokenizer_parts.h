/* text/tokenizer_parts.h: what a tokenizer is made of. Only the tokenizer*.c files include it. */
#ifndef KEN_TEXT_TOKENIZER_PARTS_H
#define KEN_TEXT_TOKENIZER_PARTS_H

#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/unigram.h"

#include <jansson.h>

enum { max_steps = 16, max_special_ids = 8 };

typedef enum reading {
    READING_TOKENIZERS,    /* added tokens, normalizers, pre-tokenizers, model */
    READING_OPEN_CLIP,     /* clean, cut, BPE: OpenCLIP's SimpleTokenizer */
    READING_SENTENCEPIECE, /* spiece.model, read as SentencePiece or as SiglipTokenizer does */
} reading;

/* The normalization of a SentencePiece model, and what SigLIP does around it. */
typedef struct sentencepiece {
    charsmap map;
    bool siglip;     /* canonical text and a mark before it, as SiglipTokenizer does */
    bool lower_case; /* SiglipTokenizer's do_lower_case */
    bool add_dummy_prefix;
    bool remove_extra_whitespaces;
    bool escape_whitespaces;
    trie user_defined;     /* longest match is left as it stands by the normalization */
    size_t unknown_prefix; /* ids that encoding the unknown token's own text gives */
} sentencepiece;

struct tokenizer {
    tokenizer_options options;
    reading reading;
    vocab vocab;
    bool is_unigram;
    bpe bpe;
    unigram unigram;
    sentencepiece sentencepiece;
    added_tokens added;
    normalizer normalizers[max_steps];
    size_t n_normalizers;
    pretokenizer pretokenizers[max_steps];
    size_t n_pretokenizers;
    /* What stands around the text's ids. */
    int32_t before[max_special_ids], after[max_special_ids];
    size_t n_before, n_after;
    int32_t begin_id, end_id, pad_id, unknown_id;
    bool pad_left, truncate_left;
    bool keep_one_end; /* SiglipTokenizer adds no second </s> to a text that ends with one */
};

/* The parts of a directory's files, parsed from memory: what the fuzzer enters by. `config` is
 * tokenizer_config.json, or NULL. */
KEN_MUST_CHECK ken_status tokenizer_parse_json(tokenizer *t, const char *text, size_t size,
                                               const json_t *config, const char *where,
                                               ken_error *err);
KEN_MUST_CHECK ken_status tokenizer_parse_vocab_merges(tokenizer *t, const char *vocab_text,
                                                       size_t vocab_size, const char *merges_text,
                                                       size_t merges_size, const json_t *config,
                                                       ken_error *err);
KEN_MUST_CHECK ken_status tokenizer_parse_sentencepiece(tokenizer *t, const void *bytes,
                                                        size_t size, const json_t *config,
                                                        const char *where, ken_error *err);
/* A new, empty tokenizer; checks the options. */
KEN_MUST_CHECK ken_status tokenizer_new(const tokenizer_options *options, tokenizer **out,
                                        ken_error *err);
/* Checks what the parts give together; the last step of loading. */
KEN_MUST_CHECK ken_status tokenizer_finish(tokenizer *t, ken_error *err);

#endif
