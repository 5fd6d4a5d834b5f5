/* formats/weights_digest.h: which weights these are, said once for a state of their files.
 *
 * Hashing takes a third of a second a gigabyte, so a cache remembers the digest of a file by its
 * identity: device, inode, size, and the times of its last changes. */
#ifndef KEN_FORMATS_WEIGHTS_DIGEST_H
#define KEN_FORMATS_WEIGHTS_DIGEST_H

#include "base/cache.h"
#include "base/hash.h"
#include "formats/weights.h"

/* SHA-256 of the file; of several shards, of the lines "sha256  name\n" in name order. `c` may be
 * NULL. Stops with KEN_CANCELLED when *cancel (may be NULL) becomes true. */
KEN_MUST_CHECK ken_status weights_sha256(const weights *w, const cache *c,
                                         const atomic_bool *cancel, char out[HASH_SHA256_HEX],
                                         ken_error *err);
/* Would that be answered without hashing a file? */
bool weights_sha256_is_known(const weights *w, const cache *c);

#endif
