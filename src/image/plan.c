/* Where the resized picture lies, and which part of it survives the crop. */
#include "image/plan.h"

#include <math.h>

/* How the resized picture lies under the result. */
typedef struct geometry {
    int64_t width, height; /* of the resized picture */
    int64_t left, top;     /* of the result, in it; negative: padding */
} geometry;

/* Short side to `size`, the long one truncated, as Python's int(size * long / short). */
static void shortest_edge(int64_t size, int width, int height, geometry *g) {
    bool portrait = width <= height;
    int64_t shorter = portrait ? width : height;
    int64_t longer = portrait ? height : width;
    int64_t scaled = (int64_t)((double)(size * longer) / (double)shorter);
    g->width = portrait ? size : scaled;
    g->height = portrait ? scaled : size;
}

/* OpenCLIP's ResizeKeepRatio: both sides over the larger (or smaller) ratio, half to even. */
static void keep_ratio(const int target[2], bool longest, int width, int height, geometry *g) {
    double ratio_height = (double)height / target[0];
    double ratio_width = (double)width / target[1];
    bool take_height = longest ? ratio_height > ratio_width : ratio_height < ratio_width;
    double ratio = take_height ? ratio_height : ratio_width;
    g->width = (int64_t)nearbyint(width / ratio);
    g->height = (int64_t)nearbyint(height / ratio);
}

static void resized_size(const preprocess *p, int width, int height, geometry *g) {
    switch (p->mode) {
    case RESIZE_SQUASH:
        g->height = p->resize_size[0];
        g->width = p->resize_size[1];
        return;
    case RESIZE_LONGEST:
        keep_ratio(p->crop_size, true, width, height, g);
        return;
    case RESIZE_NONE:
        g->width = width;
        g->height = height;
        return;
    case RESIZE_SHORTEST:
        if (p->layout == PREPROCESS_OPEN_CLIP && p->crop_size[0] != p->crop_size[1])
            keep_ratio(p->crop_size, false, width, height, g);
        else
            shortest_edge(p->resize_size[0], width, height, g);
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

static ken_status measure(const preprocess *p, int width, int height, geometry *g, ken_error *err) {
    resized_size(p, width, height, g);
    if (g->width < 1 || g->height < 1 || g->width > RESAMPLE_MAX_SIDE ||
        g->height > RESAMPLE_MAX_SIDE)
        return error_set(err, KEN_UNSUPPORTED,
                         "picture of %dx%d is too narrow: resized it would be %lldx%lld", width,
                         height, (long long)g->width, (long long)g->height);
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

int plan_padding(const preprocess *p) {
    return p->mode == RESIZE_LONGEST ? p->fill : 0;
}

ken_status plan_resize(const preprocess *p, int width, int height, resize_plan *out,
                       ken_error *err) {
    geometry g = {0};
    TRY(measure(p, width, height, &g, err));
    int64_t left = clamp(0, g.width, g.left), right = clamp(0, g.width, g.left + p->crop_size[1]);
    int64_t top = clamp(0, g.height, g.top), bottom = clamp(0, g.height, g.top + p->crop_size[0]);
    /* OpenCLIP's non-square shortest-edge resize is bicubic whatever the configuration says. */
    bool always_bicubic = p->layout == PREPROCESS_OPEN_CLIP && p->mode == RESIZE_SHORTEST &&
                          p->crop_size[0] != p->crop_size[1];
    *out = (resize_plan){
        .filter = always_bicubic ? RESIZE_BICUBIC : p->filter,
        .width = (int)g.width,
        .height = (int)g.height,
        .w = {(int)left, (int)top, (int)(right - left), (int)(bottom - top)},
        .left = (int)(left - g.left),
        .top = (int)(top - g.top),
    };
    return KEN_OK;
}
