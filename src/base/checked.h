/* base/checked.h: sizes from outside are added and multiplied here, never with bare operators.
 * Each returns false, and leaves *out alone, when the result does not fit. */
#ifndef KEN_BASE_CHECKED_H
#define KEN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

static inline bool checked_add(size_t a, size_t b, size_t *out) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool checked_mul(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* a * b * c */
static inline bool checked_mul3(size_t a, size_t b, size_t c, size_t *out) {
    size_t ab;
    return checked_mul(a, b, &ab) && checked_mul(ab, c, out);
}

#endif
