/* kernels/tier_avx_vnni.c: the kernels for AVX2 with AVX-VNNI. In f32 it is avx2 with another name.
 */
#include "kernels/vec/dot_avx_vnni.h"

#define TIER_NAME avx_vnni
#include "kernels/body/table.h"
