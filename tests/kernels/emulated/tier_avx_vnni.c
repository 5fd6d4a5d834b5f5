/* tests/kernels/emulated/tier_avx_vnni.c: src/kernels/tier_avx_vnni.c for CPUs without AVX-VNNI. */
#include "dot_avx_vnni.h"

#define TIER_NAME avx_vnni_emulated
#include "kernels/body/table.h"
