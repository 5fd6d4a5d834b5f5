#include "base/hash.h"

#include "base/file.h"

#include <openssl/evp.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

static void to_hex(const unsigned char *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void hash_xxh128(const void *data, size_t size, char out[HASH_XXH128_HEX]) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
    to_hex(canonical.digest, sizeof canonical.digest, out);
}

uint64_t hash_xxh64(const void *data, size_t size) {
    return XXH3_64bits(data, size);
}

ken_status hash_sha256(const void *data, size_t size, char out[HASH_SHA256_HEX], ken_error *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(data, size, digest, &n, EVP_sha256(), NULL) != 1 || n != 32)
        return error_set(err, KEN_INTERNAL, "could not compute a SHA-256");
    to_hex(digest, n, out);
    return KEN_OK;
}

/* Large enough that the calls cost nothing, small enough to stay in the caches. */
enum { window_bytes = 1 << 20 };

static void read_ahead(const uint8_t *data, size_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data / page * page;
    (void)madvise((void *)begin, (uintptr_t)data + size - begin, MADV_WILLNEED);
}

static bool digest_windows(EVP_MD_CTX *context, const uint8_t *data, size_t size,
                           const atomic_bool *cancel) {
    size_t ahead = 0;
    for (size_t at = 0; at < size; at += window_bytes) {
        size_t n = size - at < window_bytes ? size - at : window_bytes;
        if (at >= ahead) {
            ahead = at + 16 * (size_t)window_bytes;
            read_ahead(data + at, (ahead < size ? ahead : size) - at);
        }
        if ((cancel && atomic_load(cancel)) || EVP_DigestUpdate(context, data + at, n) != 1)
            return false;
        file_map_release(data + at, n);
    }
    return true;
}

ken_status hash_sha256_mapped(const void *data, size_t size, const atomic_bool *cancel,
                              char out[HASH_SHA256_HEX], ken_error *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                digest_windows(context, data, size, cancel) &&
                EVP_DigestFinal_ex(context, digest, &n) == 1 && n == 32;
    EVP_MD_CTX_free(context);
    if (cancel && atomic_load(cancel))
        return error_set(err, KEN_CANCELLED, "a SHA-256 was given up");
    if (!good)
        return error_set(err, KEN_INTERNAL, "could not compute a SHA-256");
    to_hex(digest, n, out);
    return KEN_OK;
}
