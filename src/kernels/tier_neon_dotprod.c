/* kernels/tier_neon_dotprod.c: the kernels for 64-bit ARM with DotProd. In f32 and s16 it is neon
 * with another name. */
#include "kernels/vec/dot_neon_dotprod.h"

#define TIER_NAME neon_dotprod
#include "kernels/body/table.h"
