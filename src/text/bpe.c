#include "text/bpe.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { first_merge_slots = 1 << 12, max_symbols = 1 << 26 };

struct bpe_symbol {
    int32_t id;
    int32_t previous, next; /* index or -1 */
    bool gone;              /* merged into the one before it */
};

struct bpe_candidate {
    int32_t rank;
    int32_t position;
    int32_t id;
};

void bpe_init(bpe *b, const vocab *v) {
    *b = (bpe){.vocab = v, .unknown_id = -1};
    for (int i = 0; i < 256; i++)
        b->byte_ids[i] = -1;
}

void bpe_free(bpe *b) {
    mem_free(b->slots);
    b->slots = NULL;
    b->n_slots = 0;
}

void bpe_use_byte_fallback(bpe *b) {
    b->byte_fallback = true;
    for (int i = 0; i < 256; i++) {
        char piece[8];
        int size = snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)i);
        b->byte_ids[i] = vocab_find(b->vocab, piece, (size_t)size);
    }
}

static size_t merge_slot(const bpe *b, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    key = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(key >> 20) & (b->n_slots - 1);
    while (b->slots[slot].id >= 0 && (b->slots[slot].left != left || b->slots[slot].right != right))
        slot = (slot + 1) & (b->n_slots - 1);
    return slot;
}

static const bpe_merge *find_merge(const bpe *b, int32_t left, int32_t right) {
    if (!b->n_slots)
        return NULL;
    const bpe_merge *merge = &b->slots[merge_slot(b, left, right)];
    return merge->id >= 0 ? merge : NULL;
}

/* Slots for `n_merges`, at least half of them free. */
static bool reserve_merges(bpe *b, size_t n_merges) {
    size_t n_old = b->n_slots, n = n_old ? n_old : first_merge_slots;
    while (n < n_merges * 2)
        n *= 2;
    if (n == n_old)
        return true;
    bpe_merge *old = b->slots, *slots = mem_zalloc(n, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < n; i++)
        slots[i].id = -1;
    b->slots = slots;
    b->n_slots = n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].id >= 0)
            slots[merge_slot(b, old[i].left, old[i].right)] = old[i];
    mem_free(old);
    return true;
}

ken_status bpe_reserve(bpe *b, size_t n_merges, ken_error *err) {
    if (n_merges > bpe_max_merges)
        n_merges = bpe_max_merges;
    if (!reserve_merges(b, n_merges))
        return error_set(err, KEN_NO_MEMORY, "no memory for %zu merges", n_merges);
    return KEN_OK;
}

/* The token that two parts make: the right one gives up its prefix. */
static int32_t merged_id(const bpe *b, const char *left, size_t left_size, const char *right,
                         size_t right_size) {
    size_t skip = strlen(b->prefix);
    if (skip > right_size)
        return -1;
    /* Nearly always the next one: vocabularies were filled in the order of the merges. */
    if (vocab_is(b->vocab, b->last_id + 1, left, left_size, right + skip, right_size - skip))
        return b->last_id + 1;
    char whole[512];
    size_t size = left_size + right_size - skip;
    if (size > sizeof whole)
        return -1;
    memcpy(whole, left, left_size);
    memcpy(whole + left_size, right + skip, right_size - skip);
    return vocab_find(b->vocab, whole, size);
}

ken_status bpe_add_merge(bpe *b, const char *left, size_t left_size, const char *right,
                         size_t right_size, ken_error *err) {
    size_t rank = b->n_merges;
    int32_t left_id = vocab_find(b->vocab, left, left_size);
    int32_t right_id = vocab_find(b->vocab, right, right_size);
    int32_t id = merged_id(b, left, left_size, right, right_size);
    if (left_id < 0 || right_id < 0 || id < 0)
        return error_set(err, KEN_BAD_FORMAT,
                         "merge %zu is '%.*s' and '%.*s', but %s is not in the vocabulary", rank,
                         (int)(left_size < 100 ? left_size : 100), left,
                         (int)(right_size < 100 ? right_size : 100), right,
                         left_id < 0    ? "the first part"
                         : right_id < 0 ? "the second part"
                                        : "the whole");
    if (rank >= bpe_max_merges)
        return error_set(err, KEN_TOO_LARGE, "more than %d merges", bpe_max_merges);
    if (!reserve_merges(b, rank + 1))
        return error_set(err, KEN_NO_MEMORY, "no memory for %zu merges", rank);
    /* A pair that is there twice has its last rank, as in the reference. */
    bpe_merge *slot = &b->slots[merge_slot(b, left_id, right_id)];
    *slot = (bpe_merge){left_id, right_id, (int32_t)rank, id};
    b->last_id = id;
    b->n_merges++;
    return KEN_OK;
}

ken_status bpe_add_merge_lines(bpe *b, const char *text, size_t size, ken_error *err) {
    static const char version[] = "#version";
    size_t line_number = 0;
    for (size_t i = 0; i < size;) {
        const char *line = text + i;
        const char *newline = memchr(line, '\n', size - i);
        size_t length = newline ? (size_t)(newline - line) : size - i;
        i += length + 1;
        line_number++;
        if (length && line[length - 1] == '\r')
            length--;
        bool is_version = length >= strlen(version) && !memcmp(line, version, strlen(version));
        if (is_version || length == 0)
            continue;
        const char *space = memchr(line, ' ', length);
        size_t left_size = space ? (size_t)(space - line) : 0;
        if (!space || memchr(space + 1, ' ', length - left_size - 1))
            return error_set(err, KEN_BAD_FORMAT,
                             "line %zu of the merges: expected two tokens and a space between them",
                             line_number);
        TRY(bpe_add_merge(b, line, left_size, space + 1, length - left_size - 1, err));
    }
    return KEN_OK;
}

void bpe_scratch_free(bpe_scratch *s) {
    mem_free(s->symbols);
    mem_free(s->heap);
    *s = (bpe_scratch){0};
}

/* Every symbol gives one candidate at first; every merge takes one away and gives at most two. */
static ken_status reserve(bpe_scratch *s, size_t n_symbols, ken_error *err) {
    if (n_symbols <= s->max_symbols)
        return KEN_OK;
    if (n_symbols > max_symbols)
        return error_set(err, KEN_TOO_LARGE, "a word of %zu characters, the limit is %d", n_symbols,
                         max_symbols);
    bpe_scratch_free(s);
    size_t n = n_symbols < 64 ? 64 : n_symbols;
    s->symbols = mem_alloc(n * sizeof *s->symbols);
    s->heap = mem_alloc(n * 2 * sizeof *s->heap);
    if (!s->symbols || !s->heap) {
        bpe_scratch_free(s);
        return error_set(err, KEN_NO_MEMORY, "no memory for a word of %zu characters", n_symbols);
    }
    s->max_symbols = n;
    return KEN_OK;
}

static bool comes_before(struct bpe_candidate a, struct bpe_candidate b) {
    return a.rank != b.rank ? a.rank < b.rank : a.position < b.position;
}

static void heap_push(struct bpe_candidate *heap, size_t *n, struct bpe_candidate item) {
    size_t i = (*n)++;
    while (i > 0 && comes_before(item, heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = item;
}

static struct bpe_candidate heap_pop(struct bpe_candidate *heap, size_t *n) {
    struct bpe_candidate top = heap[0], last = heap[--*n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= *n)
            break;
        if (child + 1 < *n && comes_before(heap[child + 1], heap[child]))
            child++;
        if (!comes_before(heap[child], last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}

static void push_pair(const bpe *b, bpe_scratch *s, size_t *n_heap, int32_t position) {
    const struct bpe_symbol *symbol = &s->symbols[position];
    if (symbol->next < 0)
        return;
    const bpe_merge *merge = find_merge(b, symbol->id, s->symbols[symbol->next].id);
    if (merge)
        heap_push(s->heap, n_heap, (struct bpe_candidate){merge->rank, position, merge->id});
}

static void merge_all(const bpe *b, bpe_scratch *s, size_t n_symbols) {
    size_t n_heap = 0;
    for (size_t i = 0; i + 1 < n_symbols; i++)
        push_pair(b, s, &n_heap, (int32_t)i);
    while (n_heap) {
        struct bpe_candidate top = heap_pop(s->heap, &n_heap);
        struct bpe_symbol *left = &s->symbols[top.position];
        if (left->gone || left->next < 0)
            continue;
        struct bpe_symbol *right = &s->symbols[left->next];
        const bpe_merge *merge = find_merge(b, left->id, right->id);
        if (!merge || merge->id != top.id)
            continue; /* the pair has changed since */
        left->id = top.id;
        left->next = right->next;
        right->gone = true;
        if (right->next >= 0)
            s->symbols[right->next].previous = top.position;
        if (left->previous >= 0)
            push_pair(b, s, &n_heap, left->previous);
        push_pair(b, s, &n_heap, top.position);
    }
}

/* Collects the symbols a word starts as; an unknown character waits, since the next may join it. */
typedef struct starter {
    bpe_scratch *scratch;
    size_t n_symbols;
    int32_t waiting_id; /* -1: none */
} starter;

static void add_symbol(starter *st, int32_t id) {
    int32_t i = (int32_t)st->n_symbols++;
    st->scratch->symbols[i] = (struct bpe_symbol){.id = id, .previous = i - 1, .next = -1};
    if (i > 0)
        st->scratch->symbols[i - 1].next = i;
}

static void add_waiting(starter *st) {
    if (st->waiting_id >= 0)
        add_symbol(st, st->waiting_id);
    st->waiting_id = -1;
}

/* False when one of the bytes has no token. The waiting unknown stays behind, as in the reference.
 */
static bool add_bytes(const bpe *b, starter *st, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (b->byte_ids[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < size; i++)
        add_symbol(st, b->byte_ids[(unsigned char)text[i]]);
    return true;
}

static void add_character(const bpe *b, starter *st, const char *text, size_t size) {
    int32_t id = vocab_find(b->vocab, text, size);
    if (id >= 0) {
        add_waiting(st);
        add_symbol(st, id);
    } else if (!(b->byte_fallback && add_bytes(b, st, text, size)) && b->unknown_id >= 0) {
        if (!b->fuse_unknown)
            add_waiting(st);
        st->waiting_id = b->unknown_id;
    }
}

static void put(char *text, size_t *size, const char *part, size_t n) {
    memcpy(text + *size, part, n);
    *size += n;
}

ken_status bpe_encode(const bpe *b, const char *word, size_t size, bpe_scratch *s, id_list *out,
                      ken_error *err) {
    if (b->ignore_merges) {
        int32_t id = vocab_find(b->vocab, word, size);
        if (id >= 0) {
            id_list_push(out, id);
            return id_list_check(out, err);
        }
    }
    /* A character becomes at most one symbol per byte, and its affixes add at most theirs. */
    size_t affixes = strlen(b->prefix) + strlen(b->suffix);
    TRY(reserve(s, b->byte_fallback ? size * (1 + affixes) + 1 : size + 1, err));
    starter st = {s, 0, -1};
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t length = utf8_decode(word + i, size - i, &code);
        char text[2 * bpe_max_affix_bytes + 4];
        size_t text_size = 0;
        if (i > 0)
            put(text, &text_size, b->prefix, strlen(b->prefix));
        put(text, &text_size, word + i, length);
        if (i + length == size)
            put(text, &text_size, b->suffix, strlen(b->suffix));
        add_character(b, &st, text, text_size);
        i += length;
    }
    add_waiting(&st);
    merge_all(b, s, st.n_symbols);
    for (size_t i = 0; i < st.n_symbols; i++)
        if (!s->symbols[i].gone)
            id_list_push(out, s->symbols[i].id);
    return id_list_check(out, err);
}
