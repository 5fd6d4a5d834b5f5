/* kernels/tier_avx2.c: the kernels for AVX2, FMA and F16C. */
#include "kernels/vec/dot_avx2.h"

#define TIER_NAME avx2
#include "kernels/body/table.h"
