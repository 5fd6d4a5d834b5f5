/* tensor/conv.c: im2col a strip of rows into the thread's scratch, in s16 quantise it there, then
 * one GEMM on the strip while it is still in the cache. */
#include "tensor/conv.h"

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
    return !is_linear(conv) || conv->weight.precision == KEN_PRECISION_S16;
}

/* Of a strip's floats: none when the pixels are the rows. */
static size_t column_floats(const conv2d *conv, const kernels *k) {
    return is_linear(conv) ? 0 : strip_rows(conv, k) * conv->weight.k;
}

size_t conv2d_scratch(const conv2d *conv, const kernels *k) {
    if (!in_strips(conv))
        return 0;
    size_t floats = column_floats(conv, k);
    if (conv->weight.precision == KEN_PRECISION_S16) /* two integers a float, and a scale a row */
        floats += strip_rows(conv, k) * (s16_row(conv->weight.k) / 2 + 1);
    return floats;
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

static void multiply_f32(const conv_job *job, const float *x, size_t rows, size_t row) {
    const linear *l = &job->conv->weight;
    const conv2d_args *a = job->args;
    job->exec->kernels->gemm_f32(&(gemm_f32_args){
        .a = x,
        .lda = l->k,
        .b = l->packed,
        .bias = l->bias,
        .residual = a->residual ? a->residual + row * l->n : NULL,
        .ldr = l->n,
        .c = a->y + row * l->n,
        .ldc = l->n,
        .m = rows,
        .n = l->n,
        .k = l->k,
        .epilogue = a->epilogue,
    });
}

/* `scratch` holds the integers and their scales. */
static void multiply_s16(const conv_job *job, const float *x, size_t rows, size_t row,
                         float *scratch) {
    const linear *l = &job->conv->weight;
    const conv2d_args *a = job->args;
    float *scales = scratch;
    int16_t *q = (int16_t *)(void *)(scratch + job->strip);
    job->exec->kernels->quantize_rows_s16(&(quantize_rows_s16_args){.x = x,
                                                                    .ldx = l->k,
                                                                    .q = q,
                                                                    .ldq = s16_row(l->k),
                                                                    .scales = scales,
                                                                    .rows = rows,
                                                                    .width = l->k});
    job->exec->kernels->gemm_s16(&(gemm_s16_args){
        .a = q,
        .lda = s16_row(l->k),
        .a_scales = scales,
        .b = l->packed_s16,
        .b_scales = l->scales,
        .bias = l->bias,
        .residual = a->residual ? a->residual + row * l->n : NULL,
        .ldr = l->n,
        .c = a->y + row * l->n,
        .ldc = l->n,
        .m = rows,
        .n = l->n,
        .k = l->k,
        .epilogue = a->epilogue,
    });
}

static void run_strip(void *context, size_t item, int thread) {
    const conv_job *job = context;
    size_t picture = item / job->strips_per_picture;
    size_t begin = item % job->strips_per_picture * job->strip;
    size_t end = begin + job->strip < job->out_rows ? begin + job->strip : job->out_rows;
    float *scratch = exec_scratch(job->exec, thread);
    const float *x = strip_floats(job, picture, begin, end, scratch);
    size_t row = picture * job->out_rows + begin;
    if (job->conv->weight.precision == KEN_PRECISION_S16)
        multiply_s16(job, x, end - begin, row,
                     scratch + column_floats(job->conv, job->exec->kernels));
    else
        multiply_f32(job, x, end - begin, row);
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
