/* bench/count_kernels.c: runs each hot kernel once, on tier avx2 and on a fixed shape, in a
 * function of its own, so that callgrind can say how many instructions it takes: `./dev lint perf`.
 *
 *     count_kernels              runs them
 *     count_kernels --compiler   names the compiler of this build
 *
 * avx2 is the best tier that valgrind knows. The bodies are the same on all. */
#include "base/mem.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

/* Sizes with tails: rows that make tiles of different heights, a last panel that is not full. */
enum {
    ROWS = 50,
    COLUMNS = 200,
    DEPTH = 512,
    PANELS_COLUMNS = 240, /* COLUMNS in whole panels of any tier */
    TOKENS = 197,
    HEAD_WIDTH = 64,
    WIDTH = 768,
    ELEMENTS = 4096,
    PICTURE = 320, /* pixels along a side, before */
    RESIZED = 112, /* and after */
    TAPS = 12,
};

static const kernels *k;

/* Operands; what one kernel packs, the next one multiplies. */
static float *in, *weights, *out, *scratch;
static _Alignas(64) float packed[PANELS_COLUMNS * DEPTH];
static _Alignas(64) int16_t rows_s16[ROWS * DEPTH], packed_s16[PANELS_COLUMNS * DEPTH];
static _Alignas(64) uint8_t rows_u8[ROWS * DEPTH];
static _Alignas(64) int8_t packed_s8[PANELS_COLUMNS * DEPTH];
static _Alignas(64) float row_scales[ROWS], column_scales[PANELS_COLUMNS];
static _Alignas(64) int32_t row_zeros[ROWS], column_sums[PANELS_COLUMNS];

/* Callgrind adds up what `count_NAME` takes with all that it calls. */
#define COUNT(name) __attribute__((noinline)) static void count_##name(void)

COUNT(gemm_f32) {
    k->gemm_f32(&(gemm_f32_args){.a = in,
                                 .lda = DEPTH,
                                 .b = packed,
                                 .bias = weights,
                                 .c = out,
                                 .ldc = COLUMNS,
                                 .m = ROWS,
                                 .n = COLUMNS,
                                 .k = DEPTH,
                                 .epilogue = GEMM_QUICK_GELU});
}
COUNT(quantize_rows_s16) {
    k->quantize_rows_s16(&(quantize_rows_s16_args){.x = in,
                                                   .ldx = DEPTH,
                                                   .q = rows_s16,
                                                   .ldq = DEPTH,
                                                   .scales = row_scales,
                                                   .rows = ROWS,
                                                   .width = DEPTH});
}
COUNT(gemm_s16_pack) {
    k->gemm_s16_pack(weights, DEPTH, COLUMNS, DEPTH, packed_s16, column_scales);
}
COUNT(gemm_s16) {
    k->gemm_s16(&(gemm_s16_args){.a = rows_s16,
                                 .lda = DEPTH,
                                 .a_scales = row_scales,
                                 .b = packed_s16,
                                 .b_scales = column_scales,
                                 .bias = weights,
                                 .c = out,
                                 .ldc = COLUMNS,
                                 .m = ROWS,
                                 .n = COLUMNS,
                                 .k = DEPTH,
                                 .epilogue = GEMM_QUICK_GELU});
}
COUNT(quantize_rows_u8) {
    k->quantize_rows_u8(&(quantize_rows_u8_args){.x = in,
                                                 .ldx = DEPTH,
                                                 .q = rows_u8,
                                                 .ldq = DEPTH,
                                                 .scales = row_scales,
                                                 .zeros = row_zeros,
                                                 .rows = ROWS,
                                                 .width = DEPTH});
}
COUNT(gemm_s8_pack) {
    k->gemm_s8_pack(weights, DEPTH, COLUMNS, DEPTH, packed_s8, column_scales, column_sums);
}
COUNT(gemm_u8s8) {
    k->gemm_u8s8(&(gemm_u8s8_args){.a = rows_u8,
                                   .lda = DEPTH,
                                   .a_scales = row_scales,
                                   .a_zeros = row_zeros,
                                   .b = packed_s8,
                                   .b_scales = column_scales,
                                   .b_sums = column_sums,
                                   .bias = weights,
                                   .c = out,
                                   .ldc = COLUMNS,
                                   .m = ROWS,
                                   .n = COLUMNS,
                                   .k = DEPTH,
                                   .epilogue = GEMM_QUICK_GELU});
}

static const attention_f32_args *head(void) {
    static attention_f32_args args;
    args = (attention_f32_args){.q = in,
                                .k = in + HEAD_WIDTH,
                                .v = in + 2 * HEAD_WIDTH,
                                .out = out,
                                .ldq = 3 * HEAD_WIDTH,
                                .ldk = 3 * HEAD_WIDTH,
                                .ldv = 3 * HEAD_WIDTH,
                                .ldo = HEAD_WIDTH,
                                .n_queries = TOKENS,
                                .n_keys = TOKENS,
                                .head_width = HEAD_WIDTH,
                                .scratch = scratch};
    return &args;
}
COUNT(attention_f32) {
    k->attention_f32(head());
}
COUNT(attention_s16) {
    k->attention_s16(head());
}

COUNT(layer_norm_f32) {
    k->layer_norm_f32(&(layer_norm_f32_args){.x = in,
                                             .y = out,
                                             .ldx = WIDTH,
                                             .ldy = WIDTH,
                                             .gamma = weights,
                                             .beta = weights,
                                             .rows = ROWS,
                                             .width = WIDTH,
                                             .eps = 1e-5f});
}
COUNT(quick_gelu_f32) {
    k->quick_gelu_f32(in, ELEMENTS);
}
COUNT(erf_gelu_f32) {
    k->erf_gelu_f32(in, ELEMENTS);
}
COUNT(tanh_gelu_f32) {
    k->tanh_gelu_f32(in, ELEMENTS);
}

static void resize(void kernel(const resize_args *)) {
    static resize_tap taps[RESIZED];
    static int32_t coefs[RESIZED * TAPS];
    for (int32_t i = 0; i < RESIZED; i++)
        taps[i] = (resize_tap){.first = i * (PICTURE - TAPS) / RESIZED, .count = TAPS};
    for (size_t i = 0; i < RESIZED * TAPS; i++)
        coefs[i] = (1 << RESIZE_PRECISION_BITS) / TAPS;
    kernel(&(resize_args){.src = (const uint8_t *)in,
                          .dst = (uint8_t *)out,
                          .src_stride = 3 * PICTURE,
                          .dst_stride = 3 * PICTURE,
                          .rows = PICTURE,
                          .width = PICTURE,
                          .n_out = RESIZED,
                          .channels = 3,
                          .taps = taps,
                          .coefs = coefs,
                          .taps_max = TAPS});
}
COUNT(resize_columns_u8) {
    resize(k->resize_columns_u8);
}
COUNT(resize_rows_u8) {
    resize(k->resize_rows_u8);
}

static float *numbers(size_t n) {
    float *x = mem_alloc(n * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(i * 2654435761u >> 8 & 0xffff) * 0x1p-15f - 1.0f;
    return x;
}

static void run_all(void) {
    k->gemm_f32_pack(weights, DEPTH, COLUMNS, DEPTH, packed);
    count_gemm_f32();
    count_quantize_rows_s16();
    count_gemm_s16_pack();
    count_gemm_s16();
    count_quantize_rows_u8();
    count_gemm_s8_pack();
    count_gemm_u8s8();
    count_attention_f32();
    count_attention_s16();
    count_layer_norm_f32();
    count_quick_gelu_f32();
    count_erf_gelu_f32();
    count_tanh_gelu_f32();
    count_resize_columns_u8();
    count_resize_rows_u8();
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--compiler") == 0) {
#ifdef __clang__
        printf("clang %s\n", __clang_version__);
#else
        printf("gcc %s\n", __VERSION__);
#endif
        return 0;
    }
    k = kernels_find("avx2", NULL);
    if (!k) {
        fprintf(stderr, "count_kernels: tier avx2 does not run here\n");
        return 2;
    }
    size_t scratch_floats = attention_f32_scratch(TOKENS, TOKENS, HEAD_WIDTH) +
                            attention_s16_scratch(TOKENS, TOKENS, HEAD_WIDTH);
    in = numbers(PICTURE * PICTURE);
    weights = numbers(COLUMNS * DEPTH);
    out = numbers(PICTURE * PICTURE);
    scratch = numbers(scratch_floats);
    if (in && weights && out && scratch)
        run_all();
    mem_free(in);
    mem_free(weights);
    mem_free(out);
    mem_free(scratch);
    return 0;
}
