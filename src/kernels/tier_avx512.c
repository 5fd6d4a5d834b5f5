/* kernels/tier_avx512.c: the kernels for AVX-512 F, BW, DQ and VL. */
#include "kernels/vec/dot_avx512.h"

#define TIER_NAME avx512
#include "kernels/body/table.h"
