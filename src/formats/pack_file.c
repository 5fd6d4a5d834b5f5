#include "formats/pack_file.h"

#include "base/checked.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

enum { alignment = 64, page_bytes = 4096, format_version = 1 };
static const uint64_t byte_order = 0x0102030405060708;
static const char magic[8] = "kenpack\n";

/* The file: head, entries, texts (the key, then the names, each with its NUL), zeros up to a page;
 * then the blobs. */
typedef struct head {
    char magic[8];
    uint64_t byte_order;
    uint64_t version;
    uint64_t file_bytes;
    uint64_t n_entries;
    uint64_t text_bytes;
    uint64_t data_at; /* a multiple of a page */
    uint64_t sum;     /* XXH3-64 of the bytes up to data_at, with a 0 here */
} head;

struct pack_entry {
    uint64_t name_at; /* in the file */
    uint64_t data_at;
    uint64_t size_bytes;
    uint64_t sum; /* XXH3-64 of the blob */
};

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct writing {
    buf front; /* everything before the blobs */
    cache_piece *pieces;
    size_t n_pieces;
} writing;

static void put_texts(buf *front, const char *key, const pack_blob *blobs, size_t n_blobs) {
    buf_append(front, key, strlen(key) + 1);
    for (size_t i = 0; i < n_blobs; i++)
        buf_append(front, blobs[i].name, strlen(blobs[i].name) + 1);
}

static size_t text_bytes(const char *key, const pack_blob *blobs, size_t n_blobs) {
    size_t n = strlen(key) + 1;
    for (size_t i = 0; i < n_blobs; i++)
        n += strlen(blobs[i].name) + 1;
    return n;
}

static ken_status put_front(writing *w, const char *key, const pack_blob *blobs, size_t n_blobs,
                            ken_error *err) {
    size_t entries_at = sizeof(head), texts_at = entries_at + n_blobs * sizeof(struct pack_entry);
    head h = {.byte_order = byte_order,
              .version = format_version,
              .n_entries = n_blobs,
              .text_bytes = text_bytes(key, blobs, n_blobs)};
    memcpy(h.magic, magic, sizeof magic);
    h.data_at = round_up(texts_at + h.text_bytes, page_bytes);
    buf_append(&w->front, &h, sizeof h);
    size_t name_at = texts_at + strlen(key) + 1, data_at = h.data_at;
    for (size_t i = 0; i < n_blobs; i++) {
        struct pack_entry e = {.name_at = name_at,
                               .data_at = data_at,
                               .size_bytes = blobs[i].size_bytes,
                               .sum = hash_xxh64(blobs[i].data, blobs[i].size_bytes)};
        buf_append(&w->front, &e, sizeof e);
        name_at += strlen(blobs[i].name) + 1;
        data_at = round_up(data_at + e.size_bytes, alignment);
    }
    put_texts(&w->front, key, blobs, n_blobs);
    void *rest = buf_reserve(&w->front, h.data_at - w->front.size);
    TRY(buf_check(&w->front, err));
    memset(rest, 0, h.data_at - w->front.size);
    w->front.size = h.data_at;
    h.file_bytes = data_at;
    memcpy(w->front.data, &h, sizeof h);
    h.sum = hash_xxh64(w->front.data, h.data_at);
    memcpy(w->front.data, &h, sizeof h);
    return KEN_OK;
}

/* Each blob is followed by zeros up to the next one's place. */
static ken_status put_pieces(writing *w, const pack_blob *blobs, size_t n_blobs, ken_error *err) {
    static const char zeros[alignment];
    w->pieces = mem_alloc((2 * n_blobs + 1) * sizeof *w->pieces);
    if (!w->pieces)
        return error_no_memory(err, (2 * n_blobs + 1) * sizeof *w->pieces);
    w->pieces[w->n_pieces++] = (cache_piece){w->front.data, w->front.size};
    for (size_t i = 0; i < n_blobs; i++) {
        size_t size = blobs[i].size_bytes;
        w->pieces[w->n_pieces++] = (cache_piece){blobs[i].data, size};
        w->pieces[w->n_pieces++] = (cache_piece){zeros, round_up(size, alignment) - size};
    }
    return KEN_OK;
}

ken_status pack_file_write(const cache *c, const char *file, const char *key,
                           const pack_blob *blobs, size_t n_blobs, ken_error *err) {
    writing w = {0};
    buf_init(&w.front, (size_t)1 << 28);
    ken_status status = put_front(&w, key, blobs, n_blobs, err);
    if (status == KEN_OK)
        status = put_pieces(&w, blobs, n_blobs, err);
    if (status == KEN_OK)
        status = cache_write(c, file, w.pieces, w.n_pieces, err);
    buf_free(&w.front);
    mem_free(w.pieces);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Why the front cannot be believed, or NULL. */
static const char *wrong_head(const file_map *map, const head *h) {
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->byte_order != byte_order ||
        h->version != format_version)
        return "it is of another kind or version";
    if (h->file_bytes != map->size)
        return "its length is wrong";
    size_t front;
    if (h->data_at > map->size || h->data_at % page_bytes ||
        !checked_mul(h->n_entries, sizeof(struct pack_entry), &front) ||
        !checked_add(front, sizeof *h, &front) || !checked_add(front, h->text_bytes, &front) ||
        front > h->data_at || h->text_bytes == 0 || map->data[front - 1] != '\0')
        return "its header is damaged";
    return NULL;
}

/* The checksum of the bytes before the blobs, where `sum` counts as 0. */
static ken_status check_sum(const file_map *map, const head *h, bool *good, ken_error *err) {
    char *front = mem_alloc(h->data_at);
    if (!front)
        return error_no_memory(err, h->data_at);
    memcpy(front, map->data, h->data_at);
    memset(front + offsetof(head, sum), 0, sizeof h->sum);
    *good = hash_xxh64(front, h->data_at) == h->sum;
    mem_free(front);
    return KEN_OK;
}

static bool entries_are_inside(const pack_file *f, const head *h) {
    size_t texts_at = sizeof *h + h->n_entries * sizeof *f->entries;
    for (size_t i = 0; i < f->n_entries; i++) {
        const struct pack_entry *e = &f->entries[i];
        if (e->name_at < texts_at || e->name_at - texts_at >= h->text_bytes ||
            e->data_at < h->data_at || e->data_at % alignment || e->data_at > f->map.size ||
            e->size_bytes > f->map.size - e->data_at)
            return false;
    }
    return true;
}

static ken_status check(pack_file *f, const char *key, const char **wrong, ken_error *err) {
    head h;
    *wrong = "it is too short";
    if (f->map.size < sizeof h)
        return KEN_OK;
    memcpy(&h, f->map.data, sizeof h);
    *wrong = wrong_head(&f->map, &h);
    if (*wrong)
        return KEN_OK;
    bool good = false;
    TRY(check_sum(&f->map, &h, &good, err));
    f->entries = (const void *)(f->map.data + sizeof h);
    f->n_entries = h.n_entries;
    const char *texts = (const char *)(f->entries + f->n_entries);
    if (!good || !entries_are_inside(f, &h))
        *wrong = "its header is damaged";
    else if (strcmp(texts, key) != 0)
        *wrong = "it was made for something else";
    return KEN_OK;
}

ken_status pack_file_open(const cache *c, const char *file, const char *key, pack_file *out,
                          ken_error *err) {
    *out = (pack_file){0};
    const char *wrong = NULL;
    TRY(cache_map(c, file, &out->map, err));
    ken_status status = check(out, key, &wrong, err);
    if (status == KEN_OK && wrong)
        status = error_set(err, KEN_BAD_FORMAT, "'%s/%s' cannot be used: %s", cache_path(c), file,
                           wrong);
    if (status != KEN_OK)
        pack_file_close(out);
    return status;
}

void pack_file_close(pack_file *f) {
    file_map_close(&f->map);
    *f = (pack_file){0};
}

static const struct pack_entry *find(pack_file *f, const char *name) {
    for (size_t i = 0; i < f->n_entries; i++) {
        size_t at = (f->next + i) % f->n_entries;
        if (strcmp((const char *)f->map.data + f->entries[at].name_at, name) == 0) {
            f->next = at + 1;
            return &f->entries[at];
        }
    }
    return NULL;
}

ken_status pack_file_take(pack_file *f, const char *name, size_t size_bytes, const void **out,
                          ken_error *err) {
    const struct pack_entry *e = find(f, name);
    if (!e || e->size_bytes != size_bytes)
        return error_set(err, KEN_NOT_FOUND, "there is no blob '%s' of %zu bytes", name,
                         size_bytes);
    const uint8_t *data = f->map.data + e->data_at;
    if (hash_xxh64(data, size_bytes) != e->sum)
        return error_set(err, KEN_BAD_FORMAT, "blob '%s' is damaged", name);
    *out = data;
    return KEN_OK;
}
