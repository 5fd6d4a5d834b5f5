/* formats/safetensors_layout.c: coverage of the data, and unique names, in linear time.
 *
 * Headers list tensors in any order. Instead of sorting them, they are found by where they begin: a
 * walk from byte 0, each step to the tensor that begins where the last one ended, must meet every
 * tensor that has bytes and end at the end of the data. Tensors without bytes may lie at any step.
 */
#include "formats/safetensors_layout.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

typedef struct layout {
    const safetensors *s;
    const uint8_t *data;
    const char *path;
    index_table by_begin;
    size_t n_with_bytes;
} layout;

static size_t begin_of(const layout *l, size_t index) {
    return (size_t)((const uint8_t *)l->s->entries[index].value.data - l->data);
}

static bool same_begin(const void *owner, size_t index, const void *key) {
    return begin_of(owner, index) == *(const size_t *)key;
}

static uint64_t begin_hash(size_t begin) {
    return hash_xxh64(&begin, sizeof begin);
}

static index_found find_begin(const layout *l, size_t begin, index_slot **slot) {
    return index_table_find(&l->by_begin, begin_hash(begin), same_begin, l, &begin, slot);
}

static const char *shown(const layout *l, size_t index, char out[SHOWN_NAME_BYTES]) {
    return shown_name(safetensors_name(l->s, index), out);
}

static ken_status crowded(const char *path, ken_error *err) {
    return error_set(err, KEN_REFUSED, "'%s': the header was made to slow its readers down", path);
}

static ken_status index_begins(layout *l, ken_error *err) {
    char a[SHOWN_NAME_BYTES], b[SHOWN_NAME_BYTES];
    for (size_t i = 0; i < l->s->n_entries; i++) {
        if (l->s->entries[i].value.size_bytes == 0)
            continue;
        index_slot *slot;
        index_found found = find_begin(l, begin_of(l, i), &slot);
        if (found == INDEX_CROWDED)
            return crowded(l->path, err);
        if (found == INDEX_HERE)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': invalid offset: tensors '%s' and '%s' overlap", l->path,
                             shown(l, slot->item - 1, a), shown(l, i, b));
        index_table_put(slot, begin_hash(begin_of(l, i)), i);
        l->n_with_bytes++;
    }
    return KEN_OK;
}

static ken_status walk(const layout *l, size_t data_bytes, ken_error *err) {
    size_t at = 0, n_met = 0, last = 0;
    char name[SHOWN_NAME_BYTES];
    index_slot *slot;
    while (find_begin(l, at, &slot) == INDEX_HERE) {
        last = slot->item - 1;
        at += l->s->entries[last].value.size_bytes;
        n_met++;
    }
    if (n_met < l->n_with_bytes && n_met == 0)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': invalid offset: no tensor begins at byte 0 of the data", l->path);
    if (n_met < l->n_with_bytes)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': invalid offset: a hole or an overlap: tensor '%s' ends at byte %zu "
                         "of the data, where none of the other %zu begins",
                         l->path, shown(l, last, name), at, l->n_with_bytes - n_met);
    if (at != data_bytes)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': incomplete buffer: the tensors end at byte %zu of the data, which "
                         "has %zu",
                         l->path, at, data_bytes);
    return KEN_OK;
}

/* A tensor without bytes must not lie inside another. */
static ken_status check_empty(const layout *l, size_t data_bytes, ken_error *err) {
    char name[SHOWN_NAME_BYTES];
    for (size_t i = 0; i < l->s->n_entries; i++) {
        size_t at = begin_of(l, i);
        index_slot *slot;
        if (l->s->entries[i].value.size_bytes == 0 && at != data_bytes &&
            find_begin(l, at, &slot) != INDEX_HERE)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': invalid offset: tensor '%s' lies inside another, at byte %zu "
                             "of the data",
                             l->path, shown(l, i, name), at);
    }
    return KEN_OK;
}

/* Files are mostly written in header order, which needs no table to check. */
static bool is_in_order(const layout *l, size_t data_bytes) {
    size_t at = 0;
    for (size_t i = 0; i < l->s->n_entries; i++) {
        if (begin_of(l, i) != at)
            return false;
        at += l->s->entries[i].value.size_bytes;
    }
    return at == data_bytes;
}

ken_status safetensors_check_layout(const safetensors *s, const uint8_t *data, size_t data_bytes,
                                    const char *path, ken_error *err) {
    layout l = {.s = s, .data = data, .path = path};
    if (is_in_order(&l, data_bytes))
        return KEN_OK;
    TRY(index_table_init(&l.by_begin, s->n_entries, err));
    ken_status status = index_begins(&l, err);
    if (status == KEN_OK)
        status = walk(&l, data_bytes, err);
    if (status == KEN_OK)
        status = check_empty(&l, data_bytes, err);
    index_table_reset(&l.by_begin);
    return status;
}

static bool same_name(const void *owner, size_t index, const void *key) {
    return strcmp(safetensors_name(owner, index), key) == 0;
}

static index_found find_name(const safetensors *s, const char *name, uint64_t hash,
                             index_slot **slot) {
    return index_table_find(&s->by_name, hash, same_name, s, name, slot);
}

ken_status safetensors_index_names(safetensors *s, const char *path, ken_error *err) {
    TRY(index_table_init(&s->by_name, s->n_entries, err));
    for (size_t i = 0; i < s->n_entries; i++) {
        const char *name = safetensors_name(s, i);
        uint64_t hash = hash_xxh64(name, strlen(name));
        index_slot *slot;
        char shown[SHOWN_NAME_BYTES];
        index_found found = find_name(s, name, hash, &slot);
        if (found == INDEX_CROWDED)
            return crowded(path, err);
        if (found == INDEX_HERE)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': invalid header: duplicate tensor name '%s'", path,
                             shown_name(name, shown));
        index_table_put(slot, hash, i);
    }
    return KEN_OK;
}

safetensors_entry *safetensors_find(const safetensors *s, const char *name) {
    index_slot *slot;
    if (!s->by_name.n_slots ||
        find_name(s, name, hash_xxh64(name, strlen(name)), &slot) != INDEX_HERE)
        return NULL;
    return &s->entries[slot->item - 1];
}

/* The owner of metadata keys: where each key stands, gathered for the check only. */
typedef struct metadata_keys {
    const char *text;
    const uint32_t *at;
} metadata_keys;

static bool same_key(const void *owner, size_t index, const void *key) {
    const metadata_keys *keys = owner;
    return strcmp(keys->text + keys->at[index], key) == 0;
}

static ken_status check_keys(const safetensors *s, const index_table *table, uint32_t *key_at,
                             const char *path, ken_error *err) {
    metadata_keys keys = {s->text, key_at};
    size_t at = s->metadata_at;
    for (size_t i = 0; i < s->n_metadata; i++) {
        const char *key = s->text + at;
        size_t n = strlen(key);
        uint64_t hash = hash_xxh64(key, n);
        index_slot *slot;
        char shown[SHOWN_NAME_BYTES];
        index_found found = index_table_find(table, hash, same_key, &keys, key, &slot);
        if (found == INDEX_CROWDED)
            return crowded(path, err);
        if (found == INDEX_HERE)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': invalid header: duplicate key '%s' in '__metadata__'", path,
                             shown_name(key, shown));
        key_at[i] = (uint32_t)at;
        index_table_put(slot, hash, i);
        at += n + 1;
        at += strlen(s->text + at) + 1;
    }
    return KEN_OK;
}

ken_status safetensors_check_metadata(const safetensors *s, const char *path, ken_error *err) {
    if (s->n_metadata < 2)
        return KEN_OK;
    index_table table;
    TRY(index_table_init(&table, s->n_metadata, err));
    uint32_t *key_at = mem_alloc(s->n_metadata * sizeof *key_at);
    ken_status status = key_at ? check_keys(s, &table, key_at, path, err)
                               : error_no_memory(err, s->n_metadata * sizeof *key_at);
    mem_free(key_at);
    index_table_reset(&table);
    return status;
}
