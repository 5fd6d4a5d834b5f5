/* models/transformer.c: running the blocks. Reading them is in transformer_read.c. */
#include "models/transformer.h"

#include "tensor/attention.h"

#include <string.h>

static size_t max(size_t a, size_t b) {
    return a > b ? a : b;
}

void transformer_take(const transformer_config *config, size_t rows, size_t sequences, workspace *w,
                      transformer_buffers *out) {
    size_t d = config->width;
    out->x = workspace_floats(w, rows * d);
    out->h = workspace_floats(w, rows * d);
    out->wide = workspace_floats(w, rows * max(3 * d, config->mlp_width));
    out->pooled = workspace_floats(w, sequences * d);
    out->pooled_h = workspace_floats(w, sequences * d);
    out->pooled_q = workspace_floats(w, sequences * d);
    out->begin = workspace_take(w, sequences + 1, sizeof *out->begin);
    out->pooled_row = workspace_take(w, sequences, sizeof *out->pooled_row);
    out->one_each = workspace_take(w, sequences + 1, sizeof *out->one_each);
}

size_t transformer_quantized_bytes(const transformer *t, size_t rows) {
    size_t bytes = 0;
    for (size_t i = 0; i < t->config.layers; i++) {
        const transformer_block *b = &t->resblocks[i];
        const linear *const layers[] = {&b->attn_in_proj,  &b->attn_q,   &b->attn_kv,
                                        &b->attn_out_proj, &b->mlp_c_fc, &b->mlp_c_proj};
        bytes =
            max(bytes, linear_quantized_bytes_most(layers, sizeof layers / sizeof *layers, rows));
    }
    return bytes;
}

size_t transformer_scratch(const transformer_config *config, size_t tokens) {
    return attention_scratch(tokens, tokens, config->width / config->heads);
}

/* x += c_proj(activation(c_fc(ln_2(x)))) on `rows` rows. */
static void run_mlp(const exec *e, const transformer *t, const transformer_block *block, float *x,
                    float *h, float *wide, size_t rows) {
    size_t d = t->config.width, m = t->config.mlp_width;
    layer_norm_run(e, &block->ln_2, x, d, h, d, rows);
    linear_run(
        e, &block->mlp_c_fc,
        &(linear_args){
            .x = h, .ldx = d, .y = wide, .ldy = m, .rows = rows, .epilogue = t->config.activation});
    linear_run(e, &block->mlp_c_proj,
               &(linear_args){.x = wide,
                              .ldx = m,
                              .y = x,
                              .ldy = d,
                              .rows = rows,
                              .epilogue = GEMM_ADD,
                              .residual = x,
                              .ldr = d});
}

/* x += out_proj(h) */
static void add_out_proj(const exec *e, const transformer *t, const transformer_block *block,
                         float *x, const float *h, size_t rows) {
    size_t d = t->config.width;
    linear_run(e, &block->attn_out_proj,
               &(linear_args){.x = h,
                              .ldx = d,
                              .y = x,
                              .ldy = d,
                              .rows = rows,
                              .epilogue = GEMM_ADD,
                              .residual = x,
                              .ldr = d});
}

static void run_block(const exec *e, const transformer *t, const transformer_block *block,
                      const transformer_buffers *b, size_t n_sequences) {
    size_t d = t->config.width, rows = b->begin[n_sequences];
    layer_norm_run(e, &block->ln_1, b->x, d, b->h, d, rows);
    linear_run(e, &block->attn_in_proj,
               &(linear_args){.x = b->h, .ldx = d, .y = b->wide, .ldy = 3 * d, .rows = rows});
    attention_run(e, &(attention_args){.q = b->wide,
                                       .k = b->wide + d,
                                       .v = b->wide + 2 * d,
                                       .out = b->h,
                                       .ldq = 3 * d,
                                       .ldk = 3 * d,
                                       .ldv = 3 * d,
                                       .ldo = d,
                                       .n_sequences = n_sequences,
                                       .q_begin = b->begin,
                                       .k_begin = b->begin,
                                       .heads = t->config.heads,
                                       .head_width = d / t->config.heads,
                                       .causal = t->config.causal,
                                       .precision = block->attn_out_proj.precision});
    add_out_proj(e, t, block, b->x, b->h, rows);
    run_mlp(e, t, block, b->x, b->h, b->wide, rows);
}

/* Copies each sequence's pooled row of [rows, D] to [n_sequences, D]. */
static void gather(const transformer_buffers *b, const float *from, float *to, size_t n_sequences,
                   size_t width) {
    for (size_t s = 0; s < n_sequences; s++)
        memcpy(to + s * width, from + b->pooled_row[s] * width, width * sizeof *to);
}

/* The last block when only one row a sequence is wanted: keys and values of all rows, the rest of
 * the block on the pooled rows. In a causal tower the pooled row is the sequence's last, so it sees
 * all keys here too. */
static void run_pooled_block(const exec *e, const transformer *t, const transformer_block *block,
                             const transformer_buffers *b, size_t n_sequences) {
    size_t d = t->config.width, rows = b->begin[n_sequences];
    layer_norm_run(e, &block->ln_1, b->x, d, b->h, d, rows);
    linear_run(e, &block->attn_kv,
               &(linear_args){.x = b->h, .ldx = d, .y = b->wide, .ldy = 2 * d, .rows = rows});
    gather(b, b->h, b->pooled_h, n_sequences, d);
    linear_run(e, &block->attn_q,
               &(linear_args){
                   .x = b->pooled_h, .ldx = d, .y = b->pooled_q, .ldy = d, .rows = n_sequences});
    for (size_t s = 0; s <= n_sequences; s++)
        b->one_each[s] = s;
    attention_run(e, &(attention_args){.q = b->pooled_q,
                                       .k = b->wide,
                                       .v = b->wide + d,
                                       .out = b->pooled_h,
                                       .ldq = d,
                                       .ldk = 2 * d,
                                       .ldv = 2 * d,
                                       .ldo = d,
                                       .n_sequences = n_sequences,
                                       .q_begin = b->one_each,
                                       .k_begin = b->begin,
                                       .heads = t->config.heads,
                                       .head_width = d / t->config.heads});
    gather(b, b->x, b->pooled, n_sequences, d);
    add_out_proj(e, t, block, b->pooled, b->pooled_h, n_sequences);
    run_mlp(e, t, block, b->pooled, b->pooled_h, b->wide, n_sequences);
}

void transformer_run(const exec *e, const transformer *t, const transformer_buffers *b,
                     size_t n_sequences, const tracer *trace, const char *trace_prefix) {
    size_t d = t->config.width, rows = b->begin[n_sequences];
    size_t full = t->config.layers - t->config.pooled;
    for (size_t i = 0; i < full; i++) {
        run_block(e, t, &t->resblocks[i], b, n_sequences);
        trace_block(trace, trace_prefix, i, b->x, rows, d);
    }
    if (!t->config.pooled)
        return;
    run_pooled_block(e, t, &t->resblocks[full], b, n_sequences);
    trace_block(trace, trace_prefix, full, b->pooled, n_sequences, d);
}
