#include "text/vocab.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum { max_text_bytes = 1 << 28, first_slots = 1 << 12 };

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

/* The slot that holds the piece, or the free one where it belongs. */
static size_t find_slot(const vocab *v, const char *piece, size_t size) {
    size_t slot = hash_xxh64(piece, size) & (v->n_slots - 1);
    while (v->slots[slot]) {
        const vocab_entry *entry = &v->entries[v->slots[slot] - 1];
        if (entry->size == size && memcmp(v->text.data + entry->offset, piece, size) == 0)
            break;
        slot = (slot + 1) & (v->n_slots - 1);
    }
    return slot;
}

static bool grow_slots(vocab *v) {
    if (v->n_entries * 2 < v->n_slots)
        return true;
    size_t n = v->n_slots ? v->n_slots * 2 : first_slots;
    uint32_t *slots = mem_zalloc(n, sizeof *slots);
    if (!slots)
        return false;
    mem_free(v->slots);
    v->slots = slots;
    v->n_slots = n;
    for (size_t i = 0; i < v->n_entries; i++) {
        const vocab_entry *entry = &v->entries[i];
        slots[find_slot(v, v->text.data + entry->offset, entry->size)] = (uint32_t)i + 1;
    }
    return true;
}

static bool grow_entries(vocab *v) {
    if (v->n_entries < v->max_entries)
        return true;
    size_t n = v->max_entries ? v->max_entries * 2 : first_slots;
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

ken_status vocab_add(vocab *v, const char *piece, size_t size, int64_t id, ken_error *err) {
    if (id < 0 || id >= vocab_max_id)
        return error_set(err, KEN_BAD_FORMAT, "token '%.100s' has id %lld, expected 0 to %d", piece,
                         (long long)id, vocab_max_id - 1);
    if (!grow_slots(v) || !grow_entries(v) || !grow_ids(v, (size_t)id))
        return error_set(err, KEN_NO_MEMORY, "no memory for a vocabulary of %zu tokens",
                         v->n_entries);
    size_t slot = find_slot(v, piece, size);
    if (v->slots[slot])
        return error_set(err, KEN_BAD_FORMAT, "token '%.100s' is there twice, as %d and as %lld",
                         piece, v->entries[v->slots[slot] - 1].id, (long long)id);
    if (v->by_id[id])
        return error_set(err, KEN_BAD_FORMAT, "tokens '%.100s' and '%.100s' both have id %lld",
                         v->text.data + v->entries[v->by_id[id] - 1].offset, piece, (long long)id);
    size_t offset = v->text.size;
    buf_append(&v->text, piece, size);
    buf_putc(&v->text, '\0');
    TRY(buf_check(&v->text, err));
    v->entries[v->n_entries++] = (vocab_entry){(uint32_t)offset, (uint32_t)size, (int32_t)id};
    v->slots[slot] = (uint32_t)v->n_entries;
    v->by_id[id] = (uint32_t)v->n_entries;
    return KEN_OK;
}

int32_t vocab_find(const vocab *v, const char *piece, size_t size) {
    if (!v->n_slots)
        return -1;
    uint32_t index = v->slots[find_slot(v, piece, size)];
    return index ? v->entries[index - 1].id : -1;
}

const char *vocab_piece(const vocab *v, int32_t id, size_t *size) {
    if (id < 0 || (size_t)id >= v->n_ids || !v->by_id[id])
        return NULL;
    const vocab_entry *entry = &v->entries[v->by_id[id] - 1];
    if (size)
        *size = entry->size;
    return v->text.data + entry->offset;
}
