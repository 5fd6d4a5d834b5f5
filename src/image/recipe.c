/* What a preprocessing recipe says apart from the pixels: the floats of the normalisation, and the
 * description that is stored with every embedding. */
#include "image/preprocess.h"

#include <jansson.h>
#include <stdlib.h>

/* NumPy multiplies in float64 and rounds once; torchvision divides in float32. After that both
 * subtract and divide in float32. */
static float scaled(const preprocess *p, int value) {
    if (p->layout == PREPROCESS_OPEN_CLIP)
        return (float)value / 255.0F;
    return p->rescale ? (float)((double)value * p->rescale_factor) : (float)value;
}

static bool normalizes(const preprocess *p) {
    return p->normalize || p->layout == PREPROCESS_OPEN_CLIP;
}

void preprocess_range(const preprocess *p, double gain[3], double offset[3]) {
    double factor = p->layout == PREPROCESS_OPEN_CLIP ? 1.0 / 255
                    : p->rescale                      ? p->rescale_factor
                                                      : 1;
    for (int c = 0; c < 3; c++) {
        gain[c] = normalizes(p) ? factor / p->std[c] : factor;
        offset[c] = normalizes(p) ? -p->mean[c] / p->std[c] : 0;
    }
}

void preprocess_table(const preprocess *p, float table[3][256]) {
    bool normalize = normalizes(p);
    for (int c = 0; c < 3; c++) {
        float mean = (float)p->mean[c], deviation = (float)p->std[c];
        for (int v = 0; v < 256; v++) {
            float x = scaled(p, v);
            table[c][v] = normalize ? (x - mean) / deviation : x;
        }
    }
}

static json_t *describe(const preprocess *p) {
    static const char *const layouts[] = {"hugging_face", "open_clip"};
    static const char *const modes[] = {"shortest", "squash", "longest", "none"};
    static const char *const filters[] = {"nearest", "bilinear", "bicubic",
                                          "lanczos", "box",      "hamming"};
    static const char *const alphas[] = {"layout", "drop", "composite"};
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:[ii], s:b, s:[ii], s:i, s:s, s:b, s:f, s:b, s:[fff], s:[fff]}", "layout",
        layouts[p->layout], "resize_mode", modes[p->mode], "filter", filters[p->filter],
        "resize_size", p->resize_size[0], p->resize_size[1], "crop", (int)p->crop, "crop_size",
        p->crop_size[0], p->crop_size[1], "fill", p->fill, "alpha", alphas[p->alpha], "rescale",
        (int)p->rescale, "rescale_factor", p->rescale_factor, "normalize", (int)p->normalize,
        "mean", p->mean[0], p->mean[1], p->mean[2], "std", p->std[0], p->std[1], p->std[2]);
    bool done = o != NULL;
    if (done && p->alpha == ALPHA_COMPOSITE)
        done = json_object_set_new(
                   o, "background",
                   json_pack("[iii]", p->background[0], p->background[1], p->background[2])) == 0;
    /* Named only where it is fast, so that what was hashed before there was a choice stays. */
    if (done && p->fast)
        done = json_object_set_new(o, "resize", json_string("fast")) == 0;
    if (done)
        return o;
    json_decref(o);
    return NULL;
}

bool preprocess_describe(const preprocess *p, buf *out) {
    json_t *o = describe(p);
    char *text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(o);
    bool done = text && buf_puts(out, text);
    free(text);
    return done;
}
