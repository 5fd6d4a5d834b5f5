/* models/open_clip.c: an OpenCLIP directory: open_clip_config.json and its tensors.
 *
 * Defaults are those of OpenCLIP's CLIPVisionCfg and CLIPTextCfg. A setting that changes the
 * arithmetic and that ken does not do is refused by name. */
#include "models/load.h"

#include <math.h>
#include <string.h>

static const char not_yet[] = "ken does not have this part";

/* ---- what both towers' sections share ---- */

static ken_status refuse_all(const section *s, const char *const *keys, ken_error *err) {
    for (size_t i = 0; keys[i]; i++)
        TRY(section_refuse(s, keys[i], not_yet, err));
    return KEN_OK;
}

/* Variants of the attention block, in either tower. */
static const char *const block_variants[] = {
    "qk_norm",    "scaled_cosine_attn", "scale_heads", "scale_attn_inner",
    "scale_attn", "scale_fc",           NULL};

/* quick_gelu, act_kwargs, norm_kwargs, ls_init_value, mlp_ratio */
static ken_status read_block(loader *l, const section *s, transformer_config *config,
                             ken_error *err) {
    TRY(refuse_all(s, block_variants, err));
    bool quick = false;
    TRY(doc_get_bool(l->config.object, "quick_gelu", l->config.where, &quick, err));
    config->activation = quick ? GEMM_QUICK_GELU : GEMM_ERF_GELU;
    section act, norm;
    TRY(section_child(&l->model->memory, s, "act_kwargs", &act, err));
    TRY(section_check_keys(&act, (const char *const[]){"approximate", NULL}, err));
    const char *approximate = "none";
    TRY(doc_get_string(act.object, "approximate", act.where, &approximate, err));
    if (strcmp(approximate, "tanh") == 0 && !quick)
        config->activation = GEMM_TANH_GELU;
    else if (strcmp(approximate, "none") != 0)
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'approximate' is '%s', expected 'none' or 'tanh'", act.where,
                         approximate);
    TRY(section_child(&l->model->memory, s, "norm_kwargs", &norm, err));
    TRY(section_check_keys(&norm, (const char *const[]){"eps", NULL}, err));
    TRY(section_eps(&norm, "eps", &config->eps, err));
    config->layer_scale = section_has(s, "ls_init_value");
    double ratio = 4;
    TRY(doc_get_double(s->object, "mlp_ratio", s->where, 0.01, 64, &ratio, err));
    config->mlp_width = (size_t)((double)config->width * ratio);
    if (config->mlp_width < 1 || config->mlp_width > CONFIG_MAX_MLP_WIDTH)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'mlp_ratio' %g gives an MLP of %zu, expected 1 to %d", s->where,
                         ratio, config->mlp_width, CONFIG_MAX_MLP_WIDTH);
    return KEN_OK;
}

/* Heads as OpenCLIP counts them; `attended` is the width that they share. */
static ken_status read_heads(const section *s, size_t attended, size_t *heads, ken_error *err) {
    size_t head_width = 64;
    TRY(section_size(s, "head_width", CONFIG_MAX_WIDTH, &head_width, err));
    *heads = attended / head_width;
    if (*heads >= 1 && *heads <= CONFIG_MAX_HEADS && attended % *heads == 0)
        return KEN_OK;
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': 'head_width' is %zu, which does not divide a width of %zu", s->where,
                     head_width, attended);
}

/* ---- image tower ---- */

static const char *const vision_keys[] = {"layers",
                                          "width",
                                          "head_width",
                                          "mlp_ratio",
                                          "patch_size",
                                          "image_size",
                                          "ls_init_value",
                                          "patch_dropout",
                                          "attentional_pool",
                                          "attn_pooler_queries",
                                          "attn_pooler_heads",
                                          "no_ln_pre",
                                          "pos_embed_type",
                                          "final_ln_after_pool",
                                          "pool_type",
                                          "output_tokens",
                                          "act_kwargs",
                                          "norm_kwargs",
                                          "block_type",
                                          "qk_norm",
                                          "scaled_cosine_attn",
                                          "scale_heads",
                                          "scale_attn_inner",
                                          "scale_attn",
                                          "scale_fc",
                                          "timm_model_name",
                                          "timm_model_pretrained",
                                          "timm_pool",
                                          "timm_proj",
                                          "timm_proj_bias",
                                          "timm_drop",
                                          "timm_drop_path",
                                          NULL};

static const vit_names vit_tensor_names = {
    .conv1 = "visual.conv1",
    .class_embedding = "visual.class_embedding",
    .positional_embedding = "visual.positional_embedding",
    .ln_pre = "visual.ln_pre",
    .resblocks = "visual.transformer.resblocks",
    .block = &block_names_open_clip,
    .ln_post = "visual.ln_post",
    .proj = "visual.proj",
};

static ken_status read_vit_pool(const section *s, vit_config *config, ken_error *err) {
    const char *pool = "tok";
    TRY(doc_get_string(s->object, "pool_type", s->where, &pool, err));
    if (strcmp(pool, "tok") == 0)
        config->pool = VIT_POOL_CLASS_TOKEN;
    else if (strcmp(pool, "avg") == 0)
        config->pool = VIT_POOL_MEAN;
    else
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'pool_type' is '%s', expected 'tok' or 'avg'",
                         s->where, pool);
    config->transformer.pooled = config->pool == VIT_POOL_CLASS_TOKEN;
    return doc_get_bool(s->object, "final_ln_after_pool", s->where, &config->ln_after_pool, err);
}

static ken_status read_vit(loader *l, const section *s, const size_t image_size[2], const vit **out,
                           ken_error *err) {
    vit_config config = {
        .image_size = {image_size[0], image_size[1]},
        .transformer = {.width = 768, .layers = 12, .eps = 1e-5f},
        .embedding_width = l->model->embedding_width,
        .class_token = true,
    };
    size_t patch[2] = {16, 16};
    TRY(section_pair(s, "patch_size", CONFIG_MAX_IMAGE_SIZE, patch, err));
    if (patch[0] != patch[1])
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'patch_size' is %zu x %zu, expected a square",
                         s->where, patch[0], patch[1]);
    config.patch_size = patch[0];
    TRY(config_check_patches(s, image_size, patch[0], err));
    TRY(section_size(s, "width", CONFIG_MAX_WIDTH, &config.transformer.width, err));
    TRY(section_size(s, "layers", CONFIG_MAX_LAYERS, &config.transformer.layers, err));
    TRY(read_heads(s, config.transformer.width, &config.transformer.heads, err));
    bool no_ln_pre = false;
    TRY(doc_get_bool(s->object, "no_ln_pre", s->where, &no_ln_pre, err));
    config.ln_pre = !no_ln_pre;
    TRY(read_vit_pool(s, &config, err));
    TRY(read_block(l, s, &config.transformer, err));
    preprocess_range(&l->model->preprocess, config.gain, config.offset);
    return vit_read(&l->reader, &config, &vit_tensor_names, out, err);
}

static ken_status read_resnet_layers(const section *s, resnet_config *config, ken_error *err) {
    const json_t *layers = json_object_get(s->object, "layers");
    bool good = json_array_size(layers) == RESNET_STAGES;
    for (size_t i = 0; good && i < RESNET_STAGES; i++) {
        const json_t *n = json_array_get(layers, i);
        json_int_t number = json_is_integer(n) ? json_integer_value(n) : 0;
        good = number >= 1 && number <= CONFIG_MAX_LAYERS;
        config->layers[i] = (size_t)number;
    }
    return good ? KEN_OK
                : error_set(err, KEN_BAD_FORMAT,
                            "'%s': 'layers' must be a number or %d numbers, each 1 to %d", s->where,
                            RESNET_STAGES, CONFIG_MAX_LAYERS);
}

static ken_status read_resnet(loader *l, const section *s, const size_t image_size[2],
                              const resnet **out, ken_error *err) {
    resnet_config config = {
        .image_size = image_size[0], .width = 768, .embedding_width = l->model->embedding_width};
    TRY(read_resnet_layers(s, &config, err));
    if (image_size[0] != image_size[1] ||
        resnet_final_side(image_size[0]) != image_size[0] / RESNET_REDUCTION ||
        image_size[0] < RESNET_REDUCTION)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'image_size' is %zu x %zu, expected a square whose side the "
                         "network can halve five times, such as %zu",
                         s->where, image_size[0], image_size[1],
                         image_size[0] / RESNET_REDUCTION * RESNET_REDUCTION + RESNET_REDUCTION);
    TRY(section_size(s, "width", CONFIG_MAX_WIDTH / RESNET_REDUCTION, &config.width, err));
    if (config.width < 2)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'width' is 1, expected at least 2: the stem "
                         "begins with half of it",
                         s->where);
    TRY(read_heads(s, config.width * RESNET_REDUCTION, &config.heads, err));
    return resnet_read(&l->reader, &config, "visual.", out, err);
}

static ken_status refuse_timm(const section *s, ken_error *err) {
    ken_status status =
        section_refuse(s, "timm_model_name", "ken does not have timm's towers", err);
    if (status == KEN_OK)
        return status;
    return error_hint(err, status,
                      "take a model with OpenCLIP's own ViT or ResNet; SigLIP and SigLIP 2 load "
                      "from their Hugging Face repositories");
}

static ken_status load_vision(loader *l, const section *s, ken_error *err) {
    TRY(section_check_keys(s, vision_keys, err));
    TRY(refuse_timm(s, err));
    TRY(section_refuse(s, "attentional_pool", not_yet, err));
    size_t image_size[2] = {224, 224};
    TRY(section_pair(s, "image_size", CONFIG_MAX_IMAGE_SIZE, image_size, err));
    TRY(open_clip_preprocess(l, image_size, &l->model->preprocess, err));
    if (json_is_array(json_object_get(s->object, "layers"))) {
        const resnet *net;
        TRY(read_resnet(l, s, image_size, &net, err));
        return load_set_resnet(l, net, image_size[0], err);
    }
    const vit *v;
    TRY(read_vit(l, s, image_size, &v, err));
    return load_set_vit(l, v, err);
}

/* ---- text tower ---- */

static const char *const text_keys[] = {"context_length", "vocab_size",       "hf_tokenizer_name",
                                        "tokenizer_mode", "tokenizer_kwargs", "width",
                                        "heads",          "layers",           "mlp_ratio",
                                        "ls_init_value",  "embed_cls",        "pad_id",
                                        "eos_id",         "no_causal_mask",   "final_ln_after_pool",
                                        "pool_type",      "proj_bias",        "proj_type",
                                        "output_tokens",  "act_kwargs",       "norm_kwargs",
                                        "block_type",     "qk_norm",          "scaled_cosine_attn",
                                        "scale_heads",    "scale_attn_inner", "scale_attn",
                                        "scale_fc",       "hf_model_name",    "hf_model_pretrained",
                                        "hf_proj_type",   "hf_pooler_type",   NULL};

static ken_status read_text_pool(const section *s, text_config *config, ken_error *err) {
    static const struct {
        const char *name;
        text_pool pool;
    } known[] = {{"argmax", TEXT_POOL_ARGMAX},
                 {"eos", TEXT_POOL_EOS},
                 {"first", TEXT_POOL_FIRST},
                 {"last", TEXT_POOL_LAST}};
    const char *name = "argmax";
    int64_t eos = 2;
    TRY(doc_get_string(s->object, "pool_type", s->where, &name, err));
    TRY(doc_get_int(s->object, "eos_id", s->where, 0, CONFIG_MAX_VOCAB, &eos, err));
    config->eos_id = (int32_t)eos;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            config->pool = known[i].pool;
            return KEN_OK;
        }
    return error_set(err, KEN_UNSUPPORTED,
                     "'%s': 'pool_type' is '%s', expected 'argmax', 'eos', 'first' or 'last'",
                     s->where, name);
}

static ken_status read_text_config(loader *l, const section *s, text_config *config,
                                   ken_error *err) {
    transformer_config *t = &config->transformer;
    TRY(section_size(s, "context_length", CONFIG_MAX_CONTEXT, &config->context_length, err));
    TRY(section_size(s, "vocab_size", CONFIG_MAX_VOCAB, &config->vocab_size, err));
    TRY(section_size(s, "width", CONFIG_MAX_WIDTH, &t->width, err));
    TRY(section_size(s, "layers", CONFIG_MAX_LAYERS, &t->layers, err));
    TRY(section_size(s, "heads", CONFIG_MAX_HEADS, &t->heads, err));
    TRY(config_check_heads(s, "width", t->width, t->heads, err));
    bool no_causal_mask = false;
    TRY(doc_get_bool(s->object, "no_causal_mask", s->where, &no_causal_mask, err));
    t->causal = !no_causal_mask;
    TRY(read_text_pool(s, config, err));
    return read_block(l, s, t, err);
}

/* The projection: absent, a bare [D, E] matrix, or a linear layer with bias. */
static ken_status read_text_projection(loader *l, const section *s, const text_config *config,
                                       text_names *names, ken_error *err) {
    const char *type = "linear";
    TRY(doc_get_string(s->object, "proj_type", s->where, &type, err));
    TRY(doc_get_bool(s->object, "proj_bias", s->where, &names->projection_bias, err));
    names->projection_is_linear = names->projection_bias;
    if (strcmp(type, "linear") == 0)
        return KEN_OK;
    if (strcmp(type, "none") != 0)
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'proj_type' is '%s', expected 'linear' or "
                         "'none'",
                         s->where, type);
    names->text_projection = NULL;
    if (config->transformer.width == l->model->embedding_width)
        return KEN_OK;
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': 'proj_type' is 'none' and 'width' is %zu, expected 'embed_dim' %zu",
                     s->where, config->transformer.width, l->model->embedding_width);
}

/* With custom_text the tower's tensors are below "text."; OpenCLIP also loads older files that have
 * them at the top, so the file decides, and the configuration only when the file says nothing. */
static ken_status text_prefix(loader *l, const char **out, ken_error *err) {
    bool custom = false;
    TRY(doc_get_bool(l->config.object, "custom_text", l->config.where, &custom, err));
    if (reader_has(&l->reader, "text.token_embedding.weight"))
        custom = true;
    else if (reader_has(&l->reader, "token_embedding.weight"))
        custom = false;
    *out = custom ? "text." : "";
    return KEN_OK;
}

static ken_status read_text_tensors(loader *l, const section *s, const text_config *config,
                                    ken_error *err) {
    const char *prefix;
    TRY(text_prefix(l, &prefix, err));
    tensor_name token_embedding = tensor_name_join(prefix, "token_embedding.weight"),
                positions = tensor_name_join(prefix, "positional_embedding"),
                resblocks = tensor_name_join(prefix, "transformer.resblocks"),
                ln_final = tensor_name_join(prefix, "ln_final"),
                projection = tensor_name_join(prefix, "text_projection");
    text_names names = {.token_embedding = token_embedding.text,
                        .positional_embedding = positions.text,
                        .resblocks = resblocks.text,
                        .block = &block_names_open_clip,
                        .ln_final = ln_final.text,
                        .text_projection = projection.text};
    TRY(read_text_projection(l, s, config, &names, err));
    return text_read(&l->reader, config, &names, &l->model->text, err);
}

/* "lower", "whitespace" or "canonicalize": what the tokenizer does to a text first. */
static ken_status read_clean(const section *kwargs, tokenizer_clean *out, ken_error *err) {
    static const struct {
        const char *name;
        tokenizer_clean clean;
    } known[] = {{"lower", TOKENIZER_CLEAN_LOWER},
                 {"whitespace", TOKENIZER_CLEAN_WHITESPACE},
                 {"canonicalize", TOKENIZER_CLEAN_CANONICALIZE}};
    const char *name = NULL;
    TRY(doc_get_string(kwargs->object, "clean", kwargs->where, &name, err));
    if (!name)
        return KEN_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].clean;
            return KEN_OK;
        }
    return error_set(err, KEN_UNSUPPORTED,
                     "'%s': 'clean' is '%s', expected 'lower', 'whitespace' or 'canonicalize'",
                     kwargs->where, name);
}

/* A tokenizer of its own is named in the configuration, and its files lie in the directory. */
static ken_status read_tokenizer(loader *l, const section *s, ken_error *err) {
    const char *name = "";
    section kwargs;
    TRY(doc_get_string(s->object, "hf_tokenizer_name", s->where, &name, err));
    TRY(section_refuse(s, "tokenizer_mode", not_yet, err));
    TRY(section_child(&l->model->memory, s, "tokenizer_kwargs", &kwargs, err));
    TRY(section_check_keys(&kwargs, (const char *const[]){"clean", NULL}, err));
    tokenizer_options options = {.kind = TOKENIZER_CLIP_OPEN_CLIP};
    if (*name) {
        options.kind = TOKENIZER_FROM_FILE;
        options.clean = TOKENIZER_CLEAN_WHITESPACE;
    }
    TRY(read_clean(&kwargs, &options.clean, err));
    return load_tokenizer(l, &options, err);
}

static ken_status load_text(loader *l, const section *s, ken_error *err) {
    TRY(section_check_keys(s, text_keys, err));
    TRY(refuse_all(s, (const char *const[]){"hf_model_name", "embed_cls", NULL}, err));
    text_config config = {
        .vocab_size = 49408,
        .context_length = 77,
        .embedding_width = l->model->embedding_width,
        .transformer = {.width = 512, .layers = 12, .heads = 8, .eps = 1e-5f, .pooled = true},
    };
    TRY(read_text_config(l, s, &config, err));
    TRY(read_text_tensors(l, s, &config, err));
    return read_tokenizer(l, s, err);
}

/* ---- the whole ---- */

static const char *const model_keys[] = {
    "embed_dim",   "vision_cfg",       "text_cfg",        "quick_gelu",
    "custom_text", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale",
    "cast_dtype",  "output_dict",      "multimodal_cfg",  NULL};

ken_status open_clip_load(loader *l, ken_error *err) {
    TRY(section_check_keys(&l->config, model_keys, err));
    TRY(section_refuse(&l->config, "multimodal_cfg", "CoCa models cannot be loaded", err));
    if (!section_has(&l->config, "embed_dim"))
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'embed_dim' is missing", l->config.where);
    TRY(section_size(&l->config, "embed_dim", CONFIG_MAX_WIDTH, &l->model->embedding_width, err));
    section vision_cfg, text_cfg;
    TRY(section_child(&l->model->memory, &l->config, "vision_cfg", &vision_cfg, err));
    TRY(section_child(&l->model->memory, &l->config, "text_cfg", &text_cfg, err));
    if (l->want_vision)
        TRY(load_vision(l, &vision_cfg, err));
    if (l->want_text)
        TRY(load_text(l, &text_cfg, err));
    /* The parameter exists when the configuration gives it a start value: SigLIP's loss. */
    l->model->sigmoid = section_has(&l->config, "init_logit_bias");
    return load_logits(l, l->model->sigmoid && reader_has(&l->reader, "logit_bias"), err);
}
