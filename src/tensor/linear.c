/* tensor/linear.c: quantising the rows, and splitting a GEMM over the pool.
 *
 * Work is split by panels of columns first, because each thread then reads its own part of the
 * weights once; by row tiles only when there are fewer panels than threads can share. Any split
 * gives the same bits, since a kernel computes each element in the same order whatever its
 * neighbours. */
#include "tensor/linear.h"

#include "base/checked.h"

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
    int16_t *quantized; /* [rows, s16_row(K)] x, and the scales of its rows; in s16 */
    float *scales;
    size_t panels_per_item, rows_per_item, panel_items;
} gemm_job;

static void run_f32(const gemm_job *job, size_t row, size_t rows, size_t column, size_t columns) {
    const linear *l = job->linear;
    const linear_args *a = job->args;
    job->exec->kernels->gemm_f32(&(gemm_f32_args){
        .a = a->x + row * a->ldx,
        .lda = a->ldx,
        .b = l->packed + column * l->k,
        .bias = l->bias ? l->bias + column : NULL,
        .residual = a->residual ? a->residual + row * a->ldr + column : NULL,
        .ldr = a->ldr,
        .c = a->y + row * a->ldy + column,
        .ldc = a->ldy,
        .m = rows,
        .n = columns,
        .k = l->k,
        .epilogue = a->epilogue,
    });
}

static void run_s16(const gemm_job *job, size_t row, size_t rows, size_t column, size_t columns) {
    const linear *l = job->linear;
    const linear_args *a = job->args;
    job->exec->kernels->gemm_s16(&(gemm_s16_args){
        .a = job->quantized + row * s16_row(l->k),
        .lda = s16_row(l->k),
        .a_scales = job->scales + row,
        .b = l->packed_s16 + column * s16_row(l->k),
        .b_scales = l->scales + column,
        .bias = l->bias ? l->bias + column : NULL,
        .residual = a->residual ? a->residual + row * a->ldr + column : NULL,
        .ldr = a->ldr,
        .c = a->y + row * a->ldy + column,
        .ldc = a->ldy,
        .m = rows,
        .n = columns,
        .k = l->k,
        .epilogue = a->epilogue,
    });
}

static void run_part(const gemm_job *job, size_t row, size_t rows, size_t panel, size_t panels) {
    size_t nr = job->exec->kernels->gemm_f32_nr, column = panel * nr;
    size_t left = job->linear->n - column, columns = panels * nr < left ? panels * nr : left;
    if (job->linear->precision == KEN_PRECISION_S16)
        run_s16(job, row, rows, column, columns);
    else
        run_f32(job, row, rows, column, columns);
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
    const linear_args *a = job->args;
    size_t k = job->linear->k, row = item * job->rows_per_item, left = a->rows - row;
    job->exec->kernels->quantize_rows_s16(&(quantize_rows_s16_args){
        .x = a->x + row * a->ldx,
        .ldx = a->ldx,
        .q = job->quantized + row * s16_row(k),
        .ldq = s16_row(k),
        .scales = job->scales + row,
        .rows = left < job->rows_per_item ? left : job->rows_per_item,
        .width = k,
    });
}

/* In exec.quantized the scales come first. */
static size_t scales_bytes(size_t rows) {
    enum { line = 64 };
    return ceil_div(rows * sizeof(float), line) * line;
}

size_t linear_quantized_bytes(const linear *l, size_t rows) {
    size_t numbers_bytes, bytes;
    if (l->precision == KEN_PRECISION_F32)
        return 0;
    if (!checked_mul3(rows, s16_row(l->k), sizeof(int16_t), &numbers_bytes) ||
        !checked_add(numbers_bytes, scales_bytes(rows), &bytes))
        return SIZE_MAX;
    return bytes;
}

static void quantize(gemm_job *job, bool split) {
    size_t rows = job->args->rows;
    job->scales = job->exec->quantized;
    job->quantized = (int16_t *)((char *)job->exec->quantized + scales_bytes(rows));
    job->rows_per_item = split ? ceil_div(quantize_floats, job->linear->k) : rows;
    if (split)
        pool_run(job->exec->pool, quantize_item, job, ceil_div(rows, job->rows_per_item));
    else
        quantize_item(job, 0, 0);
}

void linear_run(const exec *e, const linear *l, const linear_args *args) {
    size_t panels = ceil_div(l->n, e->kernels->gemm_f32_nr);
    size_t threads = (size_t)ken_pool_threads(e->pool);
    gemm_job job = {e, l, args, .panels_per_item = panels};
    bool split = threads > 1 && args->rows * l->n * l->k >= min_split_macs;
    if (l->precision == KEN_PRECISION_S16)
        quantize(&job, split);
    if (!split) {
        run_part(&job, 0, args->rows, 0, panels);
        return;
    }
    size_t wanted = threads * items_per_thread;
    job.panels_per_item = ceil_div(panels, wanted < panels ? wanted : panels);
    job.panel_items = ceil_div(panels, job.panels_per_item);
    size_t mr = e->kernels->gemm_f32_mr;
    size_t row_parts = job.panel_items < threads ? ceil_div(wanted, job.panel_items) : 1;
    job.rows_per_item = ceil_div(ceil_div(args->rows, row_parts), mr) * mr;
    pool_run(e->pool, run_item, &job, ceil_div(args->rows, job.rows_per_item) * job.panel_items);
}
