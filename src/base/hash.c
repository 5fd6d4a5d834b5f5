#include "base/hash.h"

#include <openssl/evp.h>
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
