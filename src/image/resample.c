/* Pillow's resampling of whole pictures: two passes over the part that is needed, with 8 bits
 * between them. The passes themselves are kernels. */
#include "image/resample.h"

#include "base/mem.h"
#include "image/convert.h"
#include "image/row_resizer.h"

#include <string.h>

typedef struct target {
    window w;
    uint8_t *to;
    size_t stride;
} target;

static void copy_window(const image *in, const target *t) {
    size_t channels = (size_t)in->channels;
    for (int y = 0; y < t->w.height; y++)
        memcpy(t->to + (size_t)y * t->stride,
               in->pixels + (size_t)(t->w.y + y) * in->stride + (size_t)t->w.x * channels,
               (size_t)t->w.width * channels);
}

bool resample_y_first(int width, int height, int to_width, int to_height) {
    return to_height < height && (int64_t)height - to_height > 2 * ((int64_t)width - to_width);
}

static ken_status two_passes(const kernels *k, const image *in, const resize_spec *spec,
                             const target *t, ken_error *err) {
    row_resizer r;
    ken_status status = row_resizer_init(&r, k, spec, t->to, t->stride, err);
    if (status == KEN_OK) {
        window s = row_resizer_source(&r);
        const uint8_t *from =
            in->pixels + (size_t)s.y * in->stride + (size_t)s.x * (size_t)in->channels;
        row_resizer_feed(&r, from, in->stride, s.height);
    }
    row_resizer_free(&r);
    return status;
}

/* The other side keeps its size, so that it has no pass. */
static ken_status one_pass(const kernels *k, const image *in, const resize_spec *spec,
                           const target *t, ken_error *err) {
    bool along_x = spec->x.in_size != spec->x.out_size;
    tap_table taps;
    ken_status status = taps_make(&taps, spec->filter, along_x ? &spec->x : &spec->y, err);
    if (status == KEN_OK) {
        int x = along_x ? taps.inputs_begin : t->w.x, y = along_x ? t->w.y : taps.inputs_begin;
        const resize_args args = {.src = in->pixels + (size_t)y * in->stride +
                                         (size_t)x * (size_t)in->channels,
                                  .dst = t->to,
                                  .src_stride = in->stride,
                                  .dst_stride = t->stride,
                                  .rows = (size_t)t->w.height,
                                  .width = (size_t)t->w.width,
                                  .n_out = (size_t)taps.n,
                                  .channels = (size_t)in->channels,
                                  .taps = taps.taps,
                                  .coefs = taps.coefs,
                                  .taps_max = taps.taps_max};
        if (along_x)
            k->resize_columns_u8(&args);
        else
            k->resize_rows_u8(&args);
    }
    taps_free(&taps);
    return status;
}

static ken_status convolve(const kernels *k, const image *in, resize_filter filter, int width,
                           int height, const target *t, ken_error *err) {
    const resize_spec spec = {
        .filter = filter,
        .channels = (size_t)in->channels,
        .x = {in->width, width, t->w.x, t->w.width, false},
        .y = {in->height, height, t->w.y, t->w.height, false},
        .y_first = resample_y_first(in->width, in->height, width, height),
    };
    bool both = width != in->width && height != in->height;
    return (both ? two_passes : one_pass)(k, in, &spec, t, err);
}

/* Pillow adds the step up, pixel by pixel, and the sum's rounding is part of the result. */
static void nearest_positions(int in_size, int out_size, int first, int n, int *positions) {
    double step = (double)in_size / out_size;
    double at = step * 0.5;
    for (int i = 0; i < first + n; i++, at += step)
        if (i >= first)
            positions[i - first] = (int)at < in_size ? (int)at : in_size - 1;
}

static ken_status nearest(const image *in, int width, int height, const target *t, ken_error *err) {
    size_t n = (size_t)t->w.width + (size_t)t->w.height;
    int *columns = mem_zalloc(n, sizeof *columns);
    if (!columns)
        return error_no_memory(err, n * sizeof *columns);
    int *rows = columns + t->w.width;
    nearest_positions(in->width, width, t->w.x, t->w.width, columns);
    nearest_positions(in->height, height, t->w.y, t->w.height, rows);
    size_t channels = (size_t)in->channels;
    for (int y = 0; y < t->w.height; y++) {
        const uint8_t *from = in->pixels + (size_t)rows[y] * in->stride;
        uint8_t *to = t->to + (size_t)y * t->stride;
        for (int x = 0; x < t->w.width; x++, to += channels)
            memcpy(to, from + (size_t)columns[x] * channels, channels);
    }
    mem_free(columns);
    return KEN_OK;
}

static ken_status convolve_premultiplied(const kernels *k, const image *in, resize_filter filter,
                                         int width, int height, const target *t, ken_error *err) {
    image multiplied, result = {0};
    ken_status status = image_alloc(&multiplied, in->mode, in->width, in->height, err);
    if (status == KEN_OK)
        status = image_alloc(&result, in->mode, t->w.width, t->w.height, err);
    if (status == KEN_OK) {
        convert_premultiply(in, multiplied.pixels);
        target inner = {t->w, result.pixels, result.stride};
        status = convolve(k, &multiplied, filter, width, height, &inner, err);
    }
    if (status == KEN_OK) {
        convert_unpremultiply(&result);
        target whole = {{0, 0, result.width, result.height}, t->to, t->stride};
        copy_window(&result, &whole);
    }
    image_free(&multiplied);
    image_free(&result);
    return status;
}

ken_status resample(const kernels *k, const image *in, resize_filter filter, int width, int height,
                    window w, uint8_t *to, size_t to_stride, ken_error *err) {
    target t = {w, to, to_stride};
    if (width == in->width && height == in->height) {
        copy_window(in, &t);
        return KEN_OK;
    }
    if (filter == RESIZE_NEAREST || in->mode == IMAGE_P || in->mode == IMAGE_1)
        return nearest(in, width, height, &t, err);
    if (in->mode == IMAGE_RGBA || in->mode == IMAGE_LA)
        return convolve_premultiplied(k, in, filter, width, height, &t, err);
    return convolve(k, in, filter, width, height, &t, err);
}
