/* Every thread works on its own rows, as the encoders of a long job do; the weights are shared. */
#include "tasks/bench/machine.h"

#include "base/mem.h"
#include "base/pool.h"
#include "base/sys.h"
#include "tensor/linear.h"

#include <string.h>

/* A measurement goes on until then; one round is enough for a slow machine. */
static const double enough_seconds = 0.06;

/* ---- memory ---------------------------------------------------------------------------------- */

enum { buffer_floats = 32 << 20 }; /* 128 MiB: more than the caches hold */

typedef struct reading {
    const kernels *kernels;
    const float *numbers;
    size_t n_threads;
    volatile float sum; /* so that the reading cannot be left out */
} reading;

static void read_part(void *context, size_t part, int thread) {
    (void)thread;
    reading *r = context;
    size_t n = buffer_floats / r->n_threads / 2;
    const float *from = r->numbers + part * 2 * n;
    r->sum = r->kernels->dot_f32(from, from + n, n);
}

/* The best round: what disturbs a round only makes it slower. */
static double time_rounds(ken_pool *pool, pool_fn *fn, void *context, size_t n_items) {
    double begin = sys_seconds(), now = begin, best = 0;
    pool_begin(pool);
    do {
        double since = now;
        pool_run(pool, fn, context, n_items);
        now = sys_seconds();
        best = best > 0 && best < now - since ? best : now - since;
    } while (now - begin < enough_seconds);
    pool_end(pool);
    return best;
}

static ken_status measure_reading(const kernels *k, ken_pool *pool, machine_speed *out,
                                  ken_error *err) {
    size_t size_bytes = buffer_floats * sizeof(float);
    float *numbers = mem_alloc(size_bytes);
    if (!numbers)
        return error_no_memory(err, size_bytes);
    memset(numbers, 0, size_bytes);
    size_t n = (size_t)out->n_threads;
    reading r = {.kernels = k, .numbers = numbers, .n_threads = 1};
    out->read_gb_per_second.one = 1e-9 * (double)size_bytes / time_rounds(NULL, read_part, &r, 1);
    r.n_threads = n;
    out->read_gb_per_second.all = 1e-9 * (double)size_bytes / time_rounds(pool, read_part, &r, n);
    mem_free(numbers);
    return KEN_OK;
}

/* ---- products -------------------------------------------------------------------------------- */

/* ViT-B/32: 49 patches and the class token, 12 blocks of width 768. Of the last block only the
 * class token's row is needed behind the attention, and the patches are one more product; together
 * that is 11.5 blocks. */
enum { tokens = 50, width = 768, hidden = 4 * width, images = 4, rows = images * tokens };
static const double blocks = 11.5;

typedef struct layer_size {
    size_t n, k;
    gemm_epilogue epilogue;
} layer_size;
static const layer_size layer_sizes[] = {{3 * width, width, GEMM_STORE},
                                         {width, width, GEMM_STORE},
                                         {hidden, width, GEMM_QUICK_GELU},
                                         {width, hidden, GEMM_STORE}};
enum { n_layers = sizeof layer_sizes / sizeof *layer_sizes };

/* The part of an encoder's time that its products take, quantisation and GELU included: what is
 * left is attention and layer norms, which the integer precisions speed up less. */
static const struct {
    ken_precision precision;
    double share;
} precisions[MACHINE_PRECISIONS] = {
    {KEN_PRECISION_F32, 0.94}, {KEN_PRECISION_S16, 0.9}, {KEN_PRECISION_INT8, 0.84}};

typedef struct block {
    const kernels *kernels;
    linear layers[n_layers];
    const float *x; /* [rows, hidden], read only */
    char *memory;   /* for each thread its results and its integers */
    size_t thread_bytes;
} block;

static void run_block(void *context, size_t item, int thread) {
    (void)thread; /* there are as many items as threads, each with memory of its own */
    const block *b = context;
    float *y = (float *)(b->memory + item * b->thread_bytes);
    exec e = {.kernels = b->kernels, .quantized = y + (size_t)rows * hidden};
    for (int i = 0; i < n_layers; i++) {
        const layer_size *size = &layer_sizes[i];
        linear_run(&e, &b->layers[i],
                   &(linear_args){.x = b->x,
                                  .ldx = size->k,
                                  .y = y,
                                  .ldy = size->n,
                                  .rows = rows,
                                  .epilogue = size->epilogue});
    }
}

/* Numbers between -1 and 1: a linear congruence, since any noise will do. */
static void fill(float *x, size_t n) {
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

static ken_status pack_block(block *b, ken_precision precision, const float *numbers, arena *a,
                             int n_threads, ken_error *err) {
    const linear *layers[n_layers];
    for (int i = 0; i < n_layers; i++) {
        const layer_size *size = &layer_sizes[i];
        TRY(linear_init(&b->layers[i], b->kernels, precision, numbers, size->k, NULL, size->n,
                        size->k, a, err));
        layers[i] = &b->layers[i];
    }
    size_t y_bytes = (size_t)rows * hidden * sizeof(float);
    b->thread_bytes = y_bytes + linear_quantized_bytes_most(layers, n_layers, rows);
    b->thread_bytes = (b->thread_bytes + 63) / 64 * 64;
    b->memory = arena_alloc(a, b->thread_bytes * (size_t)n_threads);
    return b->memory ? KEN_OK : error_no_memory(err, b->thread_bytes * (size_t)n_threads);
}

static ken_status measure_precision(block *b, const float *numbers, ken_pool *pool, int index,
                                    machine_speed *out, ken_error *err) {
    arena a = {0};
    ken_status status =
        pack_block(b, precisions[index].precision, numbers, &a, out->n_threads, err);
    if (status == KEN_OK) {
        double work = images * precisions[index].share / blocks;
        size_t n = (size_t)out->n_threads;
        out->vit_b_32[index].precision = precisions[index].precision;
        out->vit_b_32[index].images_per_second = (machine_rates){
            work / time_rounds(NULL, run_block, b, 1),
            work * (double)n / time_rounds(pool, run_block, b, n),
        };
    }
    arena_free(&a);
    return status;
}

static ken_status measure_products(const kernels *k, ken_pool *pool, machine_speed *out,
                                   ken_error *err) {
    size_t n = (size_t)hidden * width; /* the largest weight, and more than the rows */
    float *numbers = mem_alloc(n * sizeof *numbers);
    if (!numbers)
        return error_no_memory(err, n * sizeof *numbers);
    fill(numbers, n);
    block b = {.kernels = k, .x = numbers};
    ken_status status = KEN_OK;
    for (int i = 0; i < MACHINE_PRECISIONS && status == KEN_OK; i++)
        status = measure_precision(&b, numbers, pool, i, out, err);
    mem_free(numbers);
    return status;
}

ken_status machine_measure(const kernels *k, int n_threads, machine_speed *out, ken_error *err) {
    *out = (machine_speed){.n_threads = n_threads};
    ken_pool *pool;
    TRY(ken_pool_new(n_threads, &pool, err));
    ken_status status = measure_reading(k, pool, out, err);
    if (status == KEN_OK)
        status = measure_products(k, pool, out, err);
    ken_pool_free(pool);
    return status;
}
