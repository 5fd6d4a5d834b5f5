/* tensor/conv.c: im2col a strip of rows into the thread's scratch, then one GEMM on the strip while
 * it is still in the cache. */
#include "tensor/conv.h"

/* What a strip may take of a core's second-level cache. */
static const size_t strip_bytes = 256 * 1024;

static size_t strip_rows(const conv2d *conv, const kernels *k) {
    size_t mr = k->gemm_f32_mr;
    size_t tiles = strip_bytes / sizeof(float) / (conv->weight.k * mr);
    return (tiles ? tiles : 1) * mr;
}

static bool is_linear(const conv2d *conv) {
    return conv->kernel == 1 && conv->stride == 1 && conv->padding == 0;
}

size_t conv2d_scratch(const conv2d *conv, const kernels *k) {
    return is_linear(conv) ? 0 : strip_rows(conv, k) * conv->weight.k;
}

size_t conv2d_out_size(const conv2d *conv, size_t size) {
    return (size + 2 * conv->padding - conv->kernel) / conv->stride + 1;
}

typedef struct conv_job {
    const exec *exec;
    const conv2d *conv;
    const conv2d_args *args;
    size_t out_rows; /* of a picture */
    size_t strip, strips_per_picture;
} conv_job;

static void run_strip(void *context, size_t item, int thread) {
    const conv_job *job = context;
    const conv2d *conv = job->conv;
    const conv2d_args *a = job->args;
    size_t picture = item / job->strips_per_picture;
    size_t begin = item % job->strips_per_picture * job->strip;
    size_t end = begin + job->strip < job->out_rows ? begin + job->strip : job->out_rows;
    float *columns = exec_scratch(job->exec, thread);
    job->exec->kernels->im2col_f32(&(im2col_f32_args){
        .x = a->x + picture * a->height * a->width * conv->channels,
        .height = a->height,
        .width = a->width,
        .channels = conv->channels,
        .kernel = conv->kernel,
        .stride = conv->stride,
        .padding = conv->padding,
        .row_begin = begin,
        .row_end = end,
        .out = columns,
    });
    size_t n = conv->weight.n;
    size_t at = (picture * job->out_rows + begin) * n;
    job->exec->kernels->gemm_f32(&(gemm_f32_args){
        .a = columns,
        .lda = conv->weight.k,
        .b = conv->weight.packed,
        .bias = conv->weight.bias,
        .residual = a->residual ? a->residual + at : NULL,
        .ldr = n,
        .c = a->y + at,
        .ldc = n,
        .m = end - begin,
        .n = n,
        .k = conv->weight.k,
        .epilogue = a->epilogue,
    });
}

void conv2d_run(const exec *e, const conv2d *conv, const conv2d_args *args) {
    if (is_linear(conv)) {
        linear_run(e, &conv->weight,
                   &(linear_args){.x = args->x,
                                  .ldx = conv->weight.k,
                                  .y = args->y,
                                  .ldy = conv->weight.n,
                                  .rows = args->batch * args->height * args->width,
                                  .epilogue = args->epilogue,
                                  .residual = args->residual,
                                  .ldr = conv->weight.n});
        return;
    }
    conv_job job = {e, conv, args, .strip = strip_rows(conv, e->kernels)};
    job.out_rows = conv2d_out_size(conv, args->height) * conv2d_out_size(conv, args->width);
    job.strips_per_picture = (job.out_rows + job.strip - 1) / job.strip;
    pool_run(e->pool, run_strip, &job, args->batch * job.strips_per_picture);
}

typedef struct pool_job {
    const exec *exec;
    const float *x;
    float *y;
    size_t height, width, channels, size;
} pool_job;

static void pool_picture(void *context, size_t picture, int thread) {
    (void)thread;
    const pool_job *job = context;
    size_t out = job->height / job->size * (job->width / job->size) * job->channels;
    job->exec->kernels->avg_pool2d_f32(&(avg_pool2d_f32_args){
        .x = job->x + picture * job->height * job->width * job->channels,
        .y = job->y + picture * out,
        .height = job->height,
        .width = job->width,
        .channels = job->channels,
        .size = job->size,
    });
}

void avg_pool2d_run(const exec *e, const float *x, float *y, size_t batch, size_t height,
                    size_t width, size_t channels, size_t size) {
    pool_job job = {e, x, y, height, width, channels, size};
    pool_run(e->pool, pool_picture, &job, batch);
}
