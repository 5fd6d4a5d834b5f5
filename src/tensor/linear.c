/* tensor/linear.c: quantising the rows, and splitting a GEMM over the pool.
 *
 * Work is split by panels of columns first, because each thread then reads its own part of the
 * weights once; by row tiles only when there are fewer panels than threads can share. Any split
 * gives the same bits, since a kernel computes each element in the same order whatever its
 * neighbours. */
#include "tensor/linear_rows.h"

/* Multiply-adds below which waking other threads costs more than it saves. */
static const size_t min_split_macs = 256 * 1024;
/* Floats that an item of a quantisation covers at least. */
static const size_t quantize_floats = 16 * 1024;
/* Items per thread: some slack for a thread that is late, little overhead for the rest. */
enum { items_per_thread = 3 };

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

typedef struct gemm_job {
    const exec *exec;
    const linear *linear;
    const linear_args *args;
    linear_rows in;
    size_t panels_per_item, rows_per_item, panel_items;
} gemm_job;

static void run_part(const gemm_job *job, size_t row, size_t rows, size_t panel, size_t panels) {
    const linear_args *a = job->args;
    linear_multiply(job->exec->kernels, job->linear,
                    &(linear_part){.in = linear_rows_from(job->linear, &job->in, row),
                                   .rows = rows,
                                   .panel = panel,
                                   .panels = panels,
                                   .y = a->y + row * a->ldy,
                                   .ldy = a->ldy,
                                   .epilogue = a->epilogue,
                                   .residual = a->residual ? a->residual + row * a->ldr : NULL,
                                   .ldr = a->ldr});
}

static void run_item(void *context, size_t item, int thread) {
    (void)thread;
    const gemm_job *job = context;
    size_t row = item / job->panel_items * job->rows_per_item;
    size_t left = job->args->rows - row;
    run_part(job, row, left < job->rows_per_item ? left : job->rows_per_item,
             item % job->panel_items * job->panels_per_item, job->panels_per_item);
}

/* The rows of x, `rows_per_item` at a time. */
static void quantize_item(void *context, size_t item, int thread) {
    (void)thread;
    const gemm_job *job = context;
    size_t row = item * job->rows_per_item, left = job->args->rows - row;
    linear_rows rows = linear_rows_from(job->linear, &job->in, row);
    linear_rows_quantize(job->exec->kernels, job->linear, &rows,
                         left < job->rows_per_item ? left : job->rows_per_item);
}

size_t linear_quantized_bytes(const linear *l, size_t rows) {
    linear_rows unused;
    return linear_rows_place(l, rows, NULL, &unused);
}

size_t linear_quantized_bytes_most(const linear *const *layers, size_t n, size_t rows) {
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = linear_quantized_bytes(layers[i], rows);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void quantize(gemm_job *job, bool split) {
    size_t rows = job->args->rows;
    job->rows_per_item = split ? ceil_div(quantize_floats, job->linear->k) : rows;
    if (split)
        pool_run(job->exec->pool, quantize_item, job, ceil_div(rows, job->rows_per_item));
    else
        quantize_item(job, 0, 0);
}

static size_t tile_rows(const kernels *k, const linear *l) {
    return l->precision == KEN_PRECISION_INT8 ? k->gemm_u8_mr : k->gemm_f32_mr;
}

void linear_run(const exec *e, const linear *l, const linear_args *args) {
    size_t panels = ceil_div(l->n, e->kernels->gemm_f32_nr);
    size_t threads = (size_t)ken_pool_threads(e->pool);
    gemm_job job = {e, l, args, {.x = args->x, .ldx = args->ldx}, .panels_per_item = panels};
    bool split = threads > 1 && args->rows * l->n * l->k >= min_split_macs;
    if (linear_rows_place(l, args->rows, e->quantized, &job.in) && args->x)
        quantize(&job, split);
    if (!split) {
        run_part(&job, 0, args->rows, 0, panels);
        return;
    }
    size_t wanted = threads * items_per_thread;
    job.panels_per_item = ceil_div(panels, wanted < panels ? wanted : panels);
    job.panel_items = ceil_div(panels, job.panels_per_item);
    size_t mr = tile_rows(e->kernels, l);
    size_t row_parts = job.panel_items < threads ? ceil_div(wanted, job.panel_items) : 1;
    job.rows_per_item = ceil_div(ceil_div(args->rows, row_parts), mr) * mr;
    pool_run(e->pool, run_item, &job, ceil_div(args->rows, job.rows_per_item) * job.panel_items);
}
