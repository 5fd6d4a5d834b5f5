/* From a decoded picture to the pixels of the image tower: sizes and offsets, rounded as each
 * reference rounds them, then conversion, resize and crop in the order of the layout. */
#include "image/preprocess.h"

#include "base/mem.h"
#include "base/sys.h"
#include "image/convert.h"
#include "image/resample.h"

#include <math.h>
#include <string.h>

/* How the resized picture lies under the result. */
typedef struct geometry {
    int64_t width, height; /* of the resized picture */
    int64_t left, top;     /* of the result, in it; negative: padding */
} geometry;

size_t preprocess_size(const preprocess *p) {
    return (size_t)p->crop_size[0] * (size_t)p->crop_size[1] * 3;
}

/* Short side to `size`, the long one truncated, as Python's int(size * long / short). */
static void shortest_edge(int64_t size, geometry *g, const image *in) {
    bool portrait = in->width <= in->height;
    int64_t shorter = portrait ? in->width : in->height;
    int64_t longer = portrait ? in->height : in->width;
    int64_t scaled = (int64_t)((double)(size * longer) / (double)shorter);
    g->width = portrait ? size : scaled;
    g->height = portrait ? scaled : size;
}

/* OpenCLIP's ResizeKeepRatio: both sides over the larger (or smaller) ratio, half to even. */
static void keep_ratio(const int target[2], bool longest, geometry *g, const image *in) {
    double ratio_height = (double)in->height / target[0];
    double ratio_width = (double)in->width / target[1];
    bool take_height = longest ? ratio_height > ratio_width : ratio_height < ratio_width;
    double ratio = take_height ? ratio_height : ratio_width;
    g->width = (int64_t)nearbyint(in->width / ratio);
    g->height = (int64_t)nearbyint(in->height / ratio);
}

static void resized_size(const preprocess *p, geometry *g, const image *in) {
    switch (p->mode) {
    case RESIZE_SQUASH:
        g->height = p->resize_size[0];
        g->width = p->resize_size[1];
        return;
    case RESIZE_LONGEST:
        keep_ratio(p->crop_size, true, g, in);
        return;
    case RESIZE_NONE:
        g->width = in->width;
        g->height = in->height;
        return;
    case RESIZE_SHORTEST:
        if (p->layout == PREPROCESS_OPEN_CLIP && p->crop_size[0] != p->crop_size[1])
            keep_ratio(p->crop_size, false, g, in);
        else
            shortest_edge(p->resize_size[0], g, in);
    }
}

/* Where a centred crop of `crop` begins in a side of `size`. Odd differences: Hugging Face rounds
 * the crop down and the padding up; OpenCLIP rounds the crop half to even and the padding down. */
static int64_t offset(preprocess_layout layout, int64_t size, int64_t crop) {
    int64_t spare = size - crop, half = spare / 2;
    if (spare % 2 == 0)
        return half;
    if (layout == PREPROCESS_HUGGING_FACE)
        return spare > 0 ? half : half - 1;
    return spare > 0 ? half + half % 2 : half;
}

static ken_status plan(const preprocess *p, const image *in, geometry *g, ken_error *err) {
    resized_size(p, g, in);
    if (g->width < 1 || g->height < 1 || g->width > RESAMPLE_MAX_SIDE ||
        g->height > RESAMPLE_MAX_SIDE)
        return error_set(err, KEN_UNSUPPORTED,
                         "picture of %dx%d is too narrow: resized it would be %lldx%lld", in->width,
                         in->height, (long long)g->width, (long long)g->height);
    bool crops = p->layout == PREPROCESS_OPEN_CLIP || p->crop;
    if (!crops && (g->height != p->crop_size[0] || g->width != p->crop_size[1]))
        return error_set(err, KEN_UNSUPPORTED,
                         "picture of %lldx%lld does not fit: the model takes %dx%d and its "
                         "configuration neither resizes to that nor crops",
                         (long long)g->width, (long long)g->height, p->crop_size[1],
                         p->crop_size[0]);
    g->left = offset(p->layout, g->width, p->crop_size[1]);
    g->top = offset(p->layout, g->height, p->crop_size[0]);
    return KEN_OK;
}

static int64_t clamp(int64_t low, int64_t high, int64_t x) {
    return x < low ? low : x > high ? high : x;
}

/* Resizes and crops in the mode of `in`; `out` has the size of the result and holds the padding. */
static ken_status resize_into(const preprocess *p, const kernels *k, const image *in,
                              const geometry *g, image *out, ken_error *err) {
    int64_t left = clamp(0, g->width, g->left), right = clamp(0, g->width, g->left + out->width);
    int64_t top = clamp(0, g->height, g->top), bottom = clamp(0, g->height, g->top + out->height);
    window w = {(int)left, (int)top, (int)(right - left), (int)(bottom - top)};
    uint8_t *to = out->pixels + (size_t)(top - g->top) * out->stride +
                  (size_t)(left - g->left) * (size_t)out->channels;
    /* OpenCLIP's non-square shortest-edge resize is bicubic whatever the configuration says. */
    bool always_bicubic = p->layout == PREPROCESS_OPEN_CLIP && p->mode == RESIZE_SHORTEST &&
                          p->crop_size[0] != p->crop_size[1];
    return resample(k, in, always_bicubic ? RESIZE_BICUBIC : p->filter, (int)g->width,
                    (int)g->height, w, to, out->stride, err);
}

/* Converts to RGB first; the padding is black. */
static ken_status rgb_first(const preprocess *p, const kernels *k, const image *in,
                            const geometry *g, uint8_t *out, ken_error *err) {
    image result = {.width = p->crop_size[1],
                    .height = p->crop_size[0],
                    .channels = 3,
                    .mode = IMAGE_RGB,
                    .stride = (size_t)p->crop_size[1] * 3,
                    .pixels = out};
    int padding = p->mode == RESIZE_LONGEST ? p->fill : 0;
    memset(out, padding, preprocess_size(p));
    bool composite = p->alpha == ALPHA_COMPOSITE && convert_has_alpha(in);
    if (in->mode == IMAGE_RGB && !composite)
        return resize_into(p, k, in, g, &result, err);
    image rgb;
    ken_status status = image_alloc(&rgb, IMAGE_RGB, in->width, in->height, err);
    if (status == KEN_OK) {
        if (composite)
            convert_composite(in, p->background, rgb.pixels);
        else
            convert_to_rgb(in, rgb.pixels);
        status = resize_into(p, k, &rgb, g, &result, err);
    }
    image_free(&rgb);
    return status;
}

/* torchvision pads with 0 or, in the longest mode, with the fill value in every channel. */
static ken_status rgb_last(const preprocess *p, const kernels *k, const image *in,
                           const geometry *g, uint8_t *out, ken_error *err) {
    image result;
    ken_status status = image_alloc(&result, in->mode, p->crop_size[1], p->crop_size[0], err);
    if (status == KEN_OK) {
        int fill = p->mode != RESIZE_LONGEST ? 0 : in->mode == IMAGE_1 && p->fill ? 255 : p->fill;
        memset(result.pixels, fill, result.stride * (size_t)result.height);
        status = resize_into(p, k, in, g, &result, err);
    }
    if (status == KEN_OK) {
        result.palette = in->palette;
        convert_to_rgb(&result, out);
        result.palette = NULL;
    }
    image_free(&result);
    return status;
}

ken_status preprocess_image(const preprocess *p, const kernels *k, const image *in, uint8_t *out,
                            ken_error *err) {
    geometry g = {0};
    TRY(plan(p, in, &g, err));
    bool last = p->layout == PREPROCESS_OPEN_CLIP && p->alpha == ALPHA_LAYOUT;
    return last ? rgb_last(p, k, in, &g, out, err) : rgb_first(p, k, in, &g, out, err);
}

ken_status preprocess_bytes(const preprocess *p, const kernels *k, const uint8_t *bytes,
                            size_t size, const image_limits *limits, uint8_t *out,
                            image_facts *facts, image_stage *stage, ken_error *err) {
    image img;
    TRY(image_decode(bytes, size, limits, &img, facts, stage, err));
    if (stage)
        *stage = IMAGE_STAGE_RESIZE;
    double since = sys_seconds();
    ken_status status = preprocess_image(p, k, &img, out, err);
    if (facts)
        facts->resize_seconds = sys_seconds() - since;
    image_free(&img);
    return status;
}
