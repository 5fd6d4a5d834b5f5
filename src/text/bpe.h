/* text/bpe.h: byte-pair encoding as the tokenizers library does it: of all neighbouring pairs the
 * one with the lowest rank is merged first, the leftmost of equals. A heap makes that n log n.
 *
 * OpenCLIP's own loop merges all occurrences of a pair before it looks again; with a vocabulary in
 * which no token can be made before its parts, as the standard one, the result is the same. */
#ifndef KEN_TEXT_BPE_H
#define KEN_TEXT_BPE_H

#include "text/codes.h"
#include "text/vocab.h"

enum { bpe_max_merges = 4 * 1000 * 1000, bpe_max_affix_bytes = 32 };

typedef struct bpe_merge {
    int32_t left, right;
    int32_t rank;
    int32_t id; /* of the merged token; slots with id < 0 are free */
} bpe_merge;

typedef struct bpe {
    const vocab *vocab;
    bpe_merge *slots; /* open addressing on (left, right) */
    size_t n_slots;
    size_t n_merges;
    int32_t last_id;       /* of the merge added last */
    int32_t unknown_id;    /* -1: characters without a token are left out */
    int32_t byte_ids[256]; /* of "<0x00>" ... for byte_fallback, -1 where missing */
    bool byte_fallback;
    bool fuse_unknown;
    bool ignore_merges;               /* a word that is a token as it stands is not split */
    char prefix[bpe_max_affix_bytes]; /* of every character but the first of a word */
    char suffix[bpe_max_affix_bytes]; /* of the last character of a word */
} bpe;

/* `vocab` is borrowed and must be complete before bpe_add_merge. */
void bpe_init(bpe *b, const vocab *v);
void bpe_free(bpe *b);
/* Room for this many merges. Not needed: adding makes room, too. */
KEN_MUST_CHECK ken_status bpe_reserve(bpe *b, size_t n_merges, ken_error *err);
/* The next merge in order of rank. Parts and whole must be in the vocabulary. */
KEN_MUST_CHECK ken_status bpe_add_merge(bpe *b, const char *left, size_t left_size,
                                        const char *right, size_t right_size, ken_error *err);
/* As merges.txt has it: "left right" a line; lines that begin with "#version" are skipped. */
KEN_MUST_CHECK ken_status bpe_add_merge_lines(bpe *b, const char *text, size_t size,
                                              ken_error *err);
/* Looks up the byte tokens. */
void bpe_use_byte_fallback(bpe *b);

/* Memory for encoding, reused from word to word. A zeroed one is ready. */
typedef struct bpe_scratch {
    struct bpe_symbol *symbols;
    struct bpe_candidate *heap;
    size_t max_symbols;
} bpe_scratch;
void bpe_scratch_free(bpe_scratch *s);

/* Appends the ids of one word, which is valid UTF-8. */
KEN_MUST_CHECK ken_status bpe_encode(const bpe *b, const char *word, size_t size, bpe_scratch *s,
                                     id_list *out, ken_error *err);

#endif
