/* base/random.h: random numbers by place, not by turn: the same (key, index) gives the same number
 * on every machine and in every thread. For sampling, not for secrets. */
#ifndef KEN_BASE_RANDOM_H
#define KEN_BASE_RANDOM_H

#include <stdint.h>

/* SplitMix64: the `index`-th number of the stream of `key`. A number can be the key of a stream. */
static inline uint64_t random_at(uint64_t key, uint64_t index) {
    uint64_t z = key + (index + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* In [0, n), for n up to 2^32; its bias is below n / 2^32. */
static inline uint64_t random_below(uint64_t number, uint64_t n) {
    return ((number >> 32) * n) >> 32;
}

#endif
