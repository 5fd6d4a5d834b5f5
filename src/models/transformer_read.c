/* models/transformer_read.c: blocks from a checkpoint, with the exact folds: the query scale into
 * q's weights, layer scale into the projection before it. */
#include "models/transformer.h"

#include <math.h>
#include <string.h>

const block_names block_names_open_clip = {
    .ln_1 = "ln_1",
    .ln_2 = "ln_2",
    .in_proj = "attn.in_proj_",
    .out_proj = "attn.out_proj",
    .c_fc = "mlp.c_fc",
    .c_proj = "mlp.c_proj",
    .ls_1 = "ls_1.gamma",
    .ls_2 = "ls_2.gamma",
};

const block_names block_names_hugging_face = {
    .ln_1 = "layer_norm1",
    .ln_2 = "layer_norm2",
    .q = "self_attn.q_proj",
    .k = "self_attn.k_proj",
    .v = "self_attn.v_proj",
    .out_proj = "self_attn.out_proj",
    .c_fc = "mlp.fc1",
    .c_proj = "mlp.fc2",
};

/* q, k and v one below the other: `w` [3D, D], `bias` [3D]; with NULL they are only checked. */
static ken_status read_qkv(reader *r, const block_names *names, const char *prefix, size_t d,
                           float *w, float *bias, ken_error *err) {
    int64_t n = (int64_t)d;
    if (names->in_proj) {
        tensor_name in_proj = tensor_name_join(prefix, names->in_proj);
        TRY(reader_floats_into(r, tensor_name_join(in_proj.text, "weight").text, 2,
                               (int64_t[]){3 * n, n}, w, err));
        return reader_floats_into(r, tensor_name_join(in_proj.text, "bias").text, 1,
                                  (int64_t[]){3 * n}, bias, err);
    }
    const char *parts[] = {names->q, names->k, names->v};
    for (size_t i = 0; i < 3; i++) {
        tensor_name part = tensor_name_join(prefix, parts[i]);
        TRY(reader_floats_into(r, tensor_name_join(part.text, ".weight").text, 2, (int64_t[]){n, n},
                               w ? w + i * d * d : NULL, err));
        TRY(reader_floats_into(r, tensor_name_join(part.text, ".bias").text, 1, (int64_t[]){n},
                               bias ? bias + i * d : NULL, err));
    }
    return KEN_OK;
}

static void scale(float *x, size_t n, float factor) {
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static ken_status read_attention(reader *r, const transformer_config *c, const block_names *names,
                                 const char *prefix, bool pooled, transformer_block *out,
                                 ken_error *err) {
    size_t d = c->width;
    tensor_name qkv_name = tensor_name_join(prefix, "attn.qkv"),
                q_name = tensor_name_join(prefix, "attn.q"),
                kv_name = tensor_name_join(prefix, "attn.kv");
    layer qkv = {qkv_name.text, 3 * d, d, .bias = true}, q = {q_name.text, d, d, .bias = true},
          kv = {kv_name.text, 2 * d, d, .bias = true};
    bool taken = pooled ? reader_take(r, &q, &out->attn_q) && reader_take(r, &kv, &out->attn_kv)
                        : reader_take(r, &qkv, &out->attn_in_proj);
    if (taken)
        return read_qkv(r, names, prefix, d, NULL, NULL, err);
    float *w = NULL;
    TRY(reader_scratch(r, 3 * d * (d + 1), &w, err));
    float *bias = w + 3 * d * d;
    TRY(read_qkv(r, names, prefix, d, w, bias, err));
    float query_scale = (float)(1 / sqrt((double)(d / c->heads)));
    scale(w, d * d, query_scale);
    scale(bias, d, query_scale);
    if (!pooled)
        return reader_pack(r, &qkv, w, bias, &out->attn_in_proj, err);
    TRY(reader_pack(r, &q, w, bias, &out->attn_q, err));
    return reader_pack(r, &kv, w + d * d, bias + d, &out->attn_kv, err);
}

/* "NAME.weight", "NAME.bias" and `gamma_name`; with NULL they are only checked. */
static ken_status read_projection(reader *r, const layer *l, const char *gamma_name, float *w,
                                  float *bias, float *gamma, ken_error *err) {
    int64_t shape[] = {(int64_t)l->n_out, (int64_t)l->n_in};
    TRY(reader_floats_into(r, tensor_name_join(l->name, ".weight").text, 2, shape, w, err));
    TRY(reader_floats_into(r, tensor_name_join(l->name, ".bias").text, 1, shape, bias, err));
    return reader_floats_into(r, gamma_name, 1, shape, gamma, err);
}

/* A projection whose outputs are multiplied by the layer scale `gamma_name`. */
static ken_status read_scaled(reader *r, const char *prefix, const char *gamma_name, size_t n_out,
                              size_t n_in, linear *out, ken_error *err) {
    layer l = {prefix, n_out, n_in, .bias = true};
    if (reader_take(r, &l, out))
        return read_projection(r, &l, gamma_name, NULL, NULL, NULL, err);
    float *w = NULL;
    TRY(reader_scratch(r, n_out * (n_in + 2), &w, err));
    float *bias = w + n_out * n_in, *gamma = bias + n_out;
    TRY(read_projection(r, &l, gamma_name, w, bias, gamma, err));
    for (size_t row = 0; row < n_out; row++) {
        scale(w + row * n_in, n_in, gamma[row]);
        bias[row] *= gamma[row];
    }
    return reader_pack(r, &l, w, bias, out, err);
}

static ken_status read_output(reader *r, const transformer_config *c, const char *prefix,
                              const char *name, const char *gamma, size_t n_in, linear *out,
                              ken_error *err) {
    tensor_name full = tensor_name_join(prefix, name);
    if (!c->layer_scale)
        return reader_linear(r, full.text, c->width, n_in, true, out, err);
    return read_scaled(r, full.text, tensor_name_join(prefix, gamma).text, c->width, n_in, out,
                       err);
}

static ken_status read_block(reader *r, const transformer_config *c, const block_names *names,
                             const char *prefix, bool pooled, transformer_block *out,
                             ken_error *err) {
    size_t d = c->width;
    TRY(reader_layer_norm(r, tensor_name_join(prefix, names->ln_1).text, d, c->eps, &out->ln_1,
                          err));
    TRY(read_attention(r, c, names, prefix, pooled, out, err));
    TRY(read_output(r, c, prefix, names->out_proj, names->ls_1, d, &out->attn_out_proj, err));
    TRY(reader_layer_norm(r, tensor_name_join(prefix, names->ln_2).text, d, c->eps, &out->ln_2,
                          err));
    TRY(reader_linear(r, tensor_name_join(prefix, names->c_fc).text, c->mlp_width, d, true,
                      &out->mlp_c_fc, err));
    return read_output(r, c, prefix, names->c_proj, names->ls_2, c->mlp_width, &out->mlp_c_proj,
                       err);
}

ken_status transformer_read(reader *r, const transformer_config *config, const block_names *names,
                            const char *prefix, transformer *out, ken_error *err) {
    out->config = *config;
    out->resblocks = arena_array(r->memory, config->layers, sizeof *out->resblocks);
    if (!out->resblocks)
        return error_no_memory(err, config->layers * sizeof *out->resblocks);
    for (size_t i = 0; i < config->layers; i++) {
        bool pooled = config->pooled && i + 1 == config->layers;
        TRY(read_block(r, config, names, tensor_name_index(prefix, i).text, pooled,
                       &out->resblocks[i], err));
    }
    return KEN_OK;
}
