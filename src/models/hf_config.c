/* models/hf_config.c: what Hugging Face's CLIP and SigLIP configurations have in common. */
#include "models/load.h"

/* Old configurations repeat a section as "KEY_dict"; where that one is there, transformers uses it
 * and forgets the other. */
static ken_status find_section(loader *l, const char *key, const char *old_key, section *out,
                               ken_error *err) {
    bool old = section_has(&l->config, old_key);
    return section_child(&l->model->memory, &l->config, old ? old_key : key, out, err);
}

ken_status hf_find_sections(loader *l, hf_sections *out, ken_error *err) {
    TRY(section_refuse(&l->config, "quantization_config",
                       "quantized checkpoints cannot be loaded; use the float32 or float16 one",
                       err));
    TRY(find_section(l, "vision_config", "vision_config_dict", &out->vision, err));
    return find_section(l, "text_config", "text_config_dict", &out->text, err);
}

static ken_status read_transformer(const section *s, transformer_config *config,
                                   const char *default_activation, ken_error *err) {
    TRY(section_size(s, "hidden_size", CONFIG_MAX_WIDTH, &config->width, err));
    TRY(section_size(s, "intermediate_size", CONFIG_MAX_MLP_WIDTH, &config->mlp_width, err));
    TRY(section_size(s, "num_hidden_layers", CONFIG_MAX_LAYERS, &config->layers, err));
    TRY(section_size(s, "num_attention_heads", CONFIG_MAX_HEADS, &config->heads, err));
    TRY(config_check_heads(s, "hidden_size", config->width, config->heads, err));
    TRY(section_eps(s, "layer_norm_eps", &config->eps, err));
    const char *activation = default_activation;
    TRY(doc_get_string(s->object, "hidden_act", s->where, &activation, err));
    return config_activation(s, "hidden_act", activation, &config->activation, err);
}

ken_status hf_read_vision(const section *s, vit_config *config, const char *default_activation,
                          ken_error *err) {
    size_t channels = 3, patch[2] = {config->patch_size, config->patch_size};
    TRY(section_size(s, "num_channels", 16, &channels, err));
    if (channels != 3)
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'num_channels' is %zu, expected 3", s->where,
                         channels);
    TRY(section_pair(s, "image_size", CONFIG_MAX_IMAGE_SIZE, config->image_size, err));
    TRY(section_pair(s, "patch_size", CONFIG_MAX_IMAGE_SIZE, patch, err));
    if (patch[0] != patch[1] || config->image_size[0] != config->image_size[1])
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'image_size' and 'patch_size' must be square",
                         s->where);
    config->patch_size = patch[0];
    TRY(config_check_patches(s, config->image_size, config->patch_size, err));
    return read_transformer(s, &config->transformer, default_activation, err);
}

ken_status hf_read_text(const section *s, text_config *config, const char *default_activation,
                        ken_error *err) {
    TRY(section_size(s, "vocab_size", CONFIG_MAX_VOCAB, &config->vocab_size, err));
    TRY(section_size(s, "max_position_embeddings", CONFIG_MAX_CONTEXT, &config->context_length,
                     err));
    return read_transformer(s, &config->transformer, default_activation, err);
}
