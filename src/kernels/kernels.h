/* kernels/kernels.h: arithmetic on raw pointers, one body per algorithm, compiled once per CPU
 * tier.
 *
 * Kernels do not allocate, lock, thread or do I/O, and cannot fail: their callers have checked
 * every size. Buffers need no alignment and no padding: tails are masked, nothing outside the
 * stated range is read or written. A row of a result does not depend on how many rows a call
 * computes, so work may be split anywhere and any batch size gives the same bits. Different tiers
 * may differ in the last bits of a float; integer kernels (resize) are identical on all.
 *
 * Shapes as in docs/shapes.md. `ld*` is the distance between rows, in elements. */
#ifndef KEN_KERNELS_H
#define KEN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happens to a GEMM's sum before it is stored; y is the sum plus the column's bias. */
typedef enum gemm_epilogue {
    GEMM_STORE,      /* c = y */
    GEMM_ADD,        /* c = residual + y */
    GEMM_QUICK_GELU, /* c = y * sigmoid(1.702 y) */
    GEMM_ERF_GELU,   /* c = y/2 * (1 + erf(y / sqrt 2)) */
    GEMM_TANH_GELU,  /* c = y/2 * (1 + tanh(sqrt(2/pi) * (y + 0.044715 y^3))) */
    GEMM_RELU,       /* c = max(y, 0) */
    GEMM_ADD_RELU,   /* c = max(residual + y, 0) */
} gemm_epilogue;

/* gemm_f32_pack rearranges a weight w [N, K] (as PyTorch's Linear stores it: w[n * ldw + k]) into
 * panels of gemm_f32_nr columns, each [K, nr], the last one filled with zeros: packed holds
 * ceil(N / nr) * nr * K floats, 64-byte aligned. Panel p starts at packed + p * nr * K.
 *
 * gemm_f32 computes c[m][n] = epilogue(sum over k of a[m][k] * w[n][k] + bias[n]). To compute only
 * the columns from panel p on, pass b, bias, c and residual moved on by p panels. */
typedef struct gemm_f32_args {
    const float *a; /* [M, K] */
    size_t lda;
    const float *b;        /* packed */
    const float *bias;     /* [N] or NULL */
    const float *residual; /* [M, N], read by GEMM_ADD and GEMM_ADD_RELU; may be c itself */
    size_t ldr;
    float *c; /* [M, N] */
    size_t ldc;
    size_t m, n, k;
    gemm_epilogue epilogue;
} gemm_f32_args;

/* The same product in 16-bit integers with exact 32-bit sums. quantize_rows_s16 turns a row x into
 * q = round(x / s) with s = max(max|x| / 32767, ||x|| / 46000), and gemm_s16_pack does that with a
 * weight's columns: then no sum can overflow (Cauchy-Schwarz), as long as K is at most
 * GEMM_S16_MAX_K. Both store s16_row(K) numbers for K, the added one 0. A row that holds a NaN or
 * an infinity gets NaN for its scale; a row of less than 2^-126 * 32767 counts as zeros.
 *
 * `packed` holds ceil(N / nr) * nr * s16_row(K) integers, nr being gemm_f32_nr, and `scales` ceil(N
 * / nr) * nr floats, both 64-byte aligned. Panel p starts at packed + p * nr * s16_row(K). To
 * compute only the columns from panel p on, pass b, b_scales, bias, c and residual moved on by p
 * panels. */
typedef struct quantize_rows_s16_args {
    const float *x; /* [rows, K] */
    size_t ldx;
    int16_t *q; /* [rows, s16_row(K)] */
    size_t ldq;
    float *scales; /* [rows] */
    size_t rows, width;
} quantize_rows_s16_args;

typedef struct gemm_s16_args {
    const int16_t *a; /* [M, s16_row(K)] */
    size_t lda;
    const float *a_scales; /* [M] */
    const int16_t *b;      /* packed */
    const float *b_scales; /* packed */
    const float *bias;     /* as for gemm_f32 from here on */
    const float *residual;
    size_t ldr;
    float *c;
    size_t ldc;
    size_t m, n, k;
    gemm_epilogue epilogue;
} gemm_s16_args;

enum { GEMM_S16_MAX_K = 1 << 16 };
static inline size_t s16_row(size_t k) {
    return k + k % 2;
}

/* The same product in 8-bit integers with exact 32-bit sums. quantize_rows_u8 turns a row x into q
 * = round(x / s) + zero with 256 values from the row's smallest to its largest number or 0: s =
 * (max - min) / 255, zero = round(-min / s). gemm_s8_pack turns a weight's column into round(w / s)
 * with the scale s = max|w| / 127, or somewhat more where the tier adds up products in 16 bits (see
 * docs/internals/kernels.md); sums[n] is the sum of a column's integers, which the product takes
 * zero times. Nothing saturates and no sum overflows as long as K is at most GEMM_U8_MAX_K.
 *
 * Rows hold u8_row(K) numbers for K; those added meet weights of 0. A row that holds a NaN or an
 * infinity gets NaN for its scale; a row with a scale of less than 2^-126 counts as zeros. `packed`
 * holds ceil(N / nr) * nr * u8_row(K) integers, nr being gemm_f32_nr, `scales` and `sums` ceil(N /
 * nr) * nr each; all three 64-byte aligned. Panel p starts at packed + p * nr * u8_row(K). To
 * compute only the columns from panel p on, pass b, b_scales, b_sums, bias, c and residual moved on
 * by p panels. Activations that are bytes already need no quantisation: any scale and any zero from
 * 0 to 255 will do. */
typedef struct quantize_rows_u8_args {
    const float *x; /* [rows, K] */
    size_t ldx;
    uint8_t *q; /* [rows, u8_row(K)] */
    size_t ldq;
    float *scales;  /* [rows] */
    int32_t *zeros; /* [rows] */
    size_t rows, width;
} quantize_rows_u8_args;

typedef struct gemm_u8s8_args {
    const uint8_t *a; /* [M, u8_row(K)] */
    size_t lda;
    const float *a_scales;  /* [M] */
    const int32_t *a_zeros; /* [M] */
    const int8_t *b;        /* packed */
    const float *b_scales;  /* packed */
    const int32_t *b_sums;  /* packed */
    const float *bias;      /* as for gemm_f32 from here on */
    const float *residual;
    size_t ldr;
    float *c;
    size_t ldc;
    size_t m, n, k;
    gemm_epilogue epilogue;
} gemm_u8s8_args;

enum { GEMM_U8_MAX_K = 1 << 16 };
static inline size_t u8_row(size_t k) {
    return (k + 3) / 4 * 4;
}

/* One head of attention for one sequence: out = softmax(q k^T [+ causal mask]) v. The query scale
 * is already in q (folded into its weights). With `causal`, query i sees keys 0 .. i + n_keys -
 * n_queries. `scratch` holds attention_f32_scratch floats.
 *
 * attention_s16 computes the same from floats to floats with both products in 16-bit integers and
 * attention_s16_scratch floats of scratch, for at most GEMM_S16_MAX_K keys and as wide a head. Its
 * scales depend on all keys and values, so a query's result does too, with a causal mask as well:
 * in its last bits, or all of it when a value is not finite or above 2^60. */
typedef struct attention_f32_args {
    const float *q; /* [n_queries, K], rows ldq apart */
    const float *k; /* [n_keys, K] */
    const float *v; /* [n_keys, K] */
    float *out;     /* [n_queries, K] */
    size_t ldq, ldk, ldv, ldo;
    size_t n_queries, n_keys, head_width;
    bool causal;
    float *scratch;
} attention_f32_args;

/* y = (x - mean) / sqrt(variance + eps) * gamma + beta for each row; NULL gamma is 1, NULL beta is
 * 0. y may be x. The variance is the mean of squared deviations, computed in two passes. */
typedef struct layer_norm_f32_args {
    const float *x; /* [rows, D] */
    float *y;       /* [rows, D] */
    size_t ldx, ldy;
    const float *gamma, *beta; /* [D] */
    size_t rows, width;
    float eps;
} layer_norm_f32_args;

/* Rows [row_begin, row_end) of the matrix whose GEMM with a [C_out, kernel * kernel * C] weight is
 * a square convolution: row (oy * out_width + ox) holds the window in (ky, kx, channel) order,
 * zeros outside of the picture. out_width = (width + 2 * padding - kernel) / stride + 1. */
typedef struct im2col_f32_args {
    const float *x; /* [H, W, C] */
    size_t height, width, channels;
    size_t kernel, stride, padding;
    size_t row_begin, row_end;
    float *out; /* [row_end - row_begin, kernel * kernel * C] */
} im2col_f32_args;

/* Mean over non-overlapping size x size windows; the rest at the right and bottom is dropped. */
typedef struct avg_pool2d_f32_args {
    const float *x; /* [H, W, C] */
    float *y;       /* [H / size, W / size, C] */
    size_t height, width, channels, size;
} avg_pool2d_f32_args;

/* 8-bit pixels become floats by table, one per channel: table[c][value], which holds exactly what
 * the reference's arithmetic gives for each of the 256 values. pixels_to_patches_f32 writes [H/P *
 * W/P, 3 * P * P], each row a patch in (channel, y, x) order, as PyTorch flattens a Conv2d weight;
 * the rest at the right and bottom is dropped. pixels_to_nhwc_f32 writes [H, W, 3].
 *
 * pixels_to_patches_s16 and ..._u8 write patches in (y, x, channel) order without the table: values
 * less `zero` in rows of s16_row(3 * P * P), and the values in rows of u8_row(3 * P * P). Numbers
 * added to a row are 0. */
typedef struct pixels_args {
    const uint8_t *pixels; /* [H, W, 3] */
    size_t height, width;
    const float (*table)[256]; /* [3][256] */
} pixels_args;

/* One pass of Pillow's 8-bit resampling (Resample.c: ImagingResampleHorizontal_8bpc and
 * ...Vertical_8bpc). Output position i is the sum of taps[i].count inputs from taps[i].first on,
 * weighted by coefs[i * taps_max + j] (fixed point, 22 fraction bits), plus one half, shifted and
 * clipped to 0..255; coefficients lie within +-1.99 and a sum with its half in 32 bits.
 * resize_columns_u8 resamples along x: src [rows, src_width, C] -> dst [rows, n_out, C].
 * resize_rows_u8 resamples along y: src [*, width, C] -> dst [n_out, width, C]. */
typedef struct resize_tap {
    int32_t first, count;
} resize_tap;
typedef struct resize_args {
    const uint8_t *src;
    uint8_t *dst;
    size_t src_stride, dst_stride; /* bytes between rows */
    size_t rows;                   /* resize_columns_u8 only */
    size_t width;                  /* resize_rows_u8 only, in pixels */
    size_t n_out;
    size_t channels;        /* 1 to 4 */
    const resize_tap *taps; /* [n_out] */
    const int32_t *coefs;   /* [n_out, taps_max] */
    size_t taps_max;
} resize_args;
enum { RESIZE_PRECISION_BITS = 22 };

/* A tier's kernels. softmax_f32, *_gelu_f32, relu_f32 and l2_normalize_f32 work in place;
 * l2_normalize_f32 returns the norm and leaves x alone when it is 0 or not finite. add_f32 is y +=
 * x. */
typedef struct kernels {
    const char *tier;
    size_t gemm_f32_nr; /* columns of a packed panel */
    size_t gemm_f32_mr; /* rows of a tile: splitting M at its multiples wastes nothing */
    size_t gemm_u8_mr;  /* the same of gemm_u8s8 */
#define KERNEL(name, result, parameters) result(*name) parameters;
#include "kernels/kernels.def"
#undef KERNEL
} kernels;

/* The best tier that this CPU and operating system can run. Never NULL. Thread safe. */
const kernels *kernels_best(void);
/* The tier by name, or NULL when it does not exist or cannot run here; `reason` (may be NULL) then
 * says why. */
const kernels *kernels_find(const char *tier, const char **reason);
/* The names of all tiers compiled in, weakest first; NULL past the last. */
const char *kernels_tier_name(size_t index);

/* Floats of scratch that attention_f32 and attention_s16 need, the same for all tiers. */
size_t attention_f32_scratch(size_t n_queries, size_t n_keys, size_t head_width);
size_t attention_s16_scratch(size_t n_queries, size_t n_keys, size_t head_width);

#endif
