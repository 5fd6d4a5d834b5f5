/* text/trie.h: a set of code point strings, walked one code point at a time. */
#ifndef KEN_TEXT_TRIE_H
#define KEN_TEXT_TRIE_H

#include "base/error.h"

typedef struct trie_edge {
    uint64_t key; /* node << 21 | code point; 0 is free */
    int32_t child;
} trie_edge;

typedef struct trie {
    trie_edge *edges; /* open addressing */
    size_t n_edges, n_slots;
    int32_t *values; /* of each node, -1: no string ends here */
    size_t n_nodes, max_nodes;
} trie;

enum { trie_root = 0 };

/* A zeroed trie is empty and ready. */
void trie_free(trie *t);
/* The last value given to a string stays. `value` >= 0. */
KEN_MUST_CHECK ken_status trie_add(trie *t, const uint32_t *text, size_t n, int32_t value,
                                   ken_error *err);
/* The node that follows `node` by `code`, or -1. */
int32_t trie_step(const trie *t, int32_t node, uint32_t code);
/* The value of a node, or -1. */
static inline int32_t trie_value(const trie *t, int32_t node) {
    return t->values[node];
}
/* The longest string of the trie at the start of the text: its value and length, or -1. */
int32_t trie_longest(const trie *t, const uint32_t *text, size_t n, size_t *length);

#endif
