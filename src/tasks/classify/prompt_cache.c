#include "tasks/classify/prompt_cache.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char file_what[] = "prompts";
static const char magic[8] = "kenprm1";

/* The file: this, keys[n], vectors[n, dim]. The checksum is of all that follows it. */
typedef struct header {
    char checksum[40]; /* hexadecimal, zeros behind it */
    char magic[8];
    uint64_t n, dim;
} header;

ken_status prompt_key_of(const int32_t *ids, size_t n_ids, prompt_key *out, ken_error *err) {
    char hex[HASH_SHA256_HEX];
    TRY(hash_sha256(ids, n_ids * sizeof *ids, hex, err));
    memcpy(out->bytes, hex, sizeof out->bytes);
    return KEN_OK;
}

static int by_key(const void *a, const void *b) {
    return memcmp(a, b, sizeof(prompt_key));
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static bool read_file(prompt_cache *c, size_t dim) {
    header h;
    char checksum[HASH_XXH128_HEX];
    const size_t behind = sizeof h.checksum;
    if (c->map.size < sizeof h)
        return false;
    memcpy(&h, c->map.data, sizeof h);
    size_t row_bytes = sizeof(prompt_key) + dim * sizeof(float);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.dim != dim || h.n > PROMPT_CACHE_MAX ||
        c->map.size != sizeof h + h.n * row_bytes)
        return false;
    hash_xxh128(c->map.data + behind, c->map.size - behind, checksum);
    if (memcmp(h.checksum, checksum, sizeof checksum) != 0)
        return false;
    c->n = (size_t)h.n;
    c->keys = (const prompt_key *)(const void *)(c->map.data + sizeof h);
    c->vectors = (const float *)(const void *)(c->keys + c->n);
    return true;
}

void prompt_cache_open(prompt_cache *c, const ken_model *model, size_t dim) {
    *c = (prompt_cache){.dim = dim};
    if (model_map_kept(model, file_what, &c->map) && !read_file(c, dim))
        prompt_cache_close(c);
}

void prompt_cache_close(prompt_cache *c) {
    if (c->map.data)
        file_map_close(&c->map);
    *c = (prompt_cache){.dim = c->dim};
}

const float *prompt_cache_find(const prompt_cache *c, const prompt_key *key) {
    const prompt_key *found = c->n ? bsearch(key, c->keys, c->n, sizeof *c->keys, by_key) : NULL;
    return found ? c->vectors + (size_t)(found - c->keys) * c->dim : NULL;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* A prompt that goes into the file. */
typedef struct kept {
    prompt_key key;
    const float *vector;
} kept;

static size_t list_kept(const prompt_cache *c, const prompt_key *keys, const float *vectors,
                        size_t n, kept *out) {
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++)
        out[n_kept++] = (kept){keys[i], vectors + i * c->dim};
    for (size_t i = 0; i < c->n && c->n + n <= PROMPT_CACHE_MAX; i++)
        out[n_kept++] = (kept){c->keys[i], c->vectors + i * c->dim};
    qsort(out, n_kept, sizeof *out, by_key);
    /* Two texts may have the same ids. */
    size_t n_distinct = 0;
    for (size_t i = 0; i < n_kept; i++)
        if (i == 0 || by_key(&out[i], &out[n_distinct - 1]) != 0)
            out[n_distinct++] = out[i];
    return n_distinct;
}

void prompt_cache_keep(const prompt_cache *c, const ken_model *model, const prompt_key *keys,
                       const float *vectors, size_t n) {
    if (n == 0 || n > PROMPT_CACHE_MAX)
        return;
    kept *list = mem_zalloc(c->n + n, sizeof *list);
    size_t n_kept = list ? list_kept(c, keys, vectors, n, list) : 0;
    size_t row_bytes = sizeof(prompt_key) + c->dim * sizeof(float);
    char *file = list ? mem_alloc(sizeof(header) + n_kept * row_bytes) : NULL;
    if (file) {
        header h = {.n = n_kept, .dim = c->dim};
        memcpy(h.magic, magic, sizeof magic);
        char *key = file + sizeof h, *vector = key + n_kept * sizeof(prompt_key);
        for (size_t i = 0; i < n_kept; i++) {
            memcpy(key + i * sizeof(prompt_key), &list[i].key, sizeof(prompt_key));
            memcpy(vector + i * c->dim * sizeof(float), list[i].vector, c->dim * sizeof(float));
        }
        const size_t behind = sizeof h.checksum, size = sizeof h + n_kept * row_bytes;
        memcpy(file, &h, sizeof h);
        hash_xxh128(file + behind, size - behind, h.checksum);
        memcpy(file, &h, sizeof h);
        model_keep(model, file_what, &(cache_piece){file, size}, 1);
    }
    mem_free(file);
    mem_free(list);
}
