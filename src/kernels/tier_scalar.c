/* kernels/tier_scalar.c: the kernels for runs anywhere. */
#include "kernels/vec/scalar.h"

#define TIER_NAME scalar
#include "kernels/body/table.h"
