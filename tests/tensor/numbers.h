/* tests/tensor/numbers.h: deterministic test numbers. */
#ifndef KEN_TESTS_NUMBERS_H
#define KEN_TESTS_NUMBERS_H

#include "testing.h"

/* `n` floats in [-1, 1), the same for the same seed; freed by mem_free. */
float *numbers(size_t n, uint32_t seed);
/* Each |found[i] - expected[i]| is at most `limit`. */
void assert_close(const float *found, const double *expected, size_t n, double limit,
                  const char *what);

#endif
