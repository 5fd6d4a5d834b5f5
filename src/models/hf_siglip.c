/* models/hf_siglip.c: "model_type": "siglip" as transformers writes it: SigLIP, and SigLIP 2 of a
 * fixed resolution. No class token, no projection, pooling by an attention head; texts are padded
 * and pooled at their last position, without a causal mask; scores go through a sigmoid. */
#include "models/load.h"

#include "base/file.h"

#include <string.h>

static const vit_names vision_names = {
    .conv1 = "vision_model.embeddings.patch_embedding",
    .positional_embedding = "vision_model.embeddings.position_embedding.weight",
    .resblocks = "vision_model.encoder.layers",
    .block = &block_names_hugging_face,
    .ln_post = "vision_model.post_layernorm",
    .head = "vision_model.head",
};

static const text_names text_model_names = {
    .token_embedding = "text_model.embeddings.token_embedding.weight",
    .positional_embedding = "text_model.embeddings.position_embedding.weight",
    .resblocks = "text_model.encoder.layers",
    .block = &block_names_hugging_face,
    .ln_final = "text_model.final_layer_norm",
    .text_projection = "text_model.head",
    .projection_is_linear = true,
    .projection_bias = true,
};

static ken_status load_vision(loader *l, vit_config *config, ken_error *err) {
    static const double half[3] = {0.5, 0.5, 0.5};
    TRY(hf_preprocess_read(l, false, half, half, config->image_size, &l->model->preprocess, err));
    preprocess_range(&l->model->preprocess, config->gain, config->offset);
    const vit *v;
    TRY(vit_read(&l->reader, config, &vision_names, &v, err));
    return load_set_vit(l, v, err);
}

/* SigLIP 1's tokenizer cleans the text first, SigLIP 2's (Gemma's) does not: the directory says
 * which by its tokenizer class, or, without tokenizer_config.json, by SigLIP 1's vocabulary file.
 */
static ken_status cleans_text(loader *l, bool *out, ken_error *err) {
    buf path;
    buf_init(&path, 64 * 1024);
    ken_status status = KEN_OK;
    json_t *config = NULL;
    file_join(&path, l->model->dir, "spiece.model");
    *out = file_exists(path.data ? path.data : "");
    file_join(&path, l->model->dir, "tokenizer_config.json");
    status = buf_check(&path, err);
    if (status == KEN_OK && file_exists(path.data))
        status = doc_read(path.data, CONFIG_MAX_BYTES, &config, err);
    const char *class_name = NULL;
    if (status == KEN_OK && config)
        status = doc_get_string(config, "tokenizer_class", path.data, &class_name, err);
    if (status == KEN_OK && class_name)
        *out = strncmp(class_name, "SiglipTokenizer", strlen("SiglipTokenizer")) == 0;
    json_decref(config);
    buf_free(&path);
    return status;
}

static ken_status load_text(loader *l, const text_config *config, ken_error *err) {
    TRY(text_read(&l->reader, config, &text_model_names, &l->model->text, err));
    tokenizer_options options = {.kind = TOKENIZER_FROM_FILE};
    TRY(cleans_text(l, &options.siglip, err));
    return load_tokenizer(l, &options, err);
}

static const transformer_config base_transformer = {
    .width = 768, .mlp_width = 3072, .layers = 12, .heads = 12, .eps = 1e-6f};

static ken_status read_vision_config(const section *s, vit_config *config, ken_error *err) {
    *config = (vit_config){.image_size = {224, 224},
                           .patch_size = 16,
                           .transformer = base_transformer,
                           .pool = VIT_POOL_HEAD,
                           .patch_bias = true};
    TRY(hf_read_vision(s, config, "gelu_pytorch_tanh", err));
    config->embedding_width = config->transformer.width;
    bool use_head = true;
    TRY(doc_get_bool(s->object, "vision_use_head", s->where, &use_head, err));
    if (!use_head)
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'vision_use_head' is false: without its head the tower gives no "
                         "embedding",
                         s->where);
    return KEN_OK;
}

static ken_status read_text_config(const section *s, text_config *config, ken_error *err) {
    *config = (text_config){.vocab_size = 32000,
                            .context_length = 64,
                            .transformer = base_transformer,
                            .pool = TEXT_POOL_LAST};
    config->transformer.pooled = true;
    TRY(hf_read_text(s, config, "gelu_pytorch_tanh", err));
    config->embedding_width = config->transformer.width;
    return section_size(s, "projection_size", CONFIG_MAX_WIDTH, &config->embedding_width, err);
}

ken_status hf_siglip_load(loader *l, ken_error *err) {
    hf_sections sections;
    vit_config vision_config;
    text_config text;
    TRY(hf_find_sections(l, &sections, err));
    TRY(read_vision_config(&sections.vision, &vision_config, err));
    TRY(read_text_config(&sections.text, &text, err));
    if (vision_config.embedding_width != text.embedding_width)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'projection_size' is %zu, but the image tower's embedding has %zu "
                         "numbers",
                         sections.text.where, text.embedding_width, vision_config.embedding_width);
    l->model->embedding_width = text.embedding_width;
    l->model->sigmoid = true;
    if (l->want_vision)
        TRY(load_vision(l, &vision_config, err));
    if (l->want_text)
        TRY(load_text(l, &text, err));
    return load_logits(l, true, err);
}
