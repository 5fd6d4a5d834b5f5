/* models/model.c: a directory becomes a model: which layout it is, its configuration, its tensors.
 */
#include "base/file.h"
#include "models/load.h"
#include "models/precision_plan.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "model_type" of config.json; the third, OpenCLIP, is known by its own configuration file. */
static const struct {
    const char *name;
    architecture_load *load;
} hugging_face[] = {{"clip", hf_clip_load}, {"siglip", hf_siglip_load}};
static const char *const names[] = {"clip", "siglip", "open_clip", NULL};

const char *ken_precision_name(ken_precision precision) {
    switch (precision) {
    case KEN_PRECISION_DEFAULT:
        return "default";
    case KEN_PRECISION_F32:
        return "f32";
    case KEN_PRECISION_S16:
        return "s16";
    case KEN_PRECISION_INT8:
        return "int8";
    case KEN_PRECISION_AUTO:
        return "auto";
    }
    return "unknown";
}

const char *model_architecture_name(size_t index) {
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* ---- what the architectures call ---- */

ken_status load_logits(loader *l, bool has_bias, ken_error *err) {
    float scale = 0;
    TRY(reader_scalar(&l->reader, "logit_scale", &scale, err));
    l->model->logit_scale = expf(scale);
    if (!isfinite(l->model->logit_scale))
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': tensor 'logit_scale' is %g, whose exponential is not finite",
                         weights_path(l->model->weights), (double)scale);
    return has_bias ? reader_scalar(&l->reader, "logit_bias", &l->model->logit_bias, err) : KEN_OK;
}

static ken_status set_vision(loader *l, const vision *value, ken_error *err) {
    vision *v = arena_alloc(&l->model->memory, sizeof *v);
    if (!v)
        return error_no_memory(err, sizeof *v);
    *v = *value;
    l->model->vision = v;
    preprocess_table(&l->model->preprocess, l->model->pixel_table);
    return KEN_OK;
}

ken_status load_set_vit(loader *l, const vit *v, ken_error *err) {
    return set_vision(l,
                      &(vision){.image_size = {v->config.image_size[0], v->config.image_size[1]},
                                .embedding_width = v->config.embedding_width,
                                .vit = v},
                      err);
}

ken_status load_set_resnet(loader *l, const resnet *net, size_t image_size, ken_error *err) {
    return set_vision(l,
                      &(vision){.image_size = {image_size, image_size},
                                .embedding_width = net->config.embedding_width,
                                .resnet = net},
                      err);
}

ken_status load_tokenizer(loader *l, const tokenizer_options *options, ken_error *err) {
    if (l->bare)
        return KEN_OK;
    const text_config *config = &l->model->text->config;
    tokenizer_options sized = *options;
    sized.context_length = (int)config->context_length;
    sized.vocab_size = (int)config->vocab_size;
    return tokenizer_load(l->model->dir, &sized, &l->model->tokenizer, err);
}

/* ---- which layout ---- */

static bool has_file(arena *memory, const char *dir, const char *name) {
    const char *path = arena_printf(memory, "%s/%s", dir, name);
    return path && file_exists(path);
}

/* Published directories often hold both layouts; OpenCLIP's is taken when its weights are there. */
static bool is_open_clip(arena *memory, const char *dir) {
    return has_file(memory, dir, "open_clip_config.json") &&
           (!has_file(memory, dir, "config.json") ||
            has_file(memory, dir, "open_clip_model.safetensors") ||
            has_file(memory, dir, "open_clip_model.safetensors.index.json"));
}

static ken_status unknown_type(const char *path, const char *type, ken_error *err) {
    if (strcmp(type, "siglip2") == 0) {
        ken_status status = error_set(err, KEN_UNSUPPORTED,
                                      "'%s': 'model_type' is 'siglip2' (NaFlex, images of any "
                                      "shape), which ken cannot load",
                                      path);
        return error_hint(err, status,
                          "take the fixed-resolution SigLIP 2 of the same size: its "
                          "configuration says 'siglip'");
    }
    ken_status status = error_set(err, KEN_UNSUPPORTED,
                                  "'%s': 'model_type' is '%s', which ken cannot load", path, type);
    return error_hint(err, status,
                      "supported are 'clip' and 'siglip' (Hugging Face) and OpenCLIP directories "
                      "(open_clip_config.json)");
}

static ken_status find_type(const section *config, const char *path, architecture_load **load,
                            const char **architecture, ken_error *err) {
    const char *type = NULL;
    TRY(doc_get_string(config->object, "model_type", path, &type, err));
    if (!type)
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'model_type' is missing", path);
    for (size_t i = 0; i < sizeof hugging_face / sizeof *hugging_face; i++)
        if (strcmp(hugging_face[i].name, type) == 0) {
            *load = hugging_face[i].load;
            *architecture = hugging_face[i].name;
            return KEN_OK;
        }
    return unknown_type(path, type, err);
}

static ken_status read_config(loader *l, const char *path, json_t **doc, ken_error *err) {
    buf text;
    buf_init(&text, CONFIG_MAX_BYTES);
    ken_status status = file_read(path, &text, err);
    if (status == KEN_OK) {
        hash_xxh128(text.data ? text.data : "", text.size, l->config_hash);
        status = doc_parse(text.data ? text.data : "", text.size, path, doc, err);
    }
    buf_free(&text);
    TRY(status);
    if (!json_is_object(*doc))
        return error_set(err, KEN_BAD_FORMAT, "'%s' is not a JSON object", path);
    l->config = (section){*doc, path};
    return KEN_OK;
}

static void begin_reading(loader *l) {
    l->reader.weights = l->model->weights;
    weight_cache_begin(l->model->cache, l->config_hash);
    l->reader.blobs = weight_cache_store(l->model->cache);
}

static ken_status load_open_clip(loader *l, json_t **doc, ken_error *err) {
    static const char *const weight_names[] = {"open_clip_model", "open_clip_pytorch_model",
                                               "model", NULL};
    arena *memory = &l->model->memory;
    const char *path = arena_printf(memory, "%s/open_clip_config.json", l->model->dir);
    if (!path)
        return error_no_memory(err, strlen(l->model->dir));
    TRY(read_config(l, path, doc, err));
    section file = l->config;
    if (!section_has(&file, "model_cfg"))
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'model_cfg' is missing", path);
    TRY(section_child(memory, &file, "model_cfg", &l->config, err));
    TRY(section_child(memory, &file, "preprocess_cfg", &l->preprocess_cfg, err));
    TRY(weights_open(l->model->dir, weight_names, &l->model->weights, err));
    l->model->architecture = "open_clip";
    begin_reading(l);
    return open_clip_load(l, err);
}

static ken_status load_hugging_face(loader *l, json_t **doc, ken_error *err) {
    static const char *const weight_names[] = {"model", NULL};
    const char *path = arena_printf(&l->model->memory, "%s/config.json", l->model->dir);
    if (!path)
        return error_no_memory(err, strlen(l->model->dir));
    if (!file_exists(path)) {
        ken_status status =
            error_set(err, KEN_NOT_FOUND,
                      "'%s' holds neither config.json nor open_clip_config.json", l->model->dir);
        return error_hint(err, status, "name a Hugging Face or OpenCLIP model directory");
    }
    TRY(read_config(l, path, doc, err));
    architecture_load *load = NULL;
    TRY(find_type(&l->config, path, &load, &l->model->architecture, err));
    TRY(weights_open(l->model->dir, weight_names, &l->model->weights, err));
    begin_reading(l);
    return load(l, err);
}

/* ---- making the model ---- */

/* The last part of the directory's path; of the real one when the path ends in dots. */
static const char *make_id(arena *memory, const char *dir) {
    char real[PATH_MAX];
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    const char *id = arena_strndup(memory, dir, n);
    if (!id)
        return NULL;
    const char *last = file_name(id);
    if (strcmp(last, "") != 0 && strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
        return last;
    return arena_strdup(memory, realpath(id, real) ? file_name(real) : last);
}

static ken_status start(ken_model *model, const char *dir, ken_error *err) {
    model->digest = arena_alloc(&model->memory, sizeof *model->digest);
    model->facts = arena_alloc(&model->memory, sizeof *model->facts);
    model->dir = arena_strdup(&model->memory, dir);
    model->id = make_id(&model->memory, dir);
    if (model->digest)
        pthread_mutex_init(&model->digest->mutex, NULL);
    if (model->facts)
        pthread_mutex_init(&model->facts->mutex, NULL);
    return model->digest && model->facts && model->dir && model->id
               ? KEN_OK
               : error_no_memory(err, strlen(dir));
}

static ken_status load_into(ken_model *model, const char *dir, const ken_model_options *options,
                            bool bare, ken_error *err) {
    TRY(start(model, dir, err));
    if (!file_is_directory(dir))
        return file_exists(dir)
                   ? error_hint(err, error_set(err, KEN_BAD_FORMAT, "'%s' is not a directory", dir),
                                "name the directory that holds the model's configuration and "
                                "weights")
                   : error_set(err, KEN_NOT_FOUND, "model directory '%s' does not exist", dir);
    loader l = {.model = model,
                .reader = {.kernels = model->kernels,
                           .precision = model->precision,
                           .make_plan = precision_plan_for,
                           .plan_context = &l,
                           .memory = &model->memory},
                .want_vision = !options->text_only,
                .want_text = !options->vision_only,
                .bare = bare,
                .notice = options->notice,
                .notice_context = options->notice_context};
    model->cache = weight_cache_new(model, options);
    json_t *doc = NULL;
    ken_status status = is_open_clip(&model->memory, dir) ? load_open_clip(&l, &doc, err)
                                                          : load_hugging_face(&l, &doc, err);
    model->n_parameters = l.reader.n_parameters;
    memcpy(model->layers, l.reader.towers, sizeof model->layers);
    reader_end(&l.reader);
    json_decref(doc);
    if (status == KEN_OK)
        weight_cache_finish(model->cache);
    return status;
}

static ken_precision chosen_precision(const ken_model_options *options) {
    return options->precision == KEN_PRECISION_DEFAULT ? KEN_PRECISION_S16 : options->precision;
}

static ken_status check_options(const ken_model_options *options, const kernels **k,
                                ken_error *err) {
    if (options->vision_only && options->text_only)
        return error_set(err, KEN_BAD_ARGUMENT, "vision_only and text_only exclude each other");
    ken_precision precision = chosen_precision(options);
    if (precision < KEN_PRECISION_F32 || precision > KEN_PRECISION_AUTO)
        return error_hint(err,
                          error_set(err, KEN_UNSUPPORTED, "precision '%s' cannot be computed",
                                    ken_precision_name(precision)),
                          "choose f32, s16, int8 or auto");
    const char *reason = NULL;
    *k = options->cpu_tier ? kernels_find(options->cpu_tier, &reason) : kernels_best();
    if (!*k)
        return error_set(err, KEN_BAD_ARGUMENT, "CPU tier '%s' cannot be used: %s",
                         options->cpu_tier, reason ? reason : "unknown");
    return KEN_OK;
}

static ken_status load_model(const char *dir, const ken_model_options *options, bool bare,
                             ken_model **out, ken_error *err) {
    *out = NULL;
    const kernels *k = NULL;
    TRY(check_options(options, &k, err));
    ken_model *model = mem_zalloc(1, sizeof *model);
    if (!model)
        return error_no_memory(err, sizeof *model);
    model->kernels = k;
    model->precision = chosen_precision(options);
    ken_status status = load_into(model, dir, options, bare, err);
    if (status != KEN_OK) {
        ken_model_free(model);
        return status;
    }
    *out = model;
    return KEN_OK;
}

ken_status ken_model_load(const char *dir, const ken_model_options *options, ken_model **out,
                          ken_error *err) {
    static const ken_model_options defaults = {0};
    return load_model(dir, options ? options : &defaults, false, out, err);
}

ken_status model_load_tower(const ken_model *model, tower_kind tower, ken_precision precision,
                            bool bare, ken_model **out, ken_error *err) {
    const ken_model_options options = {.cpu_tier = model->kernels->tier,
                                       .precision = precision,
                                       .vision_only = tower == TOWER_VISION,
                                       .text_only = tower == TOWER_TEXT};
    return load_model(model->dir, &options, bare, out, err);
}

void ken_model_free(ken_model *model) {
    if (!model)
        return;
    weight_cache_free(model->cache);
    tokenizer_free(model->tokenizer);
    weights_close(model->weights);
    if (model->digest)
        pthread_mutex_destroy(&model->digest->mutex);
    if (model->facts)
        pthread_mutex_destroy(&model->facts->mutex);
    arena_free(&model->memory);
    mem_free(model);
}
