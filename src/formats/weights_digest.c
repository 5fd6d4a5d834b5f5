#include "formats/weights_digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A change within the clock's grain leaves no trace in a file's times. FAT's grain is the coarsest:
 * two seconds. */
static const int64_t grain_ns = (int64_t)2 * 1000000000;

enum { key_bytes = 160 };

static void fact_key(const file_identity *file, char key[key_bytes]) {
    snprintf(key, key_bytes,
             "sha256 of device %" PRIu64 " inode %" PRIu64 " size %" PRIu64 " mtime %" PRId64
             " ctime %" PRId64,
             file->device, file->inode, file->size_bytes, file->mtime_ns, file->ctime_ns);
}

static bool recall(const cache *c, const file_identity *file, char out[HASH_SHA256_HEX]) {
    char key[key_bytes], value[CACHE_FACT_BYTES];
    fact_key(file, key);
    if (!c || !cache_fact(c, key, value) || strlen(value) != HASH_SHA256_HEX - 1)
        return false;
    memcpy(out, value, HASH_SHA256_HEX);
    return true;
}

/* Is what was just hashed still the file, and could a later change not pass for it? */
static bool is_settled(const weights_file *file) {
    file_identity now;
    struct timespec clock;
    if (!file_identify(file->path, &now) || !file_identity_same(&now, &file->map->identity) ||
        clock_gettime(CLOCK_REALTIME, &clock) != 0)
        return false;
    int64_t clock_ns = (int64_t)clock.tv_sec * 1000000000 + clock.tv_nsec;
    return clock_ns - now.ctime_ns > grain_ns && clock_ns - now.mtime_ns > grain_ns;
}

static ken_status digest_file(const weights_file *file, const cache *c, const atomic_bool *cancel,
                              char out[HASH_SHA256_HEX], ken_error *err) {
    if (recall(c, &file->map->identity, out))
        return KEN_OK;
    TRY(hash_sha256_mapped(file->map->data, file->map->size, cancel, out, err));
    if (!c || !is_settled(file))
        return KEN_OK;
    char key[key_bytes];
    fact_key(&file->map->identity, key);
    /* Not being able to remember it costs time, and nothing else. */
    ken_status status = cache_remember(c, key, out, NULL);
    (void)status;
    return KEN_OK;
}

ken_status weights_sha256(const weights *w, const cache *c, const atomic_bool *cancel,
                          char out[HASH_SHA256_HEX], ken_error *err) {
    weights_file first = weights_file_at(w, 0);
    if (!first.name)
        return digest_file(&first, c, cancel, out, err);
    buf lines;
    buf_init(&lines, 1 << 26);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < weights_n_files(w) && status == KEN_OK; i++) {
        char digest[HASH_SHA256_HEX];
        weights_file file = weights_file_at(w, i);
        status = digest_file(&file, c, cancel, digest, err);
        if (status == KEN_OK)
            buf_printf(&lines, "%s  %s\n", digest, file.name);
    }
    if (status == KEN_OK)
        status = buf_check(&lines, err);
    if (status == KEN_OK)
        status = hash_sha256(lines.data, lines.size, out, err);
    buf_free(&lines);
    return status;
}

bool weights_sha256_is_known(const weights *w, const cache *c) {
    char digest[HASH_SHA256_HEX];
    for (size_t i = 0; i < weights_n_files(w); i++)
        if (!recall(c, &weights_file_at(w, i).map->identity, digest))
            return false;
    return true;
}
