/* kernels/tier_avx512_vnni.c: the kernels for AVX-512 with VNNI. In f32 it is avx512 with another
 * name. */
#include "kernels/vec/dot_avx512_vnni.h"

#define TIER_NAME avx512_vnni
#include "kernels/body/table.h"
