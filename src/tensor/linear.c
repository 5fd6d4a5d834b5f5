/* tensor/linear.c: packing a weight, and splitting a GEMM over the pool.
 *
 * Work is split by panels of columns first, because each thread then reads its own part of the
 * weights once; by row tiles only when there are fewer panels than threads can share. Any split
 * gives the same bits, since a kernel computes each element in the same order whatever its
 * neighbours. */
#include "tensor/linear.h"

#include "base/checked.h"

#include <string.h>

/* Multiply-adds below which waking other threads costs more than it saves. */
static const size_t min_split_macs = 256 * 1024;
/* Items per thread: some slack for a thread that is late, little overhead for the rest. */
enum { items_per_thread = 3 };

ken_status linear_init(linear *l, const kernels *k, const float *w, size_t ldw, const float *bias,
                       size_t n_out, size_t n_in, arena *memory, ken_error *err) {
    size_t panels = (n_out + k->gemm_f32_nr - 1) / k->gemm_f32_nr;
    size_t packed_bytes;
    if (!checked_mul3(panels * k->gemm_f32_nr, n_in, sizeof(float), &packed_bytes))
        return error_no_memory(err, SIZE_MAX);
    *l = (linear){.precision = KEN_PRECISION_F32, .n = n_out, .k = n_in};
    l->packed = arena_alloc_raw(memory, packed_bytes);
    if (!l->packed)
        return error_no_memory(err, packed_bytes);
    k->gemm_f32_pack(w, ldw, n_out, n_in, l->packed);
    if (bias) {
        l->bias = arena_array(memory, n_out, sizeof(float));
        if (!l->bias)
            return error_no_memory(err, n_out * sizeof(float));
        memcpy(l->bias, bias, n_out * sizeof(float));
    }
    return KEN_OK;
}

typedef struct gemm_job {
    const exec *exec;
    const linear *linear;
    const linear_args *args;
    size_t panels_per_item, rows_per_item, panel_items;
} gemm_job;

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static void run_part(const gemm_job *job, size_t row, size_t rows, size_t panel, size_t panels) {
    const linear *l = job->linear;
    const linear_args *a = job->args;
    size_t nr = job->exec->kernels->gemm_f32_nr;
    size_t column = panel * nr;
    size_t columns = panels * nr < l->n - column ? panels * nr : l->n - column;
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

static void run_item(void *context, size_t item, int thread) {
    (void)thread;
    const gemm_job *job = context;
    size_t row = item / job->panel_items * job->rows_per_item;
    size_t left = job->args->rows - row;
    run_part(job, row, left < job->rows_per_item ? left : job->rows_per_item,
             item % job->panel_items * job->panels_per_item, job->panels_per_item);
}

void linear_run(const exec *e, const linear *l, const linear_args *args) {
    size_t panels = ceil_div(l->n, e->kernels->gemm_f32_nr);
    size_t threads = (size_t)ken_pool_threads(e->pool);
    gemm_job job = {e, l, args, .panels_per_item = panels};
    if (threads == 1 || args->rows * l->n * l->k < min_split_macs) {
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
