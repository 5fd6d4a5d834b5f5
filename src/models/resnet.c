/* models/resnet.c: running ModifiedResNet on [B, H, W, C] activations.
 *
 * Reading it is in resnet_read.c. Four buffers carry a group of pictures through: x and y hold a
 * stage's input and output (as large as the stem's, S/2 * S/2 * width), t1 and t2 what lies inside
 * a block (half of that). */
#include "models/resnet.h"

#include "tensor/attention.h"

#include <stdio.h>
#include <string.h>

/* What a group's activations may take: a share of a machine's last-level cache. */
static const size_t group_bytes = 32 << 20;

typedef struct resnet_buffers {
    float *x, *y, *t1, *t2;
    float *q, *pooled; /* [B, D] */
    size_t *begin;     /* [B + 1] */
    size_t *one_each;  /* [B + 1] */
    void *quantized;   /* for exec */
} resnet_buffers;

static size_t max(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t stem_side(size_t image_size) {
    return (image_size + 1) / 2;
}

size_t resnet_final_side(size_t image_size) {
    return stem_side(image_size) / (RESNET_REDUCTION / 2);
}

static size_t pool_width(const resnet *net) {
    return net->config.width * RESNET_REDUCTION;
}

static size_t pool_tokens(const resnet *net) {
    size_t side = net->config.image_size / RESNET_REDUCTION;
    return side * side + 1;
}

/* Floats a picture of x and y, and of t1 and t2. */
static void buffer_sizes(const resnet *net, size_t *outer, size_t *inner) {
    size_t side = net->config.image_size, half = stem_side(side);
    size_t stem = half * half * net->config.width, tokens = pool_tokens(net) * pool_width(net);
    *outer = max(max(stem, 3 * side * side), 2 * tokens);
    *inner = max((stem + 1) / 2, tokens);
}

static size_t group_size(const resnet *net, size_t batch) {
    size_t outer, inner;
    buffer_sizes(net, &outer, &inner);
    size_t fits = group_bytes / (2 * (outer + inner) * sizeof(float));
    return fits < 1 ? 1 : fits < batch ? fits : batch;
}

static void take(const resnet *net, size_t group, workspace *w, resnet_buffers *out) {
    size_t outer, inner;
    buffer_sizes(net, &outer, &inner);
    out->x = workspace_floats(w, group * outer);
    out->y = workspace_floats(w, group * outer);
    out->t1 = workspace_floats(w, group * inner);
    out->t2 = workspace_floats(w, group * inner);
    out->q = workspace_floats(w, group * pool_width(net));
    out->pooled = workspace_floats(w, group * pool_width(net));
    out->begin = workspace_take(w, group + 1, sizeof *out->begin);
    out->one_each = workspace_take(w, group + 1, sizeof *out->one_each);
    /* Of the attention pool: convolutions go in strips. */
    const attnpool *pool = &net->attnpool;
    const linear *const layers[] = {&pool->q_proj, &pool->kv_proj, &pool->c_proj};
    size_t n = sizeof layers / sizeof *layers, rows = group * pool_tokens(net);
    out->quantized = workspace_take(w, 1, linear_quantized_bytes_most(layers, n, rows));
}

size_t resnet_workspace_bytes(const resnet *net, size_t batch) {
    workspace counting = {0};
    resnet_buffers unused;
    take(net, group_size(net, batch), &counting, &unused);
    return counting.used_bytes;
}

static size_t block_scratch(const bottleneck *block, const kernels *k) {
    size_t floats = max(conv2d_scratch(&block->conv1, k), conv2d_scratch(&block->conv2, k));
    floats = max(floats, conv2d_scratch(&block->conv3, k));
    return block->downsample.weight.n ? max(floats, conv2d_scratch(&block->downsample, k)) : floats;
}

size_t resnet_scratch_floats(const resnet *net, const kernels *k) {
    size_t floats = attention_scratch(1, pool_tokens(net), pool_width(net) / net->config.heads);
    floats = max(floats, conv2d_scratch(&net->conv1, k));
    floats = max(floats, conv2d_scratch(&net->conv2, k));
    floats = max(floats, conv2d_scratch(&net->conv3, k));
    for (size_t stage = 0; stage < RESNET_STAGES; stage++)
        for (size_t i = 0; i < net->config.layers[stage]; i++)
            floats = max(floats, block_scratch(&net->layers[stage][i], k));
    return floats;
}

/* [B, 3, H, W] or pixels -> [B, H, W, 3] */
static void input_nhwc(const exec *e, size_t side, const pictures *in, size_t batch, float *out) {
    size_t area = side * side;
    for (size_t i = 0; i < batch; i++, out += 3 * area) {
        if (in->nchw) {
            const float *planes = in->nchw + i * 3 * area;
            for (size_t at = 0; at < area; at++)
                for (size_t c = 0; c < 3; c++)
                    out[at * 3 + c] = planes[c * area + at];
        } else {
            pixels_args args = {.pixels = in->pixels + i * 3 * area,
                                .height = side,
                                .width = side,
                                .table = in->table};
            e->kernels->pixels_to_nhwc_f32(&args, out);
        }
    }
}

/* The picture goes in through y; the result is in x. */
static void run_stem(const exec *e, const resnet *net, const resnet_buffers *b, size_t batch) {
    size_t side = net->config.image_size, half = stem_side(side);
    conv2d_run(e, &net->conv1,
               &(conv2d_args){.x = b->y,
                              .y = b->t1,
                              .batch = batch,
                              .height = side,
                              .width = side,
                              .epilogue = GEMM_RELU});
    conv2d_run(e, &net->conv2,
               &(conv2d_args){.x = b->t1,
                              .y = b->t2,
                              .batch = batch,
                              .height = half,
                              .width = half,
                              .epilogue = GEMM_RELU});
    conv2d_run(e, &net->conv3,
               &(conv2d_args){.x = b->t2,
                              .y = b->y,
                              .batch = batch,
                              .height = half,
                              .width = half,
                              .epilogue = GEMM_RELU});
    avg_pool2d_run(e, b->y, b->x, batch, half, half, net->config.width, 2);
}

/* The shortcut of a block that changes the shape, into y. */
static void run_downsample(const exec *e, const bottleneck *block, const resnet_buffers *b,
                           size_t batch, size_t side) {
    const float *from = b->x;
    size_t out_side = side / block->stride;
    if (block->stride > 1) {
        avg_pool2d_run(e, b->x, b->t2, batch, side, side, block->downsample.channels,
                       block->stride);
        from = b->t2;
    }
    conv2d_run(e, &block->downsample,
               &(conv2d_args){
                   .x = from, .y = b->y, .batch = batch, .height = out_side, .width = out_side});
}

/* x [B, side, side, C_in] -> x; returns the new side. */
static size_t run_bottleneck(const exec *e, const bottleneck *block, resnet_buffers *b,
                             size_t batch, size_t side) {
    conv2d_args args = {.x = b->x,
                        .y = b->t1,
                        .batch = batch,
                        .height = side,
                        .width = side,
                        .epilogue = GEMM_RELU};
    conv2d_run(e, &block->conv1, &args);
    args.x = b->t1;
    args.y = b->t2;
    conv2d_run(e, &block->conv2, &args);
    float *inner = b->t2;
    size_t out_side = side / block->stride;
    if (block->stride > 1) {
        avg_pool2d_run(e, b->t2, b->t1, batch, side, side, block->conv2.weight.n, block->stride);
        inner = b->t1;
    }
    /* The last convolution adds to the shortcut where it lies: y after a downsample, else x. */
    float *shortcut = b->x;
    if (block->downsample.weight.n) {
        run_downsample(e, block, b, batch, side);
        shortcut = b->y;
        b->y = b->x;
        b->x = shortcut;
    }
    conv2d_run(e, &block->conv3,
               &(conv2d_args){.x = inner,
                              .y = shortcut,
                              .batch = batch,
                              .height = out_side,
                              .width = out_side,
                              .epilogue = GEMM_ADD_RELU,
                              .residual = shortcut});
    return out_side;
}

/* t1 = [mean, features] + positions, for every picture of x [B, T - 1, D]. */
static void pool_tokens_into(const exec *e, const resnet *net, const resnet_buffers *b,
                             size_t batch) {
    size_t d = pool_width(net), tokens = pool_tokens(net), n = tokens - 1;
    for (size_t i = 0; i < batch; i++) {
        const float *features = b->x + i * n * d;
        float *out = b->t1 + i * tokens * d;
        memset(out, 0, d * sizeof *out);
        for (size_t token = 0; token < n; token++)
            e->kernels->add_f32(out, features + token * d, d);
        for (size_t column = 0; column < d; column++)
            out[column] /= (float)n;
        memcpy(out + d, features, n * d * sizeof *out);
        e->kernels->add_f32(out, net->attnpool.positional_embedding, tokens * d);
        b->begin[i] = i * tokens;
        b->one_each[i] = i;
    }
    b->begin[batch] = batch * tokens;
    b->one_each[batch] = batch;
}

/* Only the mean token's query is used, so only it is computed. */
static void run_attnpool(const exec *e, const resnet *net, const resnet_buffers *b, size_t batch,
                         float *out) {
    size_t d = pool_width(net), tokens = pool_tokens(net);
    pool_tokens_into(e, net, b, batch);
    linear_run(e, &net->attnpool.q_proj,
               &(linear_args){.x = b->t1, .ldx = tokens * d, .y = b->q, .ldy = d, .rows = batch});
    linear_run(
        e, &net->attnpool.kv_proj,
        &(linear_args){.x = b->t1, .ldx = d, .y = b->y, .ldy = 2 * d, .rows = batch * tokens});
    attention_run(e, &(attention_args){.q = b->q,
                                       .k = b->y,
                                       .v = b->y + d,
                                       .out = b->pooled,
                                       .ldq = d,
                                       .ldk = 2 * d,
                                       .ldv = 2 * d,
                                       .ldo = d,
                                       .n_sequences = batch,
                                       .q_begin = b->one_each,
                                       .k_begin = b->begin,
                                       .heads = net->config.heads,
                                       .head_width = d / net->config.heads});
    linear_run(
        e, &net->attnpool.c_proj,
        &(linear_args){
            .x = b->pooled, .ldx = d, .y = out, .ldy = net->config.embedding_width, .rows = batch});
}

static void run_group(const exec *e, const resnet *net, resnet_buffers *b, const pictures *in,
                      size_t batch, float *out, const tracer *trace) {
    size_t side = net->config.image_size;
    input_nhwc(e, side, in, batch, b->y);
    run_stem(e, net, b, batch);
    side = stem_side(side) / 2;
    trace_picture(trace, "vision.stem", b->x, batch, side, side, net->config.width);
    for (size_t stage = 0; stage < RESNET_STAGES; stage++) {
        size_t channels = (net->config.width << stage) * RESNET_EXPANSION;
        for (size_t i = 0; i < net->config.layers[stage]; i++) {
            side = run_bottleneck(e, &net->layers[stage][i], b, batch, side);
            char name[64];
            snprintf(name, sizeof name, "vision.layer%zu.%zu", stage + 1, i);
            trace_picture(trace, name, b->x, batch, side, side, channels);
        }
    }
    run_attnpool(e, net, b, batch, out);
    trace_rows(trace, "vision.embedding", out, batch, net->config.embedding_width);
}

void resnet_run(const exec *session, const vision *v, workspace *w, const pictures *in,
                size_t batch, float *out, const tracer *trace) {
    const resnet *net = v->resnet;
    size_t group = group_size(net, batch);
    resnet_buffers b;
    take(net, group, w, &b);
    exec with_quantized = *session, *e = &with_quantized;
    with_quantized.quantized = b.quantized;
    for (size_t i = 0; i < batch; i += group) {
        size_t n = batch - i < group ? batch - i : group;
        pictures part = pictures_from(v, in, i);
        run_group(e, net, &b, &part, n, out + i * net->config.embedding_width, trace);
    }
}
