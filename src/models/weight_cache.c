#include "models/weight_cache.h"

#include "base/hash.h"
#include "formats/pack_file.h"
#include "formats/weights_digest.h"
#include "models/load.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* To be raised when folds change: what the weights are multiplied with before they are packed. */
enum { folds_version = 2 };
/* Hashing more than this takes a thread: about 15 ms. */
static const size_t thread_bytes = (size_t)32 << 20;

enum { max_towers = 2, max_key_bytes = 1 << 16, file_name_bytes = 96 };

typedef struct tower {
    const char *name; /* "vision", "text" */
    pack_file file;   /* empty when there is none */
    pack_blob *blobs; /* taken and made, in order */
    size_t n_blobs, capacity;
    bool has_new; /* a blob that the file lacks */
    bool failed;  /* no memory for the list: nothing is written */
} tower;

struct weight_cache {
    const ken_model *model;
    cache *cache;
    ken_notice_fn *notice;
    void *notice_context;
    arena memory; /* blob names */
    char config_hash[HASH_XXH128_HEX];
    pthread_t thread; /* finds out the digest */
    bool has_thread;
    bool hashed_aside; /* the digest was not known when the towers were read */
    tower towers[max_towers];
    size_t n_towers;
    blob_store store;
};

KEN_PRINTF(3, 4)
static void say(const weight_cache *w, bool warning, const char *format, ...) {
    char text[1024];
    if (!w->notice)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w->notice(w->notice_context, warning, text);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* What packing makes of a matrix that has remainders in both directions. */
static uint64_t packing_fingerprint(const kernels *k, ken_precision precision) {
    enum { n = 70, width = 150 };
    static const float bias[n];
    linear_shape shape = {precision, n, width, .bias = true};
    size_t bytes = linear_blob_bytes(k, &shape);
    float *w = mem_alloc(n * width * sizeof *w);
    void *blob = mem_alloc(bytes);
    uint64_t fingerprint = 0;
    if (w && blob) {
        for (size_t i = 0; i < n * width; i++)
            w[i] = (float)((int)(i * 2654435761u >> 16 & 0xffff) - 0x8000) / 0x4000;
        linear_pack(k, &shape, w, width, bias, blob);
        fingerprint = hash_xxh64(blob, bytes);
    }
    mem_free(w);
    mem_free(blob);
    return fingerprint;
}

/* The code that made something: version, folds, and what packing gives in each precision. */
static void put_code(const weight_cache *w, buf *key) {
    buf_printf(key, "ken %s, folds %d, packing", ken_version(), folds_version);
    for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_INT8; p++)
        buf_printf(key, " %016llx", (unsigned long long)packing_fingerprint(w->model->kernels, p));
}

/* Everything that the bytes of a tower's file depend on. */
static ken_status describe(const weight_cache *w, const char *name, buf *key, ken_error *err) {
    const ken_model *m = w->model;
    char digest[HASH_SHA256_HEX];
    TRY(ken_model_weights_sha256(m, digest, err));
    buf_puts(key, "packed layers of ");
    put_code(w, key);
    buf_printf(key, "\nweights %s\nconfig %s\ntower %s\ntier %s\nprecision %s", digest,
               w->config_hash, name, m->kernels->tier, ken_precision_name(m->precision));
    if (strcmp(name, "vision") == 0) {
        buf_puts(key, "\npixels ");
        preprocess_describe(&m->preprocess, key);
    }
    buf_puts(key, "\n");
    return buf_check(key, err);
}

static void name_file(const weight_cache *w, const char *name, const buf *key,
                      char out[file_name_bytes]) {
    char hash[HASH_XXH128_HEX];
    hash_xxh128(key->data, key->size, hash);
    snprintf(out, file_name_bytes, "pack-%s-%s-%s-%s", name,
             ken_precision_name(w->model->precision), w->model->kernels->tier, hash);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A file that cannot be used is in the way of a better one. */
static void drop(weight_cache *w, const char *file, const ken_error *why) {
    say(w, true, "%s; it is made again", why->message);
    cache_remove(w->cache, file);
}

static void open_file(weight_cache *w, tower *t) {
    char file[file_name_bytes];
    buf key;
    ken_error err;
    buf_init(&key, max_key_bytes);
    ken_status status = describe(w, t->name, &key, &err);
    if (status == KEN_OK) {
        name_file(w, t->name, &key, file);
        status = pack_file_open(w->cache, file, key.data, &t->file, &err);
        if (status == KEN_BAD_FORMAT || status == KEN_REFUSED)
            drop(w, file, &err);
    }
    buf_free(&key);
}

static void begin_tower(void *context, const char *name) {
    weight_cache *w = context;
    if (w->n_towers == max_towers)
        return;
    tower *t = &w->towers[w->n_towers++];
    t->name = name;
    if (!w->hashed_aside)
        open_file(w, t);
}

static tower *current(weight_cache *w) {
    return w->n_towers ? &w->towers[w->n_towers - 1] : NULL;
}

/* In the place of an entry of the same name, if there is one. */
static bool list_blob(weight_cache *w, tower *t, const char *name, const void *data, size_t bytes) {
    for (size_t i = t->n_blobs; i > 0 && t->n_blobs - i < 4; i--)
        if (strcmp(t->blobs[i - 1].name, name) == 0) {
            t->blobs[i - 1].data = data;
            return true;
        }
    if (t->n_blobs == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 128;
        pack_blob *grown = mem_grow(t->blobs, t->n_blobs * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return false;
        t->blobs = grown;
        t->capacity = capacity;
    }
    char *copy = arena_strdup(&w->memory, name);
    if (copy)
        t->blobs[t->n_blobs++] = (pack_blob){copy, data, bytes};
    return copy != NULL;
}

static void list_or_fail(weight_cache *w, tower *t, const char *name, const void *data,
                         size_t bytes) {
    t->failed = !list_blob(w, t, name, data, bytes) || t->failed;
}

static const void *take(void *context, const char *name, size_t bytes) {
    weight_cache *w = context;
    tower *t = current(w);
    if (!t || !t->file.map.size)
        return NULL;
    const void *blob = NULL;
    ken_error err;
    ken_status status = pack_file_take(&t->file, name, bytes, &blob, &err);
    if (status == KEN_BAD_FORMAT)
        say(w, true, "the packed weights in '%s': %s; they are made again", cache_path(w->cache),
            err.message);
    if (status == KEN_OK)
        list_or_fail(w, t, name, blob, bytes);
    return blob;
}

static void made(void *context, const char *name, const void *blob, size_t bytes) {
    weight_cache *w = context;
    tower *t = current(w);
    if (!t)
        return;
    t->has_new = true;
    list_or_fail(w, t, name, blob, bytes);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool is_there(weight_cache *w, const char *file, const char *key) {
    pack_file found;
    bool good = pack_file_open(w->cache, file, key, &found, NULL) == KEN_OK;
    pack_file_close(&found);
    return good;
}

static ken_status write_tower(weight_cache *w, const tower *t, ken_error *err) {
    char file[file_name_bytes];
    buf key;
    buf_init(&key, max_key_bytes);
    ken_status status = describe(w, t->name, &key, err);
    if (status == KEN_OK) {
        name_file(w, t->name, &key, file);
        /* While the digest was being found out nobody could look. */
        if (!w->hashed_aside || !is_there(w, file, key.data)) {
            status = pack_file_write(w->cache, file, key.data, t->blobs, t->n_blobs, err);
            if (status == KEN_OK)
                say(w, false, "the packed %s tower is kept in '%s/%s'", t->name,
                    cache_path(w->cache), file);
        }
    }
    buf_free(&key);
    return status;
}

static void join(weight_cache *w) {
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    w->has_thread = false;
}

void weight_cache_finish(weight_cache *w) {
    if (!w)
        return;
    join(w);
    for (size_t i = 0; i < w->n_towers; i++) {
        tower *t = &w->towers[i];
        ken_error err;
        if (t->has_new && !t->failed && write_tower(w, t, &err) != KEN_OK)
            say(w, false, "the packed %s tower is not kept: %s", t->name, err.message);
        if (!t->has_new && t->file.map.size)
            say(w, false, "the packed %s tower comes from '%s'", t->name, cache_path(w->cache));
        MEM_FREE(t->blobs);
        t->n_blobs = t->capacity = 0;
    }
    arena_free(&w->memory);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool question_key(const weight_cache *w, const char *question, buf *key) {
    const ken_model *m = w->model;
    char digest[HASH_SHA256_HEX];
    if (ken_model_weights_sha256(m, digest, NULL) != KEN_OK)
        return false;
    buf_printf(key, "%s of ", question);
    put_code(w, key);
    return buf_printf(key, ", weights %s, config %s, tier %s, precision %s", digest, w->config_hash,
                      m->kernels->tier, ken_precision_name(m->precision));
}

bool weight_cache_recall(const weight_cache *w, const char *question,
                         char answer[CACHE_FACT_BYTES]) {
    buf key;
    buf_init(&key, CACHE_FACT_BYTES - 1);
    bool found = w && question_key(w, question, &key) && cache_fact(w->cache, key.data, answer);
    buf_free(&key);
    return found;
}

void weight_cache_remember(const weight_cache *w, const char *question, const char *answer) {
    buf key;
    ken_error err;
    buf_init(&key, CACHE_FACT_BYTES - 1);
    if (w && question_key(w, question, &key) &&
        cache_remember(w->cache, key.data, answer, &err) != KEN_OK)
        say(w, false, "the %s is not kept: %s", question, err.message);
    buf_free(&key);
}

static bool kept_name(const weight_cache *w, const char *what, char out[file_name_bytes]) {
    char hash[HASH_XXH128_HEX];
    buf key;
    buf_init(&key, max_key_bytes);
    bool known = question_key(w, what, &key);
    if (known) {
        hash_xxh128(key.data, key.size, hash);
        snprintf(out, file_name_bytes, "pack-%s-%s", what, hash);
    }
    buf_free(&key);
    return known;
}

bool weight_cache_map(const weight_cache *w, const char *what, file_map *out) {
    char name[file_name_bytes];
    return w && kept_name(w, what, name) && cache_map(w->cache, name, out, NULL) == KEN_OK;
}

void weight_cache_keep(const weight_cache *w, const char *what, const cache_piece *pieces,
                       size_t n_pieces) {
    char name[file_name_bytes];
    ken_error err;
    if (w && kept_name(w, what, name) &&
        cache_write(w->cache, name, pieces, n_pieces, &err) != KEN_OK)
        say(w, false, "the %s are not kept: %s", what, err.message);
}

/* ---- the whole ------------------------------------------------------------------------------- */

weight_cache *weight_cache_new(const ken_model *model, const ken_model_options *options) {
    if (!options->cache_dir)
        return NULL;
    weight_cache *w = mem_zalloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (weight_cache){.model = model,
                        .notice = options->notice,
                        .notice_context = options->notice_context,
                        .store = {.begin = begin_tower, .take = take, .made = made, .context = w}};
    ken_error err;
    if (cache_open(options->cache_dir, options->cache_limit_bytes, &w->cache, &err) == KEN_OK)
        return w;
    say(w, err.status == KEN_REFUSED, "weights are packed anew: %s", err.message);
    mem_free(w);
    return NULL;
}

void weight_cache_free(weight_cache *w) {
    if (!w)
        return;
    if (w->has_thread)
        atomic_store(&w->model->digest->cancel, true);
    join(w);
    for (size_t i = 0; i < w->n_towers; i++) {
        pack_file_close(&w->towers[i].file);
        mem_free(w->towers[i].blobs);
    }
    arena_free(&w->memory);
    cache_close(w->cache);
    mem_free(w);
}

static void *find_digest(void *context) {
    const weight_cache *w = context;
    char digest[HASH_SHA256_HEX];
    /* Whoever needs it asks again, and gets it, or the reason. */
    ken_status status = ken_model_weights_sha256(w->model, digest, NULL);
    (void)status;
    return NULL;
}

void weight_cache_begin(weight_cache *w, const char *config_hash) {
    if (!w)
        return;
    memcpy(w->config_hash, config_hash, sizeof w->config_hash);
    const weights *files = w->model->weights;
    size_t size_bytes = 0;
    for (size_t i = 0; i < weights_n_files(files); i++)
        size_bytes += weights_file_at(files, i).map->size;
    if (size_bytes < thread_bytes || weights_sha256_is_known(files, w->cache))
        return;
    w->hashed_aside = true;
    w->has_thread = pthread_create(&w->thread, NULL, find_digest, w) == 0;
}

const blob_store *weight_cache_store(const weight_cache *w) {
    return w ? &w->store : NULL;
}

const cache *weight_cache_folder(const weight_cache *w) {
    return w ? w->cache : NULL;
}
