/* models/open_clip_preprocess.c: OpenCLIP's preprocess_cfg as a recipe. The size is the image
 * tower's, whatever preprocess_cfg says, as in OpenCLIP. */
#include "models/load.h"

#include <string.h>

static ken_status read_mode(const section *s, preprocess *out, ken_error *err) {
    const char *mode = "shortest";
    TRY(doc_get_string(s->object, "resize_mode", s->where, &mode, err));
    if (strcmp(mode, "shortest") == 0)
        out->mode = RESIZE_SHORTEST;
    else if (strcmp(mode, "squash") == 0)
        out->mode = RESIZE_SQUASH;
    else if (strcmp(mode, "longest") == 0)
        out->mode = RESIZE_LONGEST;
    else
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'resize_mode' is '%s', expected 'shortest', 'squash' or 'longest'",
                         s->where, mode);
    return KEN_OK;
}

static ken_status read_filter(const section *s, preprocess *out, ken_error *err) {
    const char *name = "bicubic";
    TRY(doc_get_string(s->object, "interpolation", s->where, &name, err));
    /* "random" is a training setting: OpenCLIP takes bicubic for inference. */
    if (strcmp(name, "bicubic") == 0 || strcmp(name, "random") == 0)
        out->filter = RESIZE_BICUBIC;
    else if (strcmp(name, "bilinear") == 0)
        out->filter = RESIZE_BILINEAR;
    else
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'interpolation' is '%s', expected 'bicubic' or 'bilinear'",
                         s->where, name);
    return KEN_OK;
}

ken_status open_clip_preprocess(loader *l, const size_t image_size[2], preprocess *out,
                                ken_error *err) {
    const section *s = &l->preprocess_cfg;
    *out = (preprocess){.layout = PREPROCESS_OPEN_CLIP,
                        .resize_size = {(int)image_size[0], (int)image_size[1]},
                        .crop = true,
                        .crop_size = {(int)image_size[0], (int)image_size[1]},
                        .rescale = true,
                        .rescale_factor = 1.0 / 255,
                        .normalize = true,
                        .mean = {0.48145466, 0.4578275, 0.40821073},
                        .std = {0.26862954, 0.26130258, 0.27577711}};
    const char *mode = "RGB";
    TRY(doc_get_string(s->object, "mode", s->where, &mode, err));
    if (strcmp(mode, "RGB") != 0)
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'mode' is '%s', expected 'RGB'", s->where,
                         mode);
    TRY(read_mode(s, out, err));
    TRY(read_filter(s, out, err));
    int64_t fill = 0;
    TRY(doc_get_int(s->object, "fill_color", s->where, 0, 255, &fill, err));
    out->fill = (int)fill;
    TRY(section_triple(s, "mean", -1e3, 1e3, out->mean, err));
    return section_triple(s, "std", 1e-6, 1e3, out->std, err);
}
