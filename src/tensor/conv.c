/* tensor/conv.c: im2col a strip of rows into the thread's scratch, for integers quantise it there,
 * then one GEMM on the strip while it is still in the cache. */
#include "tensor/conv.h"

#include "tensor/linear_rows.h"

/* What a strip may take of a core's second-level cache. */
static const size_t strip_bytes = 256 * 1024;

static size_t strip_rows(const conv2d *conv, const kernels *k) {
    size_t mr = k->gemm_f32_mr;
    size_t tiles = strip_bytes / sizeof(float) / (conv->weight.k * mr);
    return (tiles ? tiles : 1) * mr;
}

/* The pixels are the rows. */
static bool is_linear(const conv2d *conv) {
    return conv->kernel == 1 && conv->stride == 1 && conv->padding == 0;
}

/* In strips also a linear one, so that its integers need no more than a strip's memory. */
static bool in_strips(const conv2d *conv) {
    return !is_linear(conv) || conv->weight.precision != KEN_PRECISION_F32;
}

/* Floats of a strip: none when the pixels are the rows. A multiple of a cache line. */
static size_t column_floats(const conv2d *conv, const kernels *k) {
    enum { line = 16 };
    size_t floats = is_linear(conv) ? 0 : strip_rows(conv, k) * conv->weight.k;
    return (floats + line - 1) / line * line;
}

size_t conv2d_scratch(const conv2d *conv, const kernels *k) {
    if (!in_strips(conv))
        return 0;
    linear_rows unused;
    size_t bytes = linear_rows_place(&conv->weight, strip_rows(conv, k), NULL, &unused);
    return column_floats(conv, k) + bytes / sizeof(float);
}

size_t conv2d_out_size(const conv2d *conv, size_t size) {
    return (size + 2 * conv->padding - conv->kernel) / conv->stride + 1;
}

typedef struct conv_job {
    const exec *exec;
    const conv2d *conv;
    const conv2d_args *args;
    size_t out_rows; /* of a picture; of all when the pixels are the rows */
    size_t strip, strips_per_picture;
} conv_job;

/* Rows [begin, end) of a picture as a matrix, in `columns` unless they are one already. */
static const float *strip_floats(const conv_job *job, size_t picture, size_t begin, size_t end,
                                 float *columns) {
    const conv2d *conv = job->conv;
    const conv2d_args *a = job->args;
    if (is_linear(conv))
        return a->x + begin * conv->channels;
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
    return columns;
}

static void run_strip(void *context, size_t item, int thread) {
    const conv_job *job = context;
    const linear *l = &job->conv->weight;
    const kernels *k = job->exec->kernels;
    const conv2d_args *a = job->args;
    size_t picture = item / job->strips_per_picture;
    size_t begin = item % job->strips_per_picture * job->strip;
    size_t end = begin + job->strip < job->out_rows ? begin + job->strip : job->out_rows;
    float *scratch = exec_scratch(job->exec, thread);
    linear_rows in = {.x = strip_floats(job, picture, begin, end, scratch), .ldx = l->k};
    linear_rows_place(l, job->strip, scratch + column_floats(job->conv, k), &in);
    linear_rows_quantize(k, l, &in, end - begin);
    size_t row = picture * job->out_rows + begin;
    linear_multiply(k, l,
                    &(linear_part){.in = in,
                                   .rows = end - begin,
                                   .panels = (l->n + k->gemm_f32_nr - 1) / k->gemm_f32_nr,
                                   .y = a->y + row * l->n,
                                   .ldy = l->n,
                                   .epilogue = a->epilogue,
                                   .residual = a->residual ? a->residual + row * l->n : NULL,
                                   .ldr = l->n});
}

static void run_linear(const exec *e, const conv2d *conv, const conv2d_args *args) {
    linear_run(e, &conv->weight,
               &(linear_args){.x = args->x,
                              .ldx = conv->weight.k,
                              .y = args->y,
                              .ldy = conv->weight.n,
                              .rows = args->batch * args->height * args->width,
                              .epilogue = args->epilogue,
                              .residual = args->residual,
                              .ldr = conv->weight.n});
}

void conv2d_run(const exec *e, const conv2d *conv, const conv2d_args *args) {
    if (!in_strips(conv)) {
        run_linear(e, conv, args);
        return;
    }
    size_t pictures = is_linear(conv) ? 1 : args->batch;
    conv_job job = {e, conv, args, .strip = strip_rows(conv, e->kernels)};
    job.out_rows = conv2d_out_size(conv, args->height) * conv2d_out_size(conv, args->width);
    job.out_rows *= args->batch / pictures;
    job.strips_per_picture = (job.out_rows + job.strip - 1) / job.strip;
    pool_run(e->pool, run_strip, &job, pictures * job.strips_per_picture);
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
