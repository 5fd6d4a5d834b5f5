/* models/vit.c: patches -> tokens -> blocks -> one vector.
 *
 * Class embedding and its position are added once, at load. */
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

static ken_status read_patches(reader *r, const vit_config *config, const char *prefix,
                               patch_conv *out, ken_error *err) {
    patch_conv_config patches = {.image_size = {config->image_size[0], config->image_size[1]},
                                 .patch_size = config->patch_size,
                                 .width = config->transformer.width,
                                 .bias = config->patch_bias};
    memcpy(patches.gain, config->gain, sizeof patches.gain);
    memcpy(patches.offset, config->offset, sizeof patches.offset);
    return patch_conv_read(r, prefix, &patches, out, err);
}

ken_status vit_read(reader *r, const vit_config *config, const vit_names *names, const vit **out,
                    ken_error *err) {
    vit *v = arena_alloc(r->memory, sizeof *v);
    if (!v)
        return error_no_memory(err, sizeof *v);
    TRY(reader_begin_tower(r, TOWER_VISION, err));
    v->config = *config;
    const transformer_config *t = &config->transformer;
    TRY(read_patches(r, config, names->conv1, &v->conv1, err));
    v->n_tokens = v->conv1.n_patches + config->class_token;
    TRY(read_tokens(r, names, v, err));
    if (config->ln_pre)
        TRY(reader_layer_norm(r, names->ln_pre, t->width, t->eps, &v->ln_pre, err));
    TRY(transformer_read(r, t, names->block, names->resblocks, &v->transformer, err));
    TRY(reader_layer_norm(r, names->ln_post, t->width, t->eps, &v->ln_post, err));
    if (config->pool == VIT_POOL_HEAD)
        TRY(read_head(r, names, v, err));
    if (names->proj && names->proj_is_linear)
        TRY(reader_last_linear(r, names->proj, config->embedding_width, t->width, false, &v->proj,
                               err));
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
    /* Patches are gone before the blocks need their wide rows. */
    const transformer_config *t = &v->config.transformer;
    bool fit = v->conv1.conv.k <= max(3 * t->width, t->mlp_width);
    out->patches =
        fit ? out->blocks.wide : workspace_floats(w, batch * v->conv1.n_patches * v->conv1.conv.k);
    const pooling_head *h = &v->head;
    const linear *const others[] = {&v->conv1.conv, &h->attention_kv, &h->attention_out_proj,
                                    &h->mlp_fc1,    &h->mlp_fc2,      &v->proj};
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

/* x = [class, patches] + positions, for every picture. */
static void embed(const exec *e, const vit *v, const vit_buffers *b, const pictures *in,
                  size_t batch) {
    size_t d = v->config.transformer.width, first = v->config.class_token;
    size_t n_patches = v->conv1.n_patches;
    patch_conv_run(e, &v->conv1, in, batch, b->patches, b->blocks.h);
    for (size_t i = 0; i < batch; i++) {
        float *x = b->blocks.x + i * v->n_tokens * d;
        memcpy(x, v->positional_embedding, v->n_tokens * d * sizeof *x);
        e->kernels->add_f32(x + first * d, b->blocks.h + i * n_patches * d, n_patches * d);
        b->blocks.begin[i] = i * v->n_tokens;
        b->blocks.pooled_row[i] = i * v->n_tokens;
    }
    b->blocks.begin[batch] = batch * v->n_tokens;
}

/* Mean of the patch tokens of each picture of x [B * T, D]. */
static void mean_tokens(const exec *e, const vit *v, const float *x, size_t batch, float *out) {
    size_t d = v->config.transformer.width, first = v->config.class_token;
    size_t n_patches = v->conv1.n_patches;
    for (size_t i = 0; i < batch; i++) {
        const float *tokens = x + (i * v->n_tokens + first) * d;
        float *mean = out + i * d;
        memset(mean, 0, d * sizeof *mean);
        for (size_t token = 0; token < n_patches; token++)
            e->kernels->add_f32(mean, tokens + token * d, d);
        for (size_t column = 0; column < d; column++)
            mean[column] /= (float)n_patches;
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
