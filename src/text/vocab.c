#include "text/vocab.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum { max_text_bytes = 1 << 28, first_slots = 1 << 12 };

/* Of a piece in a message. */
static int shown(size_t size) {
    return size < 100 ? (int)size : 100;
}

void vocab_init(vocab *v) {
    *v = (vocab){0};
    buf_init(&v->text, max_text_bytes);
}

void vocab_free(vocab *v) {
    buf_free(&v->text);
    mem_free(v->entries);
    mem_free(v->slots);
    mem_free(v->by_id);
    *v = (vocab){0};
}

struct vocab_slot {
    uint32_t entry; /* index + 1; 0: free */
    uint32_t tag;   /* of the piece's hash: spares most looks at the piece */
};

/* The slot that holds the piece, or the free one where it belongs. */
static size_t find_slot(const vocab *v, const char *piece, size_t size, uint64_t hash) {
    size_t slot = hash & (v->n_slots - 1);
    uint32_t tag = (uint32_t)(hash >> 32);
    for (; v->slots[slot].entry; slot = (slot + 1) & (v->n_slots - 1)) {
        if (v->slots[slot].tag != tag)
            continue;
        const vocab_entry *entry = &v->entries[v->slots[slot].entry - 1];
        if (entry->size == size && memcmp(v->text.data + entry->offset, piece, size) == 0)
            break;
    }
    return slot;
}

static void put_slot(vocab *v, size_t slot, size_t index, uint64_t hash) {
    v->slots[slot] = (struct vocab_slot){(uint32_t)index + 1, (uint32_t)(hash >> 32)};
}

/* Slots for `n_entries`, at least half of them free. */
static bool reserve_slots(vocab *v, size_t n_entries) {
    size_t n = v->n_slots ? v->n_slots : first_slots;
    while (n < n_entries * 2)
        n *= 2;
    if (n == v->n_slots)
        return true;
    struct vocab_slot *slots = mem_zalloc(n, sizeof *slots);
    if (!slots)
        return false;
    mem_free(v->slots);
    v->slots = slots;
    v->n_slots = n;
    for (size_t i = 0; i < v->n_entries; i++) {
        const char *piece = v->text.data + v->entries[i].offset;
        uint64_t hash = hash_xxh64(piece, v->entries[i].size);
        put_slot(v, find_slot(v, piece, v->entries[i].size, hash), i, hash);
    }
    return true;
}

static bool reserve_entries(vocab *v, size_t n_entries) {
    size_t n = v->max_entries ? v->max_entries : first_slots;
    while (n < n_entries)
        n *= 2;
    if (n == v->max_entries)
        return true;
    vocab_entry *entries =
        mem_grow(v->entries, v->n_entries * sizeof *entries, n * sizeof *entries);
    if (!entries)
        return false;
    v->entries = entries;
    v->max_entries = n;
    return true;
}

static bool grow_ids(vocab *v, size_t id) {
    if (id >= v->max_ids) {
        size_t n = v->max_ids ? v->max_ids : first_slots;
        while (n <= id)
            n *= 2;
        uint32_t *by_id = mem_grow(v->by_id, v->n_ids * sizeof *by_id, n * sizeof *by_id);
        if (!by_id)
            return false;
        memset(by_id + v->n_ids, 0, (n - v->n_ids) * sizeof *by_id);
        v->by_id = by_id;
        v->max_ids = n;
    }
    if (id >= v->n_ids)
        v->n_ids = id + 1;
    return true;
}

static ken_status no_room(const vocab *v, ken_error *err) {
    return error_set(err, KEN_NO_MEMORY, "no memory for a vocabulary of %zu tokens", v->n_entries);
}

ken_status vocab_reserve(vocab *v, size_t n_entries, size_t text_bytes, ken_error *err) {
    if (n_entries > vocab_max_id)
        n_entries = vocab_max_id;
    if (text_bytes > max_text_bytes - v->text.size)
        text_bytes = max_text_bytes - v->text.size;
    bool fits = reserve_slots(v, n_entries) && reserve_entries(v, n_entries) &&
                buf_reserve(&v->text, text_bytes);
    return fits ? KEN_OK : no_room(v, err);
}

ken_status vocab_add(vocab *v, const char *piece, size_t size, int64_t id, ken_error *err) {
    if (id < 0 || id >= vocab_max_id)
        return error_set(err, KEN_BAD_FORMAT, "token '%.*s' has id %lld, expected 0 to %d",
                         shown(size), piece, (long long)id, vocab_max_id - 1);
    if (!reserve_slots(v, v->n_entries + 1) || !reserve_entries(v, v->n_entries + 1) ||
        !grow_ids(v, (size_t)id))
        return no_room(v, err);
    uint64_t hash = hash_xxh64(piece, size);
    size_t slot = find_slot(v, piece, size, hash);
    if (v->slots[slot].entry)
        return error_set(err, KEN_BAD_FORMAT, "token '%.*s' is there twice, as %d and as %lld",
                         shown(size), piece, v->entries[v->slots[slot].entry - 1].id,
                         (long long)id);
    if (v->by_id[id])
        return error_set(err, KEN_BAD_FORMAT, "tokens '%.100s' and '%.*s' both have id %lld",
                         v->text.data + v->entries[v->by_id[id] - 1].offset, shown(size), piece,
                         (long long)id);
    size_t offset = v->text.size;
    buf_append(&v->text, piece, size);
    buf_putc(&v->text, '\0');
    TRY(buf_check(&v->text, err));
    v->entries[v->n_entries++] = (vocab_entry){(uint32_t)offset, (uint32_t)size, (int32_t)id};
    put_slot(v, slot, v->n_entries - 1, hash);
    v->by_id[id] = (uint32_t)v->n_entries;
    return KEN_OK;
}

int32_t vocab_find(const vocab *v, const char *piece, size_t size) {
    if (!v->n_slots)
        return -1;
    uint32_t entry = v->slots[find_slot(v, piece, size, hash_xxh64(piece, size))].entry;
    return entry ? v->entries[entry - 1].id : -1;
}

bool vocab_is(const vocab *v, int32_t id, const char *left, size_t left_size, const char *right,
              size_t right_size) {
    size_t size;
    const char *piece = vocab_piece(v, id, &size);
    return piece && size == left_size + right_size && memcmp(piece, left, left_size) == 0 &&
           memcmp(piece + left_size, right, right_size) == 0;
}

const char *vocab_piece(const vocab *v, int32_t id, size_t *size) {
    if (id < 0 || (size_t)id >= v->n_ids || !v->by_id[id])
        return NULL;
    const vocab_entry *entry = &v->entries[v->by_id[id] - 1];
    if (size)
        *size = entry->size;
    return v->text.data + entry->offset;
}
