/* text/unigram.h: the Unigram language model: of all ways to cut a text into pieces, the one with
 * the highest sum of scores (Viterbi).
 *
 * SentencePiece keeps sums in single precision, the tokenizers library in double: ties and near
 * ties differ, so the reader says which. */
#ifndef KEN_TEXT_UNIGRAM_H
#define KEN_TEXT_UNIGRAM_H

#include "text/codes.h"
#include "text/trie.h"

typedef struct unigram {
    trie pieces; /* values are ids */
    double *scores;
    bool *user_defined; /* NULL: none */
    size_t n_scores;    /* largest id + 1 */
    double min_score, max_score;
    int32_t unknown_id; /* -1: a text with an unknown character is an error */
    int32_t byte_ids[256];
    bool byte_fallback;
    bool single_precision;
} unigram;

void unigram_free(unigram *u);

typedef struct unigram_scratch {
    struct unigram_node *nodes;
    size_t max_nodes;
} unigram_scratch;
void unigram_scratch_free(unigram_scratch *s);

/* Appends the ids; neighbouring unknown characters are one. */
KEN_MUST_CHECK ken_status unigram_encode(const unigram *u, const uint32_t *text, size_t n,
                                         unigram_scratch *s, id_list *out, ken_error *err);

#endif
