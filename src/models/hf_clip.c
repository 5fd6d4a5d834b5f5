/* models/hf_clip.c: "model_type": "clip" as transformers writes it. */
#include "models/load.h"

static const vit_names vision_names = {
    .conv1 = "vision_model.embeddings.patch_embedding",
    .class_embedding = "vision_model.embeddings.class_embedding",
    .positional_embedding = "vision_model.embeddings.position_embedding.weight",
    .ln_pre = "vision_model.pre_layrnorm", /* spelt so in every checkpoint */
    .resblocks = "vision_model.encoder.layers",
    .block = &block_names_hugging_face,
    .ln_post = "vision_model.post_layernorm",
    .proj = "visual_projection",
    .proj_is_linear = true,
};

static const text_names text_model_names = {
    .token_embedding = "text_model.embeddings.token_embedding.weight",
    .positional_embedding = "text_model.embeddings.position_embedding.weight",
    .resblocks = "text_model.encoder.layers",
    .block = &block_names_hugging_face,
    .ln_final = "text_model.final_layer_norm",
    .text_projection = "text_projection",
    .projection_is_linear = true,
};

static ken_status load_vision(loader *l, const section *s, ken_error *err) {
    vit_config config = {
        .image_size = {224, 224},
        .patch_size = 32,
        .transformer = {.width = 768,
                        .mlp_width = 3072,
                        .layers = 12,
                        .heads = 12,
                        .eps = 1e-5f,
                        .pooled = true},
        .embedding_width = l->model->embedding_width,
        .pool = VIT_POOL_CLASS_TOKEN,
        .class_token = true,
        .ln_pre = true,
    };
    TRY(hf_read_vision(s, &config, "quick_gelu", err));
    static const double mean[3] = {0.48145466, 0.4578275, 0.40821073};
    static const double std[3] = {0.26862954, 0.26130258, 0.27577711};
    TRY(hf_preprocess_read(l, true, mean, std, config.image_size, &l->model->preprocess, err));
    preprocess_range(&l->model->preprocess, config.gain, config.offset);
    const vit *v;
    TRY(vit_read(&l->reader, &config, &vision_names, &v, err));
    return load_set_vit(l, v, err);
}

/* Before eos_token_id was put right in the configurations they said 2, and pooling took the highest
 * id; transformers keeps that for them. */
enum { legacy_eos_id = 2 };

static ken_status read_pool(const section *s, text_config *config, ken_error *err) {
    int64_t eos = 49407;
    if (json_is_array(json_object_get(s->object, "eos_token_id")))
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'eos_token_id' is a list, expected one id",
                         s->where);
    TRY(doc_get_int(s->object, "eos_token_id", s->where, 0, CONFIG_MAX_VOCAB, &eos, err));
    config->pool = eos == legacy_eos_id ? TEXT_POOL_ARGMAX : TEXT_POOL_EOS;
    config->eos_id = (int32_t)eos;
    return KEN_OK;
}

static ken_status load_text(loader *l, const section *s, ken_error *err) {
    text_config config = {
        .vocab_size = 49408,
        .context_length = 77,
        .embedding_width = l->model->embedding_width,
        .transformer = {.width = 512,
                        .mlp_width = 2048,
                        .layers = 12,
                        .heads = 8,
                        .eps = 1e-5f,
                        .causal = true,
                        .pooled = true},
    };
    TRY(hf_read_text(s, &config, "quick_gelu", err));
    TRY(read_pool(s, &config, err));
    TRY(text_read(&l->reader, &config, &text_model_names, &l->model->text, err));
    return load_tokenizer(l, &(tokenizer_options){.kind = TOKENIZER_CLIP_HF}, err);
}

ken_status hf_clip_load(loader *l, ken_error *err) {
    hf_sections sections;
    TRY(hf_find_sections(l, &sections, err));
    l->model->embedding_width = 512;
    TRY(section_size(&l->config, "projection_dim", CONFIG_MAX_WIDTH, &l->model->embedding_width,
                     err));
    if (l->want_vision)
        TRY(load_vision(l, &sections.vision, err));
    if (l->want_text)
        TRY(load_text(l, &sections.text, err));
    return load_logits(l, false, err);
}
