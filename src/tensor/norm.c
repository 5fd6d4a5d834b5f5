/* tensor/norm.c: layer norm in groups of rows. */
#include "tensor/norm.h"

/* Floats a pool item covers at least: below it a hand-over costs more than the arithmetic. */
static const size_t item_floats = 16 * 1024;

typedef struct norm_job {
    const exec *exec;
    const layer_norm *ln;
    const float *x;
    float *y;
    size_t ldx, ldy, rows, rows_per_item;
} norm_job;

static void run_item(void *context, size_t item, int thread) {
    (void)thread;
    const norm_job *job = context;
    size_t row = item * job->rows_per_item;
    size_t left = job->rows - row;
    job->exec->kernels->layer_norm_f32(&(layer_norm_f32_args){
        .x = job->x + row * job->ldx,
        .y = job->y + row * job->ldy,
        .ldx = job->ldx,
        .ldy = job->ldy,
        .gamma = job->ln->weight,
        .beta = job->ln->bias,
        .rows = left < job->rows_per_item ? left : job->rows_per_item,
        .width = job->ln->width,
        .eps = job->ln->eps,
    });
}

void layer_norm_run(const exec *e, const layer_norm *ln, const float *x, size_t ldx, float *y,
                    size_t ldy, size_t rows) {
    size_t rows_per_item = rows;
    if (ken_pool_threads(e->pool) > 1)
        rows_per_item = (item_floats + ln->width - 1) / ln->width;
    if (rows == 0)
        return;
    norm_job job = {e, ln, x, y, ldx, ldy, rows, rows_per_item};
    pool_run(e->pool, run_item, &job, (rows + rows_per_item - 1) / rows_per_item);
}
