/* models/text_transformer.c: packing texts, running the blocks, pooling. */
#include "models/text_transformer.h"

#include "tensor/convert.h"

#include <string.h>

ken_status text_read(reader *r, const text_config *config, const text_names *names,
                     const text_transformer **out, ken_error *err) {
    text_transformer *t = arena_alloc(r->memory, sizeof *t);
    if (!t)
        return error_no_memory(err, sizeof *t);
    TRY(reader_begin_tower(r, TOWER_TEXT, err));
    t->config = *config;
    size_t d = config->transformer.width;
    TRY(reader_tensor(r, names->token_embedding, 2,
                      (int64_t[]){(int64_t)config->vocab_size, (int64_t)d}, &t->token_embedding,
                      err));
    float *positions = arena_array(r->memory, config->context_length * d, sizeof *positions);
    if (!positions)
        return error_no_memory(err, config->context_length * d * sizeof *positions);
    t->positional_embedding = positions;
    TRY(reader_floats_into(r, names->positional_embedding, 2,
                           (int64_t[]){(int64_t)config->context_length, (int64_t)d}, positions,
                           err));
    TRY(transformer_read(r, &config->transformer, names->block, names->resblocks, &t->transformer,
                         err));
    TRY(reader_layer_norm(r, names->ln_final, d, config->transformer.eps, &t->ln_final, err));
    *out = t;
    if (!names->text_projection)
        return KEN_OK;
    if (names->projection_is_linear)
        return reader_last_linear(r, names->text_projection, config->embedding_width, d,
                                  names->projection_bias, &t->text_projection, err);
    return reader_projection(r, names->text_projection, d, config->embedding_width,
                             &t->text_projection, err);
}

/* The buffers, and what linear layers quantise their rows into. */
static void *take(const text_transformer *t, size_t batch, workspace *w, transformer_buffers *out) {
    size_t rows = batch * t->config.context_length;
    transformer_take(&t->config.transformer, rows, batch, w, out);
    size_t blocks = transformer_quantized_bytes(&t->transformer, rows),
           projection = linear_quantized_bytes(&t->text_projection, batch);
    return workspace_take(w, 1, blocks > projection ? blocks : projection);
}

size_t text_workspace_bytes(const text_transformer *t, size_t batch) {
    workspace counting = {0};
    transformer_buffers unused;
    take(t, batch, &counting, &unused);
    return counting.used_bytes;
}

size_t text_scratch_floats(const text_transformer *t) {
    return transformer_scratch(&t->config.transformer, t->config.context_length);
}

/* The position whose result is the text's. */
static size_t pooled_position(const text_config *config, const int32_t *ids) {
    size_t best = 0;
    switch (config->pool) {
    case TEXT_POOL_FIRST:
        return 0;
    case TEXT_POOL_LAST:
        return config->context_length - 1;
    case TEXT_POOL_EOS:
        for (size_t i = 0; i < config->context_length; i++)
            if (ids[i] == config->eos_id)
                return i;
        return 0;
    case TEXT_POOL_ARGMAX:
        for (size_t i = 1; i < config->context_length; i++)
            if (ids[i] > ids[best])
                best = i;
        return best;
    }
    return 0;
}

/* x = token embeddings + positions, packed; fills begin and pooled_row. */
static void embed(const exec *e, const text_transformer *t, const transformer_buffers *b,
                  const int32_t *ids, size_t batch) {
    size_t d = t->config.transformer.width, row = 0;
    for (size_t i = 0; i < batch; i++) {
        const int32_t *text = ids + i * t->config.context_length;
        size_t position = pooled_position(&t->config, text);
        size_t n = t->config.transformer.causal ? position + 1 : t->config.context_length;
        float *x = b->x + row * d;
        for (size_t j = 0; j < n; j++)
            tensor_read_f32(t->token_embedding, e->kernels, (size_t)text[j] * d, d, x + j * d);
        e->kernels->add_f32(x, t->positional_embedding, n * d);
        b->begin[i] = row;
        b->pooled_row[i] = row + position;
        row += n;
    }
    b->begin[batch] = row;
}

void text_run(const exec *session, const text_transformer *t, void *workspace_base,
              const int32_t *ids, size_t batch, float *out, const tracer *trace) {
    size_t d = t->config.transformer.width;
    workspace w = {.base = workspace_base};
    transformer_buffers b;
    exec with_quantized = *session, *e = &with_quantized;
    with_quantized.quantized = take(t, batch, &w, &b);
    embed(e, t, &b, ids, batch);
    trace_rows(trace, "text.embeddings", b.x, b.begin[batch], d);
    transformer_run(e, &t->transformer, &b, batch, trace, "text");
    layer_norm_run(e, &t->ln_final, b.pooled, d, b.pooled, d, batch);
    trace_rows(trace, "text.pooled", b.pooled, batch, d);
    if (t->text_projection.n)
        linear_run(
            e, &t->text_projection,
            &(linear_args){
                .x = b.pooled, .ldx = d, .y = out, .ldy = t->text_projection.n, .rows = batch});
    else
        memcpy(out, b.pooled, batch * d * sizeof *out);
    trace_rows(trace, "text.embedding", out, batch, t->config.embedding_width);
}
