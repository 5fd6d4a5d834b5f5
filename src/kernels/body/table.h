/* kernels/body/table.h: the last include of a tier's file. Compiles all bodies with the vector
 * vocabulary that was included before, and makes the tier's table, kernels_TIER. */
#include "kernels/body/attention.h"
#include "kernels/body/attention_s16.h"
#include "kernels/body/elements.h"
#include "kernels/body/gemm.h"
#include "kernels/body/gemm_s16.h"
#include "kernels/body/gemm_u8.h"
#include "kernels/body/math.h"
#include "kernels/body/resize.h"
#include "kernels/body/rows.h"
#include "kernels/body/windows.h"
#include "kernels/tiers.h"

#define TABLE_NAME_(tier) kernels_##tier
#define TABLE_NAME(tier)  TABLE_NAME_(tier)
#define TIER_TEXT_(tier)  #tier
#define TIER_TEXT(tier)   TIER_TEXT_(tier)

const kernels TABLE_NAME(TIER_NAME) = {
    .tier = TIER_TEXT(TIER_NAME),
    .gemm_f32_nr = NR,
    .gemm_f32_mr = GEMM_MR,
    .gemm_u8_mr = U8_ROWS,
#define KERNEL(name, result, parameters) .name = name,
#include "kernels/kernels.def"
#undef KERNEL
};
