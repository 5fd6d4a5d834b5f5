/* base/random.h: splitmix64 (Steele, Lea and Flood 2014): small, and the same numbers everywhere.
 * For sampling, not for secrets. */
#ifndef KEN_BASE_RANDOM_H
#define KEN_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_STEP UINT64_C(0x9E3779B97F4A7C15)

/* By place: the `index`-th number of the stream of `key`, which may itself be such a number. No
 * state, so that threads can share a stream. */
static inline uint64_t random_at(uint64_t key, uint64_t index) {
    uint64_t z = key + (index + 1) * RANDOM_STEP;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* In [0, n) from a number, for n up to 2^32. */
static inline size_t random_scaled(uint64_t number, size_t n) {
    return (size_t)((number >> 32) * n >> 32);
}

/* By turn: the next number of a stream. */
static inline uint64_t random_next(uint64_t *state) {
    uint64_t number = random_at(*state, 0);
    *state += RANDOM_STEP;
    return number;
}

/* Below n, which must not be 0. */
static inline size_t random_below(uint64_t *state, size_t n) {
    return (size_t)(random_next(state) % n);
}

#endif
