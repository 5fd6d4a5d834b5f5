/* kernels/tiers.h: the tables of the tiers that are compiled in, for dispatch.c and the tier files.
 */
#ifndef KEN_KERNELS_TIERS_H
#define KEN_KERNELS_TIERS_H

#include "kernels/kernels.h"

#define TIER(name) extern const kernels kernels_##name;
#include "kernels/tiers.def"
#undef TIER

#endif
