/* kernels/tier_avx512_amx.c: the kernels for AVX-512 with VNNI and AMX's tiles for bytes. In f32
 * and s16 it is avx512_vnni with another name. */
#include "kernels/vec/dot_avx512_vnni.h"
#include "kernels/vec/tiles_amx.h"

#define TIER_NAME avx512_amx
#include "kernels/body/table.h"
