/* formats/weights.c: one safetensors file, or several joined by an index. */
#include "formats/weights.h"

#include "base/doc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "formats/safetensors.h"
#include "formats/weights_advice.h"

#include <stdlib.h>
#include <string.h>

enum { max_index_bytes = 64 << 20, max_shards = 4096 };

typedef struct shard {
    char *name; /* as the index writes it; NULL without an index */
    char *path;
    file_map map;
    safetensors head;
} shard;

struct weights {
    shard *shards;
    size_t n_shards, capacity;
    /* With an index, the tensors it names; other tensors of the shards are not seen. */
    const safetensors_entry **items;
    const char **item_names;
    size_t n_items;
};

/* ---- opening ----------------------------------------------------------------------------------
 */

static ken_status open_shard(shard *s, const char *path, const char *name, ken_error *err) {
    *s = (shard){.path = mem_strdup(path), .name = name ? mem_strdup(name) : NULL};
    if (!s->path || (name && !s->name))
        return error_no_memory(err, strlen(path) + 1);
    TRY(file_map_open(path, &s->map, err));
    ken_status status = safetensors_parse(&s->map, path, &s->head, err);
    const char *hint, *is = NULL;
    if (status == KEN_BAD_FORMAT)
        is = safetensors_sniff(s->map.data, s->map.size, &hint);
    if (!is)
        return status;
    error_set(err, KEN_UNSUPPORTED, "'%s' is not a safetensors file: it is %s", path, is);
    return error_hint(err, KEN_UNSUPPORTED, "%s", hint);
}

static void close_shard(shard *s) {
    safetensors_reset(&s->head);
    file_map_close(&s->map);
    mem_free(s->path);
    mem_free(s->name);
}

static ken_status add_shard(weights *w, const char *path, const char *name, ken_error *err) {
    if (w->n_shards == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 1;
        shard *grown = mem_grow(w->shards, w->n_shards * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return error_no_memory(err, capacity * sizeof *grown);
        w->shards = grown;
        w->capacity = capacity;
    }
    return open_shard(&w->shards[w->n_shards++], path, name, err);
}

void weights_close(weights *w) {
    if (!w)
        return;
    for (size_t i = 0; i < w->n_shards; i++)
        close_shard(&w->shards[i]);
    mem_free(w->shards);
    mem_free((void *)(uintptr_t)w->items);
    mem_free((void *)(uintptr_t)w->item_names);
    mem_free(w);
}

/* Ends an opening: hands `w` over, or closes it. */
static ken_status finish(weights *w, ken_status status, weights **out) {
    if (status == KEN_OK)
        *out = w;
    else
        weights_close(w);
    return status;
}

ken_status weights_open_file(const char *path, weights **out, ken_error *err) {
    *out = NULL;
    weights *w = mem_zalloc(1, sizeof *w);
    if (!w)
        return error_no_memory(err, sizeof *w);
    return finish(w, add_shard(w, path, NULL, err), out);
}

/* ---- shards -----------------------------------------------------------------------------------
 */

static bool same_shard(const void *owner, size_t index, const void *key) {
    const weights *w = owner;
    return strcmp(w->shards[index].name, key) == 0;
}

/* The shard of this name, opened at its first mention. */
static ken_status find_shard(weights *w, index_table *table, const char *dir, const char *name,
                             const char *index_path, shard **out, ken_error *err) {
    uint64_t hash = hash_xxh64(name, strlen(name));
    index_slot *slot;
    index_found found = index_table_find(table, hash, same_shard, w, name, &slot);
    if (found == INDEX_HERE) {
        *out = &w->shards[slot->item - 1];
        return KEN_OK;
    }
    if (found == INDEX_CROWDED || w->n_shards == max_shards)
        return error_set(err, KEN_TOO_LARGE, "'%s' names more than %d files", index_path,
                         max_shards);
    buf path;
    buf_init(&path, 1 << 16);
    ken_status status = file_resolve_inside(dir, name, &path, err);
    if (status == KEN_OK)
        status = add_shard(w, path.data, name, err);
    else
        status = error_prefix(err, status, "'%s'", index_path);
    buf_free(&path);
    TRY(status);
    *out = &w->shards[w->n_shards - 1];
    index_table_put(slot, hash, w->n_shards - 1);
    for (size_t i = 0; i < (*out)->head.n_entries; i++)
        (*out)->head.entries[i].is_mapped = false;
    return KEN_OK;
}

static ken_status map_tensors(weights *w, index_table *table, const char *dir,
                              const char *index_path, const json_t *map, ken_error *err) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        char shown[SHOWN_NAME_BYTES];
        const char *file = json_string_value(value);
        if (!file)
            return error_set(err, KEN_BAD_FORMAT, "'%s': the file of tensor '%s' is not a string",
                             index_path, shown_name(name, shown));
        if (strlen(file) != json_string_length(value))
            return error_set(err, KEN_REFUSED,
                             "'%s': the file name '%s' of tensor '%s' holds a NUL character",
                             index_path, file, shown_name(name, shown));
        shard *s = NULL;
        TRY(find_shard(w, table, dir, file, index_path, &s, err));
        safetensors_entry *entry = safetensors_find(&s->head, name);
        if (!entry)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s' places tensor '%s' in '%s', which does not hold it", index_path,
                             shown_name(name, shown), file);
        entry->is_mapped = true;
    }
    return KEN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const shard *)a)->name, ((const shard *)b)->name);
}

/* Lists the mapped tensors: files in name order, tensors in header order. */
static ken_status list_items(weights *w, size_t n_items, ken_error *err) {
    if (w->n_shards > 1)
        qsort(w->shards, w->n_shards, sizeof *w->shards, by_name);
    w->items = mem_alloc(n_items * sizeof *w->items);
    w->item_names = mem_alloc(n_items * sizeof *w->item_names);
    if (!w->items || !w->item_names)
        return error_no_memory(err, n_items * sizeof *w->items);
    for (size_t i = 0; i < w->n_shards; i++) {
        const safetensors *head = &w->shards[i].head;
        for (size_t k = 0; k < head->n_entries; k++)
            if (head->entries[k].is_mapped) {
                w->items[w->n_items] = &head->entries[k];
                w->item_names[w->n_items++] = safetensors_name(head, k);
            }
    }
    return KEN_OK;
}

static ken_status open_index(weights *w, const char *dir, const char *index_path, ken_error *err) {
    json_t *index;
    TRY(doc_read(index_path, max_index_bytes, &index, err));
    const json_t *map = NULL;
    index_table table = {0};
    ken_status status = doc_get_object(index, "weight_map", index_path, &map, err);
    if (status == KEN_OK && (!map || json_object_size(map) == 0))
        status = error_set(err, KEN_BAD_FORMAT, "'%s' has no 'weight_map'", index_path);
    if (status == KEN_OK)
        status = index_table_init(&table, max_shards, err);
    if (status == KEN_OK)
        status = map_tensors(w, &table, dir, index_path, map, err);
    if (status == KEN_OK)
        status = list_items(w, json_object_size(map), err);
    index_table_reset(&table);
    json_decref(index);
    return status;
}

/* ---- a model's directory ----------------------------------------------------------------------
 */

/* Opens DIR/<name><suffix> if it is there; *found says so. */
static ken_status try_open(weights *w, const char *dir, const char *name, const char *suffix,
                           bool *found, ken_error *err) {
    buf file, path;
    buf_init(&file, 1 << 12);
    buf_init(&path, 1 << 16);
    buf_printf(&file, "%s%s", name, suffix);
    ken_status status = buf_check(&file, err);
    if (status == KEN_OK && !file_join(&path, dir, file.data))
        status = buf_check(&path, err);
    *found = status == KEN_OK && file_exists(path.data);
    if (*found) {
        status = file_resolve_inside(dir, file.data, &path, err);
        if (status == KEN_REFUSED)
            error_hint(err, status, "copy the file into the directory, or make a hard link");
        else if (status == KEN_OK)
            status = strstr(suffix, "index") ? open_index(w, dir, path.data, err)
                                             : add_shard(w, path.data, NULL, err);
    }
    buf_free(&file);
    buf_free(&path);
    return status;
}

static ken_status open_any(weights *w, const char *dir, const char *const *names, ken_error *err) {
    static const char *const suffixes[] = {".safetensors", ".safetensors.index.json"};
    for (const char *const *name = names; *name; name++)
        for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
            bool found = false;
            ken_status status = try_open(w, dir, *name, suffixes[i], &found, err);
            if (found || status != KEN_OK)
                return status;
        }
    return advise_on_directory(dir, names, err);
}

ken_status weights_open(const char *dir, const char *const *names, weights **out, ken_error *err) {
    *out = NULL;
    if (!file_is_directory(dir))
        return error_set(err, KEN_NOT_FOUND, "model directory '%s' is not there", dir);
    weights *w = mem_zalloc(1, sizeof *w);
    if (!w)
        return error_no_memory(err, sizeof *w);
    return finish(w, open_any(w, dir, names, err), out);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

size_t weights_count(const weights *w) {
    return w->items ? w->n_items : w->shards[0].head.n_entries;
}

const char *weights_name(const weights *w, size_t index) {
    return w->items ? w->item_names[index] : safetensors_name(&w->shards[0].head, index);
}

const tensor *weights_at(const weights *w, size_t index) {
    return w->items ? &w->items[index]->value : &w->shards[0].head.entries[index].value;
}

const tensor *weights_find(const weights *w, const char *name) {
    for (size_t i = 0; i < w->n_shards; i++) {
        const safetensors_entry *entry = safetensors_find(&w->shards[i].head, name);
        if (entry && entry->is_mapped)
            return &entry->value;
    }
    return NULL;
}

ken_status weights_get(const weights *w, const char *name, int rank, const int64_t *shape,
                       const tensor **out, ken_error *err) {
    const tensor *found = weights_find(w, name);
    bool same = found && found->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = found->shape[i] == shape[i];
    if (!same)
        return advise_on_tensor(w, name, rank, shape, found, err);
    *out = found;
    return KEN_OK;
}

const char *weights_metadata(const weights *w, const char *key) {
    for (size_t i = 0; i < w->n_shards; i++) {
        const char *value = safetensors_metadata(&w->shards[i].head, key);
        if (value)
            return value;
    }
    return NULL;
}

const char *weights_path(const weights *w) {
    return w->shards[0].path;
}

size_t weights_n_files(const weights *w) {
    return w->n_shards;
}

weights_file weights_file_at(const weights *w, size_t index) {
    const shard *s = &w->shards[index];
    return (weights_file){s->name, s->path, &s->map};
}
