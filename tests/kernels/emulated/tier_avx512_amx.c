/* tests/kernels/emulated/tier_avx512_amx.c: src/kernels/tier_avx512_amx.c for CPUs without AMX. */
#include "kernels/vec/dot_avx512_vnni.h"

#include "tiles_amx.h"

#define TIER_NAME avx512_amx_emulated
#include "kernels/body/table.h"
