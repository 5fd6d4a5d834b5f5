#include "text/unigram.h"

#include "base/mem.h"
#include "base/utf8.h"

static const double unknown_penalty = 10.0;
static const double user_defined_malus = 0.1;

/* The best path that ends before a position. */
struct unigram_node {
    double score;
    int32_t id;
    int32_t begin; /* -1: no path yet */
};

void unigram_free(unigram *u) {
    trie_free(&u->pieces);
    mem_free(u->scores);
    mem_free(u->user_defined);
    u->scores = NULL;
    u->user_defined = NULL;
}

void unigram_scratch_free(unigram_scratch *s) {
    mem_free(s->nodes);
    *s = (unigram_scratch){0};
}

static ken_status reserve(unigram_scratch *s, size_t n, ken_error *err) {
    if (n <= s->max_nodes)
        return KEN_OK;
    unigram_scratch_free(s);
    if (n > INT32_MAX)
        return error_set(err, KEN_TOO_LARGE, "a text of %zu characters", n);
    s->nodes = mem_alloc(n * sizeof *s->nodes);
    if (!s->nodes)
        return error_no_memory(err, n * sizeof *s->nodes);
    s->max_nodes = n;
    return KEN_OK;
}

static void improve(const unigram *u, struct unigram_node *node, double score, int32_t id,
                    size_t begin) {
    if (u->single_precision)
        score = (double)(float)score;
    if (node->begin < 0 || score > node->score)
        *node = (struct unigram_node){score, id, (int32_t)begin};
}

static size_t utf8_length(uint32_t code) {
    return code < 0x80 ? 1u : code < 0x800 ? 2u : code < 0x10000 ? 3u : 4u;
}

/* Extends the path that ends at `begin` by every piece that begins there. */
static void extend(const unigram *u, const uint32_t *text, size_t n, size_t begin,
                   struct unigram_node *nodes) {
    double so_far = nodes[begin].score;
    bool single = false; /* a piece of one character is there */
    int32_t node = trie_root;
    size_t bytes = 0;
    for (size_t end = begin; end < n;) {
        bytes += utf8_length(text[end]);
        node = trie_step(&u->pieces, node, text[end++]);
        if (node < 0)
            break;
        int32_t id = trie_value(&u->pieces, node);
        if (id < 0)
            continue;
        double score = u->user_defined && u->user_defined[id]
                           ? (double)((float)bytes * (float)u->max_score) - user_defined_malus
                           : u->scores[id];
        improve(u, &nodes[end], score + so_far, id, begin);
        single = single || end == begin + 1;
    }
    double unknown = u->min_score - unknown_penalty;
    if (u->single_precision)
        unknown = (double)(float)unknown;
    if (!single)
        improve(u, &nodes[begin + 1], unknown + so_far, u->unknown_id, begin);
}

/* An unknown stretch as bytes when all of them have tokens, else as the unknown token. */
static void put_unknown(const unigram *u, const uint32_t *text, size_t begin, size_t end,
                        id_list *out) {
    size_t mark = out->size;
    for (size_t i = begin; u->byte_fallback && i < end; i++) {
        char bytes[4];
        size_t size = utf8_encode(text[i], bytes);
        for (size_t k = 0; k < size; k++) {
            int32_t id = u->byte_ids[(unsigned char)bytes[k]];
            if (id < 0) {
                out->size = mark;
                id_list_push(out, u->unknown_id);
                return;
            }
            id_list_push(out, id);
        }
    }
    if (!u->byte_fallback)
        id_list_push(out, u->unknown_id);
}

ken_status unigram_encode(const unigram *u, const uint32_t *text, size_t n, unigram_scratch *s,
                          id_list *out, ken_error *err) {
    if (n == 0)
        return KEN_OK;
    TRY(reserve(s, n + 1, err));
    struct unigram_node *nodes = s->nodes;
    for (size_t i = 0; i <= n; i++)
        nodes[i] = (struct unigram_node){0, -1, -1};
    for (size_t i = 0; i < n; i++)
        extend(u, text, n, i, nodes);
    /* Turn the backward links into forward ones: `begin` of a node becomes the end of its piece. */
    int32_t end = (int32_t)n, id = -1;
    for (int32_t at = (int32_t)n; at >= 0;) {
        struct unigram_node here = nodes[at];
        nodes[at].begin = end;
        nodes[at].id = id;
        end = at;
        id = here.id;
        at = here.begin;
    }
    for (int32_t at = 0; at < (int32_t)n;) {
        int32_t begin = at, piece = nodes[at].id;
        at = nodes[at].begin;
        if (piece != u->unknown_id) {
            id_list_push(out, piece);
            continue;
        }
        while (at < (int32_t)n && nodes[at].id == piece)
            at = nodes[at].begin;
        if (u->unknown_id < 0)
            return error_set(err, KEN_BAD_FORMAT,
                             "the text has a character that the vocabulary lacks, and the "
                             "vocabulary has no unknown token");
        put_unknown(u, text, (size_t)begin, (size_t)at, out);
    }
    return id_list_check(out, err);
}
