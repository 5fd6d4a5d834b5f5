/* kernels/tier_neon.c: the kernels for 64-bit ARM. */
#include "kernels/vec/dot_neon.h"

#define TIER_NAME neon
#include "kernels/body/table.h"
