/* models/model_info.c: what a loaded model tells about itself. */
#include "formats/weights_digest.h"
#include "models/load.h"
#include "models/model.h"

#include <string.h>

void ken_model_get_info(const ken_model *model, ken_model_info *out) {
    *out = (ken_model_info){
        .id = model->id,
        .architecture = model->architecture,
        .cpu_tier = model->kernels->tier,
        .precision = model->precision,
        .weights_file = weights_path(model->weights),
        .embedding_width = (int)model->embedding_width,
        .logit_scale = model->logit_scale,
        .logit_bias = model->logit_bias,
        .sigmoid = model->sigmoid,
        .n_parameters = model->n_parameters,
    };
    if (model->vision) {
        out->image_size[0] = (int)model->vision->image_size[0];
        out->image_size[1] = (int)model->vision->image_size[1];
    }
    if (model->text) {
        out->context_length = (int)model->text->config.context_length;
        out->vocab_size = (int)model->text->config.vocab_size;
    }
}

ken_status ken_model_weights_sha256(const ken_model *model, char out[65], ken_error *err) {
    weights_digest *digest = model->digest;
    ken_status status = KEN_OK;
    pthread_mutex_lock(&digest->mutex);
    if (!digest->known)
        status = weights_sha256(model->weights, weight_cache_folder(model->cache), &digest->cancel,
                                digest->hex, err);
    if (status == KEN_OK) {
        digest->known = true;
        memcpy(out, digest->hex, sizeof digest->hex);
    }
    pthread_mutex_unlock(&digest->mutex);
    return status;
}

ken_status ken_model_tokenize(const ken_model *model, const char *text, size_t size, int32_t *ids,
                              ken_token_info *info, ken_error *err) {
    if (!model->tokenizer)
        return error_set(err, KEN_BAD_ARGUMENT, "model '%s' was loaded without its text tower",
                         model->id);
    tokenizer_result result;
    TRY(tokenizer_encode(model->tokenizer, text, size, ids, &result, err));
    if (info)
        *info = (ken_token_info){.n_tokens = result.n_tokens, .truncated = result.truncated};
    return KEN_OK;
}

_Static_assert((int)MODEL_ANSWER_BYTES == (int)CACHE_FACT_BYTES, "an answer is a fact");

bool model_recall(const ken_model *model, const char *question, char answer[MODEL_ANSWER_BYTES]) {
    return weight_cache_recall(model->cache, question, answer);
}

void model_remember(const ken_model *model, const char *question, const char *answer) {
    weight_cache_remember(model->cache, question, answer);
}

bool model_map_kept(const ken_model *model, const char *what, file_map *out) {
    return weight_cache_map(model->cache, what, out);
}

void model_keep(const ken_model *model, const char *what, const cache_piece *pieces,
                size_t n_pieces) {
    weight_cache_keep(model->cache, what, pieces, n_pieces);
}

const preprocess *model_preprocess(const ken_model *model) {
    return &model->preprocess;
}

const tokenizer *model_tokenizer(const ken_model *model) {
    return model->tokenizer;
}

const kernels *model_kernels(const ken_model *model) {
    return model->kernels;
}

const char *model_dir(const ken_model *model) {
    return model->dir;
}

float ken_dot(const float *a, const float *b, size_t n) {
    return kernels_best()->dot_f32(a, b, n);
}
