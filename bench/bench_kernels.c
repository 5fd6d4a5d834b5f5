/* bench/bench_kernels.c: speed of every kernel on every tier that runs here.
 *
 *     bench_kernels [--json] [TIER [KERNEL]]
 *
 * Each sample stands between two probes of the core (core_probe.h): a loop of the instructions that
 * the product is made of, and a loop of no-operations. The ratio of a product to the first says how
 * good the kernel is on whatever machine and at whatever clock this is. The second finds what the
 * first cannot see: another thread of the same core, perhaps of a virtual machine that is not ours,
 * takes slots of the front end and of the load units long before it takes multiply-adds. A sample
 * is quiet when both probes on both sides reach 95 % of the best seen and nothing else ran on this
 * CPU. Prints the median of the quiet samples and of all samples, in thread CPU time, and their
 * shares of the best peak seen; with --json an object a line. */
#include "base/mem.h"
#include "core_probe.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    BUFFER_FLOATS = 10 << 20,
    MAX_SAMPLES = 60,
    WANTED_SAMPLES = 9, /* quiet ones */
    FIRST_PROBES = 300,
};

/* Operands of all kernels; each is as large as the largest shape needs. */
static float *in, *weights, *packed, *out;
static float scales[4096];
static int32_t zeros[4096];

/* m, n, k as in a product; the other kernels read them as their own sizes, see the run functions.
 */
typedef struct shape {
    const char *kernel;
    size_t m, n, k;
    double work; /* of one call, in 10^9 of `unit` */
    const char *unit;
} shape;

static void run_gemm_f32_pack(const kernels *k, const shape *s) {
    k->gemm_f32_pack(weights, s->k, s->n, s->k, packed);
}
static void run_gemm_f32(const kernels *k, const shape *s) {
    k->gemm_f32(&(gemm_f32_args){.a = in,
                                 .lda = s->k,
                                 .b = packed,
                                 .bias = weights,
                                 .c = out,
                                 .ldc = s->n,
                                 .m = s->m,
                                 .n = s->n,
                                 .k = s->k,
                                 .epilogue = s->n == 3072 ? GEMM_QUICK_GELU : GEMM_STORE});
}
static void run_quantize_rows_s16(const kernels *k, const shape *s) {
    k->quantize_rows_s16(&(quantize_rows_s16_args){.x = in,
                                                   .ldx = s->n,
                                                   .q = (int16_t *)out,
                                                   .ldq = s->n,
                                                   .scales = scales,
                                                   .rows = s->m,
                                                   .width = s->n});
}
static void run_gemm_s16_pack(const kernels *k, const shape *s) {
    k->gemm_s16_pack(weights, s->k, s->n, s->k, (int16_t *)packed, scales);
}
/* Any bits are good integers here, since sums that wrap around take as long. */
static void run_gemm_s16(const kernels *k, const shape *s) {
    k->gemm_s16(&(gemm_s16_args){.a = (const int16_t *)in,
                                 .lda = s->k,
                                 .a_scales = scales,
                                 .b = (const int16_t *)packed,
                                 .b_scales = scales,
                                 .bias = weights,
                                 .c = out,
                                 .ldc = s->n,
                                 .m = s->m,
                                 .n = s->n,
                                 .k = s->k,
                                 .epilogue = s->n == 3072 ? GEMM_QUICK_GELU : GEMM_STORE});
}
static void run_quantize_rows_u8(const kernels *k, const shape *s) {
    k->quantize_rows_u8(&(quantize_rows_u8_args){.x = in,
                                                 .ldx = s->n,
                                                 .q = (uint8_t *)out,
                                                 .ldq = s->n,
                                                 .scales = scales,
                                                 .zeros = zeros,
                                                 .rows = s->m,
                                                 .width = s->n});
}
static void run_gemm_s8_pack(const kernels *k, const shape *s) {
    k->gemm_s8_pack(weights, s->k, s->n, s->k, (int8_t *)packed, scales, zeros);
}
static void run_gemm_u8s8(const kernels *k, const shape *s) {
    k->gemm_u8s8(&(gemm_u8s8_args){.a = (const uint8_t *)in,
                                   .lda = u8_row(s->k),
                                   .a_scales = scales,
                                   .a_zeros = zeros,
                                   .b = (const int8_t *)packed,
                                   .b_scales = scales,
                                   .b_sums = zeros,
                                   .bias = weights,
                                   .c = out,
                                   .ldc = s->n,
                                   .m = s->m,
                                   .n = s->n,
                                   .k = s->k,
                                   .epilogue = s->n == 3072 ? GEMM_QUICK_GELU : GEMM_STORE});
}
static attention_f32_args head(const shape *s) {
    size_t ld = 3 * 768;
    return (attention_f32_args){.q = in,
                                .k = in + 64,
                                .v = in + 128,
                                .out = out,
                                .ldq = ld,
                                .ldk = ld,
                                .ldv = ld,
                                .ldo = 768,
                                .n_queries = s->m,
                                .n_keys = s->n,
                                .head_width = s->k,
                                .scratch = packed};
}
static void run_attention_f32(const kernels *k, const shape *s) {
    attention_f32_args args = head(s);
    k->attention_f32(&args);
}
static void run_attention_s16(const kernels *k, const shape *s) {
    attention_f32_args args = head(s);
    k->attention_s16(&args);
}
static void run_layer_norm_f32(const kernels *k, const shape *s) {
    k->layer_norm_f32(&(layer_norm_f32_args){.x = in,
                                             .y = out,
                                             .ldx = s->n,
                                             .ldy = s->n,
                                             .gamma = weights,
                                             .beta = weights,
                                             .rows = s->m,
                                             .width = s->n,
                                             .eps = 1e-5f});
}
#define RUN_IN_PLACE(name)                                                                         \
    static void run_##name(const kernels *k, const shape *s) {                                     \
        memcpy(out, in, s->n * sizeof(float));                                                     \
        k->name(out, s->n);                                                                        \
    }
RUN_IN_PLACE(softmax_f32)
RUN_IN_PLACE(quick_gelu_f32)
RUN_IN_PLACE(erf_gelu_f32)
RUN_IN_PLACE(tanh_gelu_f32)
RUN_IN_PLACE(relu_f32)
RUN_IN_PLACE(l2_normalize_f32)
static void run_add_f32(const kernels *k, const shape *s) {
    k->add_f32(out, in, s->n);
}
static void run_dot_f32(const kernels *k, const shape *s) {
    out[0] = k->dot_f32(in, weights, s->n);
}
static void run_im2col_f32(const kernels *k, const shape *s) {
    k->im2col_f32(&(im2col_f32_args){.x = in,
                                     .height = s->m,
                                     .width = s->m,
                                     .channels = s->n,
                                     .kernel = s->k,
                                     .stride = 1,
                                     .padding = s->k / 2,
                                     .row_end = s->m * s->m,
                                     .out = out});
}
static void run_avg_pool2d_f32(const kernels *k, const shape *s) {
    k->avg_pool2d_f32(&(avg_pool2d_f32_args){
        .x = in, .y = out, .height = s->m, .width = s->m, .channels = s->n, .size = s->k});
}
static pixels_args pixels(const shape *s) {
    static float table[3][256];
    return (pixels_args){.pixels = (const uint8_t *)in,
                         .height = s->m,
                         .width = s->m,
                         .table = (const float(*)[256])table};
}
static void run_pixels_to_patches_f32(const kernels *k, const shape *s) {
    pixels_args p = pixels(s);
    k->pixels_to_patches_f32(&p, s->k, out);
}
static void run_pixels_to_patches_s16(const kernels *k, const shape *s) {
    pixels_args p = pixels(s);
    k->pixels_to_patches_s16(&p, s->k, 128, (int16_t *)out);
}
static void run_pixels_to_patches_u8(const kernels *k, const shape *s) {
    pixels_args p = pixels(s);
    k->pixels_to_patches_u8(&p, s->k, (uint8_t *)out);
}
static void run_pixels_to_nhwc_f32(const kernels *k, const shape *s) {
    pixels_args p = pixels(s);
    k->pixels_to_nhwc_f32(&p, out);
}
/* From m x m pixels of 3 channels to n along one side, k taps each. */
static void run_resize(void kernel(const resize_args *), const shape *s) {
    resize_tap taps[1024];
    static int32_t coefs[1024 * 64];
    for (size_t i = 0; i < s->n; i++) {
        taps[i] =
            (resize_tap){.first = (int32_t)(i * (s->m - s->k) / s->n), .count = (int32_t)s->k};
        for (size_t j = 0; j < s->k; j++)
            coefs[i * s->k + j] = (1 << RESIZE_PRECISION_BITS) / (int32_t)s->k;
    }
    kernel(&(resize_args){.src = (const uint8_t *)in,
                          .dst = (uint8_t *)out,
                          .src_stride = s->m * 3,
                          .dst_stride = s->m * 3,
                          .rows = s->m,
                          .width = s->m,
                          .n_out = s->n,
                          .channels = 3,
                          .taps = taps,
                          .coefs = coefs,
                          .taps_max = s->k});
}
static void run_resize_columns_u8(const kernels *k, const shape *s) {
    run_resize(k->resize_columns_u8, s);
}
static void run_resize_rows_u8(const kernels *k, const shape *s) {
    run_resize(k->resize_rows_u8, s);
}
static void run_f16_to_f32(const kernels *k, const shape *s) {
    k->f16_to_f32((const uint16_t *)weights, out, s->n);
}
static void run_bf16_to_f32(const kernels *k, const shape *s) {
    k->bf16_to_f32((const uint16_t *)weights, out, s->n);
}

static const struct {
    const char *name;
    void (*run)(const kernels *k, const shape *s);
} runs[] = {
#define KERNEL(name, result, parameters) {#name, run_##name},
#include "kernels/kernels.def"
#undef KERNEL
};

#define GEMM(m, n, k)                                                                              \
    {"gemm_f32", m, n, k, 2e-9 * (m) * (n) * (k), "GFLOP/s"},                                      \
        {"gemm_s16", m, n, k, 2e-9 * (m) * (n) * (k), "GOP/s"}, {                                  \
        "gemm_u8s8", m, n, k, 2e-9 * (m) * (n) * (k), "GOP/s"                                      \
    }
#define HEAD(t, k)                                                                                 \
    {"attention_f32", t, t, k, 4e-9 * (t) * (t) * (k), "GFLOP/s"}, {                               \
        "attention_s16", t, t, k, 4e-9 * (t) * (t) * (k), "GOP/s"                                  \
    }
static const shape shapes[] = {
    GEMM(800, 768, 768),
    GEMM(800, 2304, 768),
    GEMM(800, 3072, 768),
    GEMM(800, 768, 3072),
    GEMM(50, 768, 768),
    GEMM(50, 3072, 768),
    GEMM(50, 768, 3072),
    GEMM(3136, 64, 576),
    GEMM(1, 768, 768),
    HEAD(50, 64),
    HEAD(197, 64),
    HEAD(577, 64),
    {"gemm_f32_pack", 1, 768, 768, 1e-9 * 768 * 768 * 4, "GB/s"},
    {"gemm_s16_pack", 1, 768, 768, 1e-9 * 768 * 768 * 4, "GB/s"},
    {"quantize_rows_s16", 50, 768, 0, 1e-9 * 50 * 768 * 4, "GB/s"},
    {"quantize_rows_s16", 50, 3072, 0, 1e-9 * 50 * 3072 * 4, "GB/s"},
    {"gemm_s8_pack", 1, 768, 768, 1e-9 * 768 * 768 * 4, "GB/s"},
    {"quantize_rows_u8", 50, 768, 0, 1e-9 * 50 * 768 * 4, "GB/s"},
    {"quantize_rows_u8", 50, 3072, 0, 1e-9 * 50 * 3072 * 4, "GB/s"},
    {"layer_norm_f32", 50, 768, 0, 1e-9 * 50 * 768 * 4, "GB/s"},
    {"softmax_f32", 1, 577, 0, 1e-9 * 577, "G/s"},
    {"quick_gelu_f32", 1, 3072, 0, 1e-9 * 3072, "G/s"},
    {"erf_gelu_f32", 1, 3072, 0, 1e-9 * 3072, "G/s"},
    {"tanh_gelu_f32", 1, 3072, 0, 1e-9 * 3072, "G/s"},
    {"relu_f32", 1, 3072, 0, 1e-9 * 3072, "G/s"},
    {"add_f32", 1, 3072, 0, 1e-9 * 3072, "G/s"},
    {"dot_f32", 1, 768, 0, 2e-9 * 768, "GFLOP/s"},
    {"l2_normalize_f32", 1, 512, 0, 1e-9 * 512, "G/s"},
    {"im2col_f32", 28, 128, 3, 1e-9 * 28 * 28 * 128 * 9 * 4, "GB/s"},
    {"avg_pool2d_f32", 56, 256, 2, 1e-9 * 56 * 56 * 256 * 4, "GB/s"},
    {"pixels_to_patches_f32", 224, 0, 32, 1e-9 * 224 * 224 * 3, "G/s"},
    {"pixels_to_patches_s16", 224, 0, 32, 1e-9 * 224 * 224 * 3, "G/s"},
    {"pixels_to_patches_u8", 224, 0, 32, 1e-9 * 224 * 224 * 3, "G/s"},
    {"pixels_to_nhwc_f32", 224, 0, 0, 1e-9 * 224 * 224 * 3, "G/s"},
    {"resize_columns_u8", 640, 224, 12, 1e-9 * 640 * 224 * 12 * 3, "GMAC/s"},
    {"resize_columns_u8", 1000, 224, 54, 1e-9 * 1000 * 224 * 54 * 3, "GMAC/s"},
    {"resize_rows_u8", 640, 224, 12, 1e-9 * 640 * 224 * 12 * 3, "GMAC/s"},
    {"f16_to_f32", 1, 1 << 16, 0, 1e-9 * (1 << 16), "G/s"},
    {"bf16_to_f32", 1, 1 << 16, 0, 1e-9 * (1 << 16), "G/s"},
};

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct sample {
    double rate;      /* by thread CPU time */
    double cpu_share; /* thread CPU time per time: below 1 when something else ran here */
    probe core;       /* the worse of before and after */
} sample;

static bool is_quiet(const sample *s, const probe *best) {
    return s->cpu_share >= 0.98 && s->core.peak >= 0.95 * best->peak &&
           s->core.issue >= 0.95 * best->issue;
}

static int by_rate(const void *a, const void *b) {
    double x = ((const sample *)a)->rate, y = ((const sample *)b)->rate;
    return (x > y) - (x < y);
}

/* The quiet samples to the front; gives their number. */
static size_t quiet_first(sample *samples, size_t n, const probe *best) {
    size_t n_quiet = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_quiet(&samples[i], best))
            continue;
        sample quiet = samples[i];
        samples[i] = samples[n_quiet];
        samples[n_quiet++] = quiet;
    }
    return n_quiet;
}

static double median_rate(sample *samples, size_t n) {
    qsort(samples, n, sizeof *samples, by_rate);
    return samples[n / 2].rate;
}

static arithmetic arithmetic_of(const char *kernel) {
    if (strcmp(kernel, "gemm_u8s8") == 0)
        return ARITHMETIC_U8;
    return strstr(kernel, "_s16") ? ARITHMETIC_S16 : ARITHMETIC_F32;
}

/* What was found for one kernel and shape. */
typedef struct finding {
    const char *tier;
    const shape *shape;
    double quiet, all; /* medians; quiet is 0 when no sample was */
    double peak;       /* 0 where the rate is none of multiply-adds, or there is no loop */
    size_t n_quiet, n;
} finding;

static void print_rate(const char *what, double rate, double peak) {
    printf("  %s %8.2f", what, rate);
    if (peak > 0)
        printf(" (%2.0f %%)", 100 * rate / peak);
}

static void print_line(const finding *f) {
    const shape *s = f->shape;
    printf("%-12s %-22s %4zu x %4zu x %4zu", f->tier, s->kernel, s->m, s->n, s->k);
    if (f->n_quiet)
        print_rate("quiet", f->quiet, f->peak);
    else
        printf("  never quiet");
    print_rate("all", f->all, f->peak);
    printf(" %s, %zu of %zu samples quiet\n", s->unit, f->n_quiet, f->n);
}

/* Rates in the unit named, shares of the peak; 0 where there is none. */
static void print_json(const finding *f) {
    const shape *s = f->shape;
    double scale = f->peak > 0 ? 1 / f->peak : 0;
    printf("{\"tier\": \"%s\", \"kernel\": \"%s\", \"m\": %zu, \"n\": %zu, \"k\": %zu, "
           "\"unit\": \"%s\", \"quiet\": %.2f, \"all\": %.2f, \"peak\": %.2f, "
           "\"quiet_share\": %.4f, \"all_share\": %.4f, \"quiet_samples\": %zu, "
           "\"samples\": %zu}\n",
           f->tier, s->kernel, s->m, s->n, s->k, s->unit, f->quiet, f->all, f->peak,
           f->quiet * scale, f->all * scale, f->n_quiet, f->n);
}

static finding summarize(const char *tier, const shape *s, sample *samples, size_t n,
                         const probe *best) {
    finding f = {.tier = tier, .shape = s, .n = n};
    f.peak = strstr(s->unit, "OP/s") ? best->peak : 0;
    f.n_quiet = quiet_first(samples, n, best);
    f.quiet = f.n_quiet ? median_rate(samples, f.n_quiet) : 0;
    f.all = median_rate(samples, n);
    return f;
}

static finding measure(const kernels *k, const shape *s,
                       void (*run)(const kernels *, const shape *), probe *best) {
    sample samples[MAX_SAMPLES];
    arithmetic what = arithmetic_of(s->kernel);
    double begin = seconds(CLOCK_THREAD_CPUTIME_ID);
    run(k, s);
    double once = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    size_t calls = once < 2e-3 ? (size_t)(2e-3 / (once + 1e-8)) + 1 : 1, n = 0;
    probe before = probe_core(k->tier, what);
    for (size_t n_quiet = 0; n < MAX_SAMPLES && n_quiet < WANTED_SAMPLES; n++) {
        double wall = seconds(CLOCK_MONOTONIC);
        begin = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < calls; i++)
            run(k, s);
        double cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
        wall = seconds(CLOCK_MONOTONIC) - wall;
        probe after = probe_core(k->tier, what);
        samples[n] =
            (sample){s->work * (double)calls / cpu, cpu / wall, worse_probe(before, after)};
        *best = better_probe(*best, after);
        n_quiet += is_quiet(&samples[n], best);
        before = after;
    }
    return summarize(k->tier, s, samples, n, best);
}

typedef void print_fn(const finding *f);

static void measure_tier(const kernels *k, const char *kernel, print_fn *print) {
    probe best[N_ARITHMETICS] = {{0}};
    for (arithmetic what = 0; what < N_ARITHMETICS; what++)
        for (size_t i = 0; i < FIRST_PROBES; i++)
            best[what] = better_probe(best[what], probe_core(k->tier, what));
    if (print == print_line)
        printf("%-12s peaks in 10^9 operations a second: f32 %.1f, s16 %.1f, u8 %.1f\n", k->tier,
               best[ARITHMETIC_F32].peak, best[ARITHMETIC_S16].peak, best[ARITHMETIC_U8].peak);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (kernel && strcmp(kernel, shapes[i].kernel) != 0)
            continue;
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++)
            if (strcmp(runs[r].name, shapes[i].kernel) == 0) {
                finding f =
                    measure(k, &shapes[i], runs[r].run, &best[arithmetic_of(shapes[i].kernel)]);
                print(&f);
            }
        fflush(stdout);
    }
}

/* On large pages, as a model's weights are. */
static float *new_buffer(void) {
    size_t bytes = BUFFER_FLOATS * sizeof(float), page = (size_t)2 << 20;
    float *x = mem_alloc(bytes + page);
    if (!x) {
        fputs("bench_kernels: no memory\n", stderr);
        exit(70);
    }
    x += (page - (uintptr_t)x % page) / sizeof(float);
    (void)madvise(x, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < BUFFER_FLOATS; i++)
        x[i] = (float)(i * 7919 % 1000) * 1e-3f - 0.5f;
    return x;
}

int main(int argc, char **argv) {
    print_fn *print = print_line;
    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        print = print_json;
        argc--, argv++;
    }
    const char *only_tier = argc > 1 ? argv[1] : NULL, *kernel = argc > 2 ? argv[2] : NULL;
    in = new_buffer();
    weights = new_buffer();
    packed = new_buffer();
    out = new_buffer();
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const char *name = kernels_tier_name(i), *reason = NULL;
        const kernels *k = kernels_find(name, &reason);
        if (only_tier && strcmp(only_tier, name) != 0)
            continue;
        if (k)
            measure_tier(k, kernel, print);
        else
            fprintf(stderr, "%-12s does not run here: %s\n", name, reason);
    }
    return 0;
}
