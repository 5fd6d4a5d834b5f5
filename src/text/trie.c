#include "text/trie.h"

#include "base/mem.h"

enum { first_slots = 64, max_trie_nodes = 1 << 26, code_bits = 21 };

void trie_free(trie *t) {
    mem_free(t->edges);
    mem_free(t->values);
    *t = (trie){0};
}

static size_t find_slot(const trie *t, uint64_t key) {
    uint64_t mixed = (key ^ key >> 31) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(mixed >> 22) & (t->n_slots - 1);
    while (t->edges[slot].key && t->edges[slot].key != key)
        slot = (slot + 1) & (t->n_slots - 1);
    return slot;
}

/* The root is node 0, so node + 1 keeps every key above 0. */
static uint64_t edge_key(int32_t node, uint32_t code) {
    return ((uint64_t)(uint32_t)node + 1) << code_bits | code;
}

static bool grow_edges(trie *t) {
    if (t->n_edges * 2 < t->n_slots)
        return true;
    size_t n_old = t->n_slots, n = n_old ? n_old * 2 : first_slots;
    trie_edge *old = t->edges, *edges = mem_zalloc(n, sizeof *edges);
    if (!edges)
        return false;
    t->edges = edges;
    t->n_slots = n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].key)
            edges[find_slot(t, old[i].key)] = old[i];
    mem_free(old);
    return true;
}

static int32_t add_node(trie *t) {
    if (t->n_nodes == t->max_nodes) {
        size_t n = t->max_nodes ? t->max_nodes * 2 : first_slots;
        int32_t *values = n > max_trie_nodes ? NULL
                                             : mem_grow(t->values, t->n_nodes * sizeof *values,
                                                        n * sizeof *values);
        if (!values)
            return -1;
        t->values = values;
        t->max_nodes = n;
    }
    t->values[t->n_nodes] = -1;
    return (int32_t)t->n_nodes++;
}

ken_status trie_add(trie *t, const uint32_t *text, size_t n, int32_t value, ken_error *err) {
    bool ok = t->n_nodes > 0 || add_node(t) == trie_root;
    int32_t node = trie_root;
    for (size_t i = 0; ok && i < n; i++) {
        if (!grow_edges(t)) {
            ok = false;
            break;
        }
        trie_edge *edge = &t->edges[find_slot(t, edge_key(node, text[i]))];
        if (!edge->key) {
            int32_t child = add_node(t);
            if (child < 0) {
                ok = false;
                break;
            }
            *edge = (trie_edge){edge_key(node, text[i]), child};
            t->n_edges++;
        }
        node = edge->child;
    }
    if (!ok)
        return error_set(err, KEN_NO_MEMORY, "no memory for a vocabulary tree of %zu nodes",
                         t->n_nodes);
    t->values[node] = value;
    return KEN_OK;
}

int32_t trie_step(const trie *t, int32_t node, uint32_t code) {
    if (!t->n_slots)
        return -1;
    const trie_edge *edge = &t->edges[find_slot(t, edge_key(node, code))];
    return edge->key ? edge->child : -1;
}

int32_t trie_longest(const trie *t, const uint32_t *text, size_t n, size_t *length) {
    int32_t best = -1, node = trie_root;
    for (size_t i = 0; i < n; i++) {
        node = trie_step(t, node, text[i]);
        if (node < 0)
            break;
        if (trie_value(t, node) >= 0) {
            best = trie_value(t, node);
            *length = i + 1;
        }
    }
    return best;
}
