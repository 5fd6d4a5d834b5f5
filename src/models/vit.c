/* models/vit.c: patches -> tokens -> blocks -> one vector.
 *
 * The patch convolution is a GEMM over flattened patches. Class embedding and its position are
 * added once, at load. */
#include "models/vit.h"

#include <string.h>

static ken_status read_tokens(reader *r, const vit_names *names, vit *v, ken_error *err) {
    size_t d = v->config.transformer.width;
    float *positions = arena_array(r->memory, v->n_tokens * d, sizeof *positions);
    if (!positions)
        return error_no_memory(err, v->n_tokens * d * sizeof *positions);
    v->positional_embedding = positions;
    TRY(reader_floats_into(r, names->positional_embedding, 2,
                           (int64_t[]){(int64_t)v->n_tokens, (int64_t)d}, positions, err));
    if (!v->config.class_token)
        return KEN_OK;
    const float *class_embedding;
    TRY(reader_vector(r, names->class_embedding, d, &class_embedding, err));
    r->kernels->add_f32(positions, class_embedding, d);
    return KEN_OK;
}

static ken_status read_head(reader *r, const vit_names *names, vit *v, ken_error *err) {
    const transformer_config *t = &v->config.transformer;
    pooling_head_config config = {.width = t->width,
                                  .heads = t->heads,
                                  .mlp_width = t->mlp_width,
                                  .activation = t->activation,
                                  .eps = t->eps};
    return pooling_head_read(r, &config, names->head, &v->head, err);
}

ken_status vit_read(reader *r, const vit_config *config, const vit_names *names, const vit **out,
                    ken_error *err) {
    vit *v = arena_alloc(r->memory, sizeof *v);
    if (!v)
        return error_no_memory(err, sizeof *v);
    reader_begin_tower(r, "vision");
    v->config = *config;
    v->grid[0] = config->image_size[0] / config->patch_size;
    v->grid[1] = config->image_size[1] / config->patch_size;
    v->n_patches = v->grid[0] * v->grid[1];
    v->n_tokens = v->n_patches + config->class_token;
    const transformer_config *t = &config->transformer;
    TRY(reader_patch_conv(r, names->conv1, t->width, 3, config->patch_size, config->patch_bias,
                          &v->conv1, err));
    TRY(read_tokens(r, names, v, err));
    if (config->ln_pre)
        TRY(reader_layer_norm(r, names->ln_pre, t->width, t->eps, &v->ln_pre, err));
    TRY(transformer_read(r, t, names->block, names->resblocks, &v->transformer, err));
    TRY(reader_layer_norm(r, names->ln_post, t->width, t->eps, &v->ln_post, err));
    if (config->pool == VIT_POOL_HEAD)
        TRY(read_head(r, names, v, err));
    if (names->proj && names->proj_is_linear)
        TRY(reader_linear(r, names->proj, config->embedding_width, t->width, false, &v->proj, err));
    else if (names->proj)
        TRY(reader_projection(r, names->proj, t->width, config->embedding_width, &v->proj, err));
    *out = v;
    return KEN_OK;
}

typedef struct vit_buffers {
    transformer_buffers blocks;
    float *patches;  /* [B * G, 3 * P * P] */
    void *quantized; /* for exec */
} vit_buffers;

static size_t max(size_t a, size_t b) {
    return a > b ? a : b;
}

static void take(const vit *v, size_t batch, workspace *w, vit_buffers *out) {
    transformer_take(&v->config.transformer, batch * v->n_tokens, batch, w, &out->blocks);
    out->patches = workspace_floats(w, batch * v->n_patches * v->conv1.k);
    const pooling_head *h = &v->head;
    const linear *const others[] = {&v->conv1,   &h->attention_kv, &h->attention_out_proj,
                                    &h->mlp_fc1, &h->mlp_fc2,      &v->proj};
    size_t rows = batch * v->n_tokens;
    size_t bytes = max(transformer_quantized_bytes(&v->transformer, rows),
                       linear_quantized_bytes_most(others, sizeof others / sizeof *others, rows));
    out->quantized = workspace_take(w, 1, bytes);
}

size_t vit_workspace_bytes(const vit *v, size_t batch) {
    workspace counting = {0};
    vit_buffers unused;
    take(v, batch, &counting, &unused);
    return counting.used_bytes;
}

size_t vit_scratch_floats(const vit *v) {
    return transformer_scratch(&v->config.transformer, v->n_tokens);
}

/* One picture [3, H, W] to patches, as pixels_to_patches_f32 does it for pixels. */
static void floats_to_patches(const vit *v, const float *nchw, float *patches) {
    size_t p = v->config.patch_size, height = v->config.image_size[0],
           width = v->config.image_size[1];
    for (size_t gy = 0; gy < v->grid[0]; gy++)
        for (size_t gx = 0; gx < v->grid[1]; gx++)
            for (size_t c = 0; c < 3; c++)
                for (size_t y = 0; y < p; y++, patches += p)
                    memcpy(patches, nchw + (c * height + gy * p + y) * width + gx * p,
                           p * sizeof *patches);
}

typedef struct patch_job {
    const exec *exec;
    const vit *vit;
    const pictures *in;
    float *patches;
} patch_job;

static void make_patches(void *context, size_t picture, int thread) {
    (void)thread;
    const patch_job *job = context;
    const vit *v = job->vit;
    size_t height = v->config.image_size[0], width = v->config.image_size[1];
    float *patches = job->patches + picture * v->n_patches * v->conv1.k;
    if (job->in->nchw) {
        floats_to_patches(v, job->in->nchw + picture * 3 * height * width, patches);
        return;
    }
    pixels_args args = {.pixels = job->in->pixels + picture * height * width * 3,
                        .height = height,
                        .width = width,
                        .table = job->in->table};
    job->exec->kernels->pixels_to_patches_f32(&args, v->config.patch_size, patches);
}

/* x = [class, patches] + positions, for every picture. */
static void embed(const exec *e, const vit *v, const vit_buffers *b, const pictures *in,
                  size_t batch) {
    size_t d = v->config.transformer.width, first = v->config.class_token;
    patch_job job = {e, v, in, b->patches};
    pool_run(e->pool, make_patches, &job, batch);
    linear_run(e, &v->conv1,
               &(linear_args){.x = b->patches,
                              .ldx = v->conv1.k,
                              .y = b->blocks.h,
                              .ldy = d,
                              .rows = batch * v->n_patches});
    for (size_t i = 0; i < batch; i++) {
        float *x = b->blocks.x + i * v->n_tokens * d;
        memcpy(x, v->positional_embedding, v->n_tokens * d * sizeof *x);
        e->kernels->add_f32(x + first * d, b->blocks.h + i * v->n_patches * d, v->n_patches * d);
        b->blocks.begin[i] = i * v->n_tokens;
        b->blocks.pooled_row[i] = i * v->n_tokens;
    }
    b->blocks.begin[batch] = batch * v->n_tokens;
}

/* Mean of the patch tokens of each picture of x [B * T, D]. */
static void mean_tokens(const exec *e, const vit *v, const float *x, size_t batch, float *out) {
    size_t d = v->config.transformer.width, first = v->config.class_token;
    for (size_t i = 0; i < batch; i++) {
        const float *tokens = x + (i * v->n_tokens + first) * d;
        float *mean = out + i * d;
        memset(mean, 0, d * sizeof *mean);
        for (size_t token = 0; token < v->n_patches; token++)
            e->kernels->add_f32(mean, tokens + token * d, d);
        for (size_t column = 0; column < d; column++)
            mean[column] /= (float)v->n_patches;
    }
}

/* From the blocks' result to `pooled` [B, D]. */
static void pool(const exec *e, const vit *v, const vit_buffers *b, size_t batch) {
    size_t d = v->config.transformer.width;
    const transformer_buffers *t = &b->blocks;
    if (v->config.pool == VIT_POOL_CLASS_TOKEN) {
        layer_norm_run(e, &v->ln_post, t->pooled, d, t->pooled, d, batch);
    } else if (v->config.pool == VIT_POOL_MEAN && v->config.ln_after_pool) {
        mean_tokens(e, v, t->x, batch, t->pooled);
        layer_norm_run(e, &v->ln_post, t->pooled, d, t->pooled, d, batch);
    } else {
        layer_norm_run(e, &v->ln_post, t->x, d, t->h, d, batch * v->n_tokens);
        if (v->config.pool == VIT_POOL_MEAN) {
            mean_tokens(e, v, t->h, batch, t->pooled);
            return;
        }
        pooling_head_args args = {.x = t->h,
                                  .begin = t->begin,
                                  .n = batch,
                                  .wide = t->wide,
                                  .h = t->pooled_h,
                                  .one_each = t->one_each,
                                  .out = t->pooled};
        pooling_head_run(e, &v->head, &args);
    }
}

void vit_run(const exec *session, const vit *v, workspace *w, const pictures *in, size_t batch,
             float *out, const tracer *trace) {
    size_t d = v->config.transformer.width, rows = batch * v->n_tokens;
    vit_buffers b;
    take(v, batch, w, &b);
    exec with_quantized = *session, *e = &with_quantized;
    with_quantized.quantized = b.quantized;
    embed(e, v, &b, in, batch);
    trace_rows(trace, "vision.embeddings", b.blocks.x, rows, d);
    if (v->config.ln_pre) {
        layer_norm_run(e, &v->ln_pre, b.blocks.x, d, b.blocks.x, d, rows);
        trace_rows(trace, "vision.ln_pre", b.blocks.x, rows, d);
    }
    transformer_run(e, &v->transformer, &b.blocks, batch, trace, "vision");
    pool(e, v, &b, batch);
    trace_rows(trace, "vision.pooled", b.blocks.pooled, batch, d);
    if (v->proj.n)
        linear_run(e, &v->proj,
                   &(linear_args){
                       .x = b.blocks.pooled, .ldx = d, .y = out, .ldy = v->proj.n, .rows = batch});
    else
        memcpy(out, b.blocks.pooled, batch * d * sizeof *out);
    trace_rows(trace, "vision.embedding", out, batch, v->config.embedding_width);
}
