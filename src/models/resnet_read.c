/* models/resnet_read.c: ModifiedResNet from a checkpoint, batch normalisation folded away. */
#include "models/resnet.h"

#include <math.h>

/* PyTorch's BatchNorm2d default, which no configuration changes. */
static const double batch_norm_eps = 1e-5;

/* gamma, beta, mean, variance of "PREFIX" (such as "visual.bn1"), each [n], one after the other;
 * with NULL they are only checked. */
static ken_status read_batch_norm(reader *r, const char *prefix, size_t n, float *out,
                                  ken_error *err) {
    static const char *const parts[] = {".weight", ".bias", ".running_mean", ".running_var"};
    for (size_t i = 0; i < 4; i++)
        TRY(reader_floats_into(r, tensor_name_join(prefix, parts[i]).text, 1,
                               (int64_t[]){(int64_t)n}, out ? out + i * n : NULL, err));
    r->n_parameters -= 2 * n; /* the running statistics are not parameters */
    for (size_t i = 0; out && i < n; i++)
        if (out[3 * n + i] < 0)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': tensor '%s.running_var' holds %g, expected at least 0",
                             weights_path(r->weights), prefix, (double)out[3 * n + i]);
    return KEN_OK;
}

/* w [C_out, C_in, k, k] -> folded [C_out, k, k, C_in], and the bias. */
static void fold(const conv2d *conv, size_t n_out, const float *w, const float *batch_norm,
                 float *folded, float *bias) {
    const float *gamma = batch_norm, *beta = gamma + n_out, *mean = beta + n_out,
                *variance = mean + n_out;
    size_t area = conv->kernel * conv->kernel, k = area * conv->channels;
    for (size_t o = 0; o < n_out; o++) {
        double factor = gamma[o] / sqrt(variance[o] + batch_norm_eps);
        bias[o] = (float)(beta[o] - mean[o] * factor);
        for (size_t c = 0; c < conv->channels; c++)
            for (size_t at = 0; at < area; at++)
                folded[o * k + at * conv->channels + c] =
                    (float)(w[o * k + c * area + at] * factor);
    }
}

/* "CONV.weight" and the batch norm "BN"; with NULL they are only checked. */
static ken_status read_conv_floats(reader *r, const conv2d *conv, const layer *l, const char *bn,
                                   float *w, float *batch_norm, ken_error *err) {
    TRY(reader_floats_into(r, tensor_name_join(l->name, ".weight").text, 4,
                           (int64_t[]){(int64_t)l->n_out, (int64_t)conv->channels,
                                       (int64_t)conv->kernel, (int64_t)conv->kernel},
                           w, err));
    return read_batch_norm(r, bn, l->n_out, batch_norm, err);
}

/* The convolution "PREFIXconv_name" with the batch norm "PREFIXbn_name" that follows it. */
static ken_status read_conv(reader *r, const char *prefix, const char *conv_name,
                            const char *bn_name, size_t n_out, conv2d *conv, ken_error *err) {
    size_t k = conv->kernel * conv->kernel * conv->channels;
    tensor_name name = tensor_name_join(prefix, conv_name), bn = tensor_name_join(prefix, bn_name);
    /* The first layer, known by its three channels, sees what the picture is: see docs. */
    layer l = {name.text, n_out, k, .bias = true, .small = conv->channels == 3};
    if (reader_take(r, &l, &conv->weight))
        return read_conv_floats(r, conv, &l, bn.text, NULL, NULL, err);
    float *scratch = NULL;
    TRY(reader_scratch(r, n_out * (2 * k + 5), &scratch, err));
    float *folded = scratch + n_out * k, *batch_norm = folded + n_out * k,
          *bias = batch_norm + 4 * n_out;
    TRY(read_conv_floats(r, conv, &l, bn.text, scratch, batch_norm, err));
    fold(conv, n_out, scratch, batch_norm, folded, bias);
    return reader_pack(r, &l, folded, bias, &conv->weight, err);
}

static conv2d conv_shape(size_t channels, size_t kernel, size_t stride) {
    return (conv2d){
        .channels = channels, .kernel = kernel, .stride = stride, .padding = kernel / 2};
}

static ken_status read_bottleneck(reader *r, const char *prefix, size_t n_in, size_t planes,
                                  size_t stride, bottleneck *out, ken_error *err) {
    size_t n_out = planes * RESNET_EXPANSION;
    out->stride = stride;
    out->conv1 = conv_shape(n_in, 1, 1);
    TRY(read_conv(r, prefix, "conv1", "bn1", planes, &out->conv1, err));
    out->conv2 = conv_shape(planes, 3, 1);
    TRY(read_conv(r, prefix, "conv2", "bn2", planes, &out->conv2, err));
    out->conv3 = conv_shape(planes, 1, 1);
    TRY(read_conv(r, prefix, "conv3", "bn3", n_out, &out->conv3, err));
    if (stride == 1 && n_in == n_out)
        return KEN_OK;
    out->downsample = conv_shape(n_in, 1, 1);
    return read_conv(r, prefix, "downsample.0", "downsample.1", n_out, &out->downsample, err);
}

static ken_status read_stage(reader *r, const char *prefix, size_t stage, resnet *net,
                             ken_error *err) {
    static const char *const names[RESNET_STAGES] = {"layer1", "layer2", "layer3", "layer4"};
    size_t n = net->config.layers[stage];
    net->layers[stage] = arena_array(r->memory, n, sizeof **net->layers);
    if (!net->layers[stage])
        return error_no_memory(err, n * sizeof **net->layers);
    size_t planes = net->config.width << stage;
    /* The stem gives `width` channels, each stage RESNET_EXPANSION times its planes. */
    size_t n_in = stage == 0 ? net->config.width : planes / 2 * RESNET_EXPANSION;
    for (size_t i = 0; i < n; i++) {
        tensor_name name = tensor_name_index(tensor_name_join(prefix, names[stage]).text, i);
        TRY(read_bottleneck(r, name.text, n_in, planes, i == 0 && stage > 0 ? 2 : 1,
                            &net->layers[stage][i], err));
        n_in = planes * RESNET_EXPANSION;
    }
    return KEN_OK;
}

/* With NULL they are only checked. */
static ken_status read_attnpool_weights(reader *r, const char *prefix, size_t d, float *w,
                                        float *bias, ken_error *err) {
    static const char *const names[] = {"q_proj", "k_proj", "v_proj"};
    int64_t n = (int64_t)d;
    for (size_t i = 0; i < 3; i++) {
        tensor_name name = tensor_name_join(prefix, names[i]);
        TRY(reader_floats_into(r, tensor_name_join(name.text, ".weight").text, 2, (int64_t[]){n, n},
                               w ? w + i * d * d : NULL, err));
        TRY(reader_floats_into(r, tensor_name_join(name.text, ".bias").text, 1, (int64_t[]){n},
                               bias ? bias + i * d : NULL, err));
    }
    return KEN_OK;
}

static ken_status read_attnpool_qkv(reader *r, const char *prefix, const resnet_config *config,
                                    attnpool *out, ken_error *err) {
    size_t d = config->width * RESNET_REDUCTION;
    tensor_name q_name = tensor_name_join(prefix, "q"), kv_name = tensor_name_join(prefix, "kv");
    layer q = {q_name.text, d, d, .bias = true}, kv = {kv_name.text, 2 * d, d, .bias = true};
    if (reader_take(r, &q, &out->q_proj) && reader_take(r, &kv, &out->kv_proj))
        return read_attnpool_weights(r, prefix, d, NULL, NULL, err);
    float *w = NULL;
    TRY(reader_scratch(r, 3 * d * (d + 1), &w, err));
    float *bias = w + 3 * d * d;
    TRY(read_attnpool_weights(r, prefix, d, w, bias, err));
    float query_scale = (float)(1 / sqrt((double)(d / config->heads)));
    for (size_t i = 0; i < d * d; i++)
        w[i] *= query_scale;
    for (size_t i = 0; i < d; i++)
        bias[i] *= query_scale;
    TRY(reader_pack(r, &q, w, bias, &out->q_proj, err));
    return reader_pack(r, &kv, w + d * d, bias + d, &out->kv_proj, err);
}

static ken_status read_attnpool(reader *r, const char *prefix, const resnet_config *config,
                                attnpool *out, ken_error *err) {
    size_t d = config->width * RESNET_REDUCTION;
    size_t side = config->image_size / RESNET_REDUCTION, tokens = side * side + 1;
    float *positions = arena_array(r->memory, tokens * d, sizeof *positions);
    if (!positions)
        return error_no_memory(err, tokens * d * sizeof *positions);
    out->positional_embedding = positions;
    TRY(reader_floats_into(r, tensor_name_join(prefix, "positional_embedding").text, 2,
                           (int64_t[]){(int64_t)tokens, (int64_t)d}, positions, err));
    TRY(read_attnpool_qkv(r, prefix, config, out, err));
    return reader_last_linear(r, tensor_name_join(prefix, "c_proj").text, config->embedding_width,
                              d, true, &out->c_proj, err);
}

ken_status resnet_read(reader *r, const resnet_config *config, const char *prefix,
                       const resnet **out, ken_error *err) {
    resnet *net = arena_alloc(r->memory, sizeof *net);
    if (!net)
        return error_no_memory(err, sizeof *net);
    TRY(reader_begin_tower(r, TOWER_VISION, err));
    net->config = *config;
    size_t width = config->width;
    net->conv1 = conv_shape(3, 3, 2);
    TRY(read_conv(r, prefix, "conv1", "bn1", width / 2, &net->conv1, err));
    net->conv2 = conv_shape(width / 2, 3, 1);
    TRY(read_conv(r, prefix, "conv2", "bn2", width / 2, &net->conv2, err));
    net->conv3 = conv_shape(width / 2, 3, 1);
    TRY(read_conv(r, prefix, "conv3", "bn3", width, &net->conv3, err));
    for (size_t stage = 0; stage < RESNET_STAGES; stage++)
        TRY(read_stage(r, prefix, stage, net, err));
    TRY(read_attnpool(r, tensor_name_join(prefix, "attnpool.").text, config, &net->attnpool, err));
    *out = net;
    return KEN_OK;
}
