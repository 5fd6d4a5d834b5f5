/* models/hf_preprocess.c: Hugging Face's image processor configuration as a recipe.
 *
 * As transformers does, "image_processor" inside processor_config.json comes before
 * preprocessor_config.json. */
#include "models/load.h"

#include "base/file.h"

#include <string.h>

/* The size keys: a bare number or {"shortest_edge"} is one, {"height", "width"} the other. */
typedef struct size_spec {
    bool shortest;
    size_t size[2];
} size_spec;

static ken_status read_size(const section *s, const char *key, bool number_is_square, arena *memory,
                            size_spec *out, ken_error *err) {
    if (!json_is_object(json_object_get(s->object, key))) {
        if (section_has(s, key))
            out->shortest = !number_is_square && !json_is_array(json_object_get(s->object, key));
        return section_pair(s, key, CONFIG_MAX_IMAGE_SIZE, out->size, err);
    }
    section size;
    TRY(section_child(memory, s, key, &size, err));
    out->shortest = section_has(&size, "shortest_edge");
    const char *other = out->shortest ? "longest_edge" : "max_height";
    TRY(section_refuse(&size, other, "only shortest_edge, or height and width, can be used", err));
    if (out->shortest) {
        TRY(section_size(&size, "shortest_edge", CONFIG_MAX_IMAGE_SIZE, &out->size[0], err));
        out->size[1] = out->size[0];
        return KEN_OK;
    }
    if (!section_has(&size, "height") || !section_has(&size, "width"))
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': '%s' must hold 'shortest_edge', or 'height' and 'width'", s->where,
                         key);
    TRY(section_size(&size, "height", CONFIG_MAX_IMAGE_SIZE, &out->size[0], err));
    return section_size(&size, "width", CONFIG_MAX_IMAGE_SIZE, &out->size[1], err);
}

static ken_status read_filter(const section *s, resize_filter *out, ken_error *err) {
    /* PIL.Image.Resampling's numbers. */
    static const resize_filter filters[] = {RESIZE_NEAREST, RESIZE_LANCZOS, RESIZE_BILINEAR,
                                            RESIZE_BICUBIC, RESIZE_BOX,     RESIZE_HAMMING};
    int64_t number = 3;
    TRY(doc_get_int(s->object, "resample", s->where, 0, 5, &number, err));
    *out = filters[number];
    return KEN_OK;
}

static ken_status read_values(const section *s, preprocess *out, ken_error *err) {
    TRY(doc_get_bool(s->object, "do_rescale", s->where, &out->rescale, err));
    TRY(doc_get_double(s->object, "rescale_factor", s->where, 1e-9, 1e3, &out->rescale_factor,
                       err));
    TRY(doc_get_bool(s->object, "do_normalize", s->where, &out->normalize, err));
    TRY(section_triple(s, "image_mean", -1e3, 1e3, out->mean, err));
    return section_triple(s, "image_std", 1e-6, 1e3, out->std, err);
}

/* The sizes of the result, which must be what the image tower takes. */
static ken_status read_geometry(const section *s, bool crops, const size_t image_size[2],
                                arena *memory, preprocess *out, ken_error *err) {
    bool resizes = true;
    size_spec size = {.shortest = crops, .size = {224, 224}};
    size_spec crop = {.size = {224, 224}};
    out->crop = crops;
    TRY(doc_get_bool(s->object, "do_resize", s->where, &resizes, err));
    TRY(doc_get_bool(s->object, "do_center_crop", s->where, &out->crop, err));
    TRY(section_refuse(s, "do_pad", "padding is not part of these models", err));
    TRY(read_size(s, "size", false, memory, &size, err));
    TRY(read_size(s, "crop_size", true, memory, &crop, err));
    if (!out->crop && (size.shortest || !resizes))
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': without 'do_center_crop' the size of the result depends on the "
                         "image, and the model takes %zu x %zu only",
                         s->where, image_size[0], image_size[1]);
    out->mode = !resizes ? RESIZE_NONE : size.shortest ? RESIZE_SHORTEST : RESIZE_SQUASH;
    const size_t *result = out->crop ? crop.size : size.size;
    for (size_t i = 0; i < 2; i++) {
        out->resize_size[i] = (int)size.size[i];
        out->crop_size[i] = (int)result[i];
    }
    if (result[0] == image_size[0] && result[1] == image_size[1])
        return KEN_OK;
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': '%s' gives images of %zu x %zu, expected the model's 'image_size' of "
                     "%zu x %zu",
                     s->where, out->crop ? "crop_size" : "size", result[0], result[1],
                     image_size[0], image_size[1]);
}

/* Opens DIR/NAME if it is there; *out is NULL otherwise. The caller releases the document. */
static ken_status open_config(arena *memory, const char *dir, const char *name, json_t **doc,
                              section *out, ken_error *err) {
    *doc = NULL;
    out->where = arena_printf(memory, "%s/%s", dir, name);
    if (!out->where)
        return error_no_memory(err, strlen(dir));
    if (!file_exists(out->where))
        return KEN_OK;
    TRY(doc_read(out->where, CONFIG_MAX_BYTES, doc, err));
    out->object = *doc;
    return KEN_OK;
}

static ken_status read_recipe(loader *l, const section *s, bool crops, const size_t image_size[2],
                              preprocess *out, ken_error *err) {
    TRY(read_geometry(s, crops, image_size, &l->model->memory, out, err));
    TRY(read_filter(s, &out->filter, err));
    return read_values(s, out, err);
}

ken_status hf_preprocess_read(loader *l, bool crops, const double mean[3], const double std[3],
                              const size_t image_size[2], preprocess *out, ken_error *err) {
    arena *memory = &l->model->memory;
    *out = (preprocess){.layout = PREPROCESS_HUGGING_FACE,
                        .rescale = true,
                        .rescale_factor = 1.0 / 255,
                        .normalize = true};
    memcpy(out->mean, mean, sizeof out->mean);
    memcpy(out->std, std, sizeof out->std);
    json_t *doc = NULL;
    section file = {0}, nested = {0};
    ken_status status =
        open_config(memory, l->model->dir, "processor_config.json", &doc, &file, err);
    if (status == KEN_OK && doc)
        status = section_child(memory, &file, "image_processor", &nested, err);
    if (status == KEN_OK && nested.object) {
        status = read_recipe(l, &nested, crops, image_size, out, err);
    } else if (status == KEN_OK) {
        json_decref(doc);
        status = open_config(memory, l->model->dir, "preprocessor_config.json", &doc, &file, err);
        if (status == KEN_OK && doc)
            status = read_recipe(l, &file, crops, image_size, out, err);
        else if (status == KEN_OK)
            status = error_hint(err,
                                error_set(err, KEN_NOT_FOUND,
                                          "'%s' has no preprocessor_config.json and no "
                                          "processor_config.json with an image_processor",
                                          l->model->dir),
                                "copy the file from where the model came from");
    }
    json_decref(doc);
    return status;
}
