/* base/hash.h: XXH3-128 for fingerprints (fast, not against an adversary), SHA-256 for provenance.
 * Digests are written as lower-case hexadecimal text. */
#ifndef KEN_BASE_HASH_H
#define KEN_BASE_HASH_H

#include "base/error.h"

#include <stdatomic.h>

enum { HASH_XXH128_HEX = 33, HASH_SHA256_HEX = 65 }; /* with the final NUL */

void hash_xxh128(const void *data, size_t size, char out[HASH_XXH128_HEX]);
uint64_t hash_xxh64(const void *data, size_t size);
KEN_MUST_CHECK ken_status hash_sha256(const void *data, size_t size, char out[HASH_SHA256_HEX],
                                      ken_error *err);
/* The same for a mapped file, which is read ahead and never lies in memory as a whole. Stops with
 * KEN_CANCELLED when *cancel (may be NULL) becomes true. */
KEN_MUST_CHECK ken_status hash_sha256_mapped(const void *data, size_t size,
                                             const atomic_bool *cancel, char out[HASH_SHA256_HEX],
                                             ken_error *err);

#endif
