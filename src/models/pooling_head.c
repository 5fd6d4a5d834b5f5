/* models/pooling_head.c: the query does not depend on the picture, so it is computed once, at load.
 */
#include "models/pooling_head.h"

#include "tensor/attention.h"

#include <math.h>
#include <string.h>

/* in_proj of the attention, `w` [3D, D] and `bias` [3D], and the probe [D]; with NULL they are only
 * checked. */
static ken_status read_in_proj(reader *r, const char *prefix, size_t d, float *w, float *bias,
                               float *probe, ken_error *err) {
    int64_t n = (int64_t)d;
    tensor_name in_proj = tensor_name_join(prefix, ".attention.in_proj_");
    TRY(reader_floats_into(r, tensor_name_join(in_proj.text, "weight").text, 2,
                           (int64_t[]){3 * n, n}, w, err));
    TRY(reader_floats_into(r, tensor_name_join(in_proj.text, "bias").text, 1, (int64_t[]){3 * n},
                           bias, err));
    return reader_floats_into(r, tensor_name_join(prefix, ".probe").text, 3, (int64_t[]){1, 1, n},
                              probe, err);
}

static void make_query(const float *w, const float *bias, const float *probe, size_t d,
                       size_t heads, float *query) {
    double query_scale = 1 / sqrt((double)(d / heads));
    for (size_t o = 0; o < d; o++) {
        double sum = bias[o];
        for (size_t i = 0; i < d; i++)
            sum += (double)probe[i] * w[o * d + i];
        query[o] = (float)(sum * query_scale);
    }
}

static ken_status read_attention(reader *r, const char *prefix, pooling_head *out, ken_error *err) {
    size_t d = out->config.width;
    tensor_name query_name = tensor_name_join(prefix, ".query"),
                kv_name = tensor_name_join(prefix, ".attention.kv");
    layer kv = {kv_name.text, 2 * d, d, .bias = true};
    out->query = reader_take_vector(r, query_name.text, d);
    if (out->query && reader_take(r, &kv, &out->attention_kv))
        return read_in_proj(r, prefix, d, NULL, NULL, NULL, err);
    float *w = NULL;
    TRY(reader_scratch(r, 3 * d * (d + 1) + d, &w, err));
    float *bias = w + 3 * d * d, *probe = bias + 3 * d;
    TRY(read_in_proj(r, prefix, d, w, bias, probe, err));
    float *query = arena_array(r->memory, d, sizeof *query);
    if (!query)
        return error_no_memory(err, d * sizeof *query);
    make_query(w, bias, probe, d, out->config.heads, query);
    reader_made_vector(r, query_name.text, query, d);
    out->query = query;
    return reader_pack(r, &kv, w + d * d, bias + d, &out->attention_kv, err);
}

ken_status pooling_head_read(reader *r, const pooling_head_config *config, const char *prefix,
                             pooling_head *out, ken_error *err) {
    out->config = *config;
    size_t d = config->width, m = config->mlp_width;
    TRY(read_attention(r, prefix, out, err));
    TRY(reader_linear(r, tensor_name_join(prefix, ".attention.out_proj").text, d, d, true,
                      &out->attention_out_proj, err));
    TRY(reader_layer_norm(r, tensor_name_join(prefix, ".layernorm").text, d, config->eps,
                          &out->layernorm, err));
    TRY(reader_linear(r, tensor_name_join(prefix, ".mlp.fc1").text, m, d, true, &out->mlp_fc1,
                      err));
    return reader_linear(r, tensor_name_join(prefix, ".mlp.fc2").text, d, m, true, &out->mlp_fc2,
                         err);
}

void pooling_head_run(const exec *e, const pooling_head *head, const pooling_head_args *args) {
    size_t d = head->config.width, m = head->config.mlp_width, n = args->n;
    linear_run(e, &head->attention_kv,
               &(linear_args){
                   .x = args->x, .ldx = d, .y = args->wide, .ldy = 2 * d, .rows = args->begin[n]});
    for (size_t s = 0; s <= n; s++)
        args->one_each[s] = s;
    /* Every picture has the same query, so its rows lie 0 floats apart. */
    attention_run(e, &(attention_args){.q = head->query,
                                       .k = args->wide,
                                       .v = args->wide + d,
                                       .out = args->h,
                                       .ldq = 0,
                                       .ldk = 2 * d,
                                       .ldv = 2 * d,
                                       .ldo = d,
                                       .n_sequences = n,
                                       .q_begin = args->one_each,
                                       .k_begin = args->begin,
                                       .heads = head->config.heads,
                                       .head_width = d / head->config.heads});
    linear_run(e, &head->attention_out_proj,
               &(linear_args){.x = args->h, .ldx = d, .y = args->out, .ldy = d, .rows = n});
    layer_norm_run(e, &head->layernorm, args->out, d, args->h, d, n);
    linear_run(e, &head->mlp_fc1,
               &(linear_args){.x = args->h,
                              .ldx = d,
                              .y = args->wide,
                              .ldy = m,
                              .rows = n,
                              .epilogue = head->config.activation});
    linear_run(e, &head->mlp_fc2,
               &(linear_args){.x = args->wide,
                              .ldx = m,
                              .y = args->out,
                              .ldy = d,
                              .rows = n,
                              .epilogue = GEMM_ADD,
                              .residual = args->out,
                              .ldr = d});
}
