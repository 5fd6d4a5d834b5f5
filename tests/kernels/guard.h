/* tests/kernels/guard.h: buffers that end exactly before an unmapped page, or begin right after
 * one, so that a kernel which touches one byte too many dies. Sanitizers do not see every masked
 * load. */
#ifndef KEN_TESTS_GUARD_H
#define KEN_TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* Which end of a buffer lies at the unmapped page. */
typedef enum guard_side { GUARD_AFTER, GUARD_BEFORE, GUARD_SIDES } guard_side;

/* Zeroed bytes, not NULL. They live until guard_free_all. */
void *guard_new(guard_side side, size_t size_bytes);
void guard_free_all(void);

static inline float *guard_floats(guard_side side, size_t n) {
    return guard_new(side, n * sizeof(float));
}

/* Reproducible values: the same sequence on every machine, from random_restart on. */
void random_restart(void);
uint32_t random_bits(void);
/* Uniform in [-1, 1). */
float random_float(void);
/* `n` floats of random_float times `scale`, guarded. */
float *random_floats(guard_side side, size_t n, float scale);

#endif
