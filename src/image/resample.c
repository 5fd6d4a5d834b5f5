/* Pillow's resampling: coefficients in double, rounded to 22 fraction bits; two passes over
 * the part that is needed, with 8 bits between them. The passes themselves are kernels. */
#include "image/resample.h"

#include "base/checked.h"
#include "base/mem.h"
#include "image/convert.h"

#include <math.h>
#include <string.h>

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x = x * M_PI;
    return sin(x) / x * ((double)0.54F + (double)0.46F * cos(x)); /* floats in Pillow, too */
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0)
        return 1.0;
    x = x * M_PI;
    return sin(x) / x;
}

static double lanczos(double x) {
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

typedef struct kernel_shape {
    double (*weight)(double x);
    double support;
} kernel_shape;

static const kernel_shape shapes[] = {
    [RESIZE_BILINEAR] = {bilinear, 1.0}, [RESIZE_BICUBIC] = {bicubic, 2.0},
    [RESIZE_LANCZOS] = {lanczos, 3.0},   [RESIZE_BOX] = {box, 0.5},
    [RESIZE_HAMMING] = {hamming, 1.0},
};

/* Which inputs make the outputs [first, first + n) of a side, and with which weights. */
typedef struct tap_table {
    resize_tap *taps;
    int32_t *coefs;
    size_t taps_max;
} tap_table;

static void free_taps(tap_table *t) {
    mem_free(t->taps);
    mem_free(t->coefs);
}

static int32_t to_fixed(double weight) {
    double scaled = weight * (1 << RESIZE_PRECISION_BITS);
    return (int32_t)(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

static resize_tap make_tap(const kernel_shape *shape, int in_size, double scale, int i,
                           double *weights, int32_t *coefs) {
    double filter_scale = scale < 1.0 ? 1.0 : scale;
    double support = shape->support * filter_scale;
    double center = (i + 0.5) * scale;
    double inverse = 1.0 / filter_scale;
    int first = (int)(center - support + 0.5);
    first = first < 0 ? 0 : first;
    int end = (int)(center + support + 0.5);
    end = end > in_size ? in_size : end;
    int count = end - first;
    double sum = 0.0;
    for (int j = 0; j < count; j++) {
        weights[j] = shape->weight((j + first - center + 0.5) * inverse);
        sum += weights[j];
    }
    for (int j = 0; j < count; j++)
        coefs[j] = to_fixed(sum != 0.0 ? weights[j] / sum : weights[j]);
    return (resize_tap){first, count};
}

static ken_status make_taps(tap_table *t, resize_filter filter, int in_size, int out_size,
                            int first, int n, ken_error *err) {
    const kernel_shape *shape = &shapes[filter];
    double scale = (double)in_size / out_size;
    double support = shape->support * (scale < 1.0 ? 1.0 : scale);
    t->taps_max = (size_t)ceil(support) * 2 + 1;
    t->taps = mem_zalloc((size_t)n, sizeof *t->taps);
    size_t n_coefs = 0;
    t->coefs = checked_mul((size_t)n, t->taps_max, &n_coefs) ? mem_zalloc(n_coefs, sizeof *t->coefs)
                                                             : NULL;
    double *weights = mem_zalloc(t->taps_max, sizeof *weights);
    if (!t->taps || !t->coefs || !weights) {
        mem_free(weights);
        return error_no_memory(err, n_coefs * sizeof *t->coefs);
    }
    for (int i = 0; i < n; i++)
        t->taps[i] =
            make_tap(shape, in_size, scale, first + i, weights, t->coefs + (size_t)i * t->taps_max);
    mem_free(weights);
    return KEN_OK;
}

/* The inputs that outputs [0, n) read: where they begin, and how many. The taps are moved so that
 * they count from there. */
static int take_range(tap_table *t, int n, int *n_inputs) {
    int first = t->taps[0].first, end = first;
    for (int i = 0; i < n; i++) {
        const resize_tap *tap = &t->taps[i];
        first = tap->first < first ? tap->first : first;
        end = tap->first + tap->count > end ? tap->first + tap->count : end;
    }
    for (int i = 0; i < n; i++)
        t->taps[i].first -= first;
    *n_inputs = end - first;
    return first;
}

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

/* What a pass reads and writes; the sizes that are not here are those of the pass's own direction.
 */
typedef struct pass {
    const uint8_t *from;
    size_t from_stride;
    uint8_t *to;
    size_t to_stride;
    size_t channels;
} pass;

static void horizontal_pass(const kernels *k, const pass *p, int rows, const tap_table *t,
                            int n_out) {
    k->resize_columns_u8(&(resize_args){.src = p->from,
                                        .dst = p->to,
                                        .src_stride = p->from_stride,
                                        .dst_stride = p->to_stride,
                                        .rows = (size_t)rows,
                                        .n_out = (size_t)n_out,
                                        .channels = p->channels,
                                        .taps = t->taps,
                                        .coefs = t->coefs,
                                        .taps_max = t->taps_max});
}

static void vertical_pass(const kernels *k, const pass *p, int columns, const tap_table *t,
                          int n_out) {
    k->resize_rows_u8(&(resize_args){.src = p->from,
                                     .dst = p->to,
                                     .src_stride = p->from_stride,
                                     .dst_stride = p->to_stride,
                                     .width = (size_t)columns,
                                     .n_out = (size_t)n_out,
                                     .channels = p->channels,
                                     .taps = t->taps,
                                     .coefs = t->coefs,
                                     .taps_max = t->taps_max});
}

/* Pillow 13 begins with the columns when the height shrinks much more than the width. The passes
 * round to 8 bits, so the order shows. */
static bool vertical_first(const image *in, int width, int height) {
    return height < in->height && (int64_t)in->height - height > 2 * ((int64_t)in->width - width);
}

/* Both passes, over the part of the source that the window needs. */
static ken_status two_passes(const kernels *k, const image *in, tap_table *horizontal,
                             tap_table *vertical, bool columns_first, const target *t,
                             ken_error *err) {
    size_t channels = (size_t)in->channels;
    int n_rows, n_columns;
    int top = take_range(vertical, t->w.height, &n_rows);
    int left = take_range(horizontal, t->w.width, &n_columns);
    size_t stride = (size_t)(columns_first ? n_columns : t->w.width) * channels;
    size_t middle_rows = (size_t)(columns_first ? t->w.height : n_rows);
    uint8_t *middle = mem_zalloc(middle_rows, stride);
    if (!middle)
        return error_no_memory(err, middle_rows * stride);
    const uint8_t *from = in->pixels + (size_t)top * in->stride + (size_t)left * channels;
    pass first = {from, in->stride, middle, stride, channels};
    pass second = {middle, stride, t->to, t->stride, channels};
    if (columns_first) {
        vertical_pass(k, &first, n_columns, vertical, t->w.height);
        horizontal_pass(k, &second, t->w.height, horizontal, t->w.width);
    } else {
        horizontal_pass(k, &first, n_rows, horizontal, t->w.width);
        vertical_pass(k, &second, t->w.width, vertical, t->w.height);
    }
    mem_free(middle);
    return KEN_OK;
}

/* A side that keeps its size has no pass. */
static void one_pass(const kernels *k, const image *in, const tap_table *horizontal,
                     const tap_table *vertical, const target *t) {
    size_t channels = (size_t)in->channels;
    pass p = {in->pixels, in->stride, t->to, t->stride, channels};
    if (horizontal->taps) {
        p.from += (size_t)t->w.y * in->stride;
        horizontal_pass(k, &p, t->w.height, horizontal, t->w.width);
    } else {
        p.from += (size_t)t->w.x * channels;
        vertical_pass(k, &p, t->w.width, vertical, t->w.height);
    }
}

static ken_status convolve(const kernels *k, const image *in, resize_filter filter, int width,
                           int height, const target *t, ken_error *err) {
    tap_table horizontal = {0}, vertical = {0};
    bool across = width != in->width, down = height != in->height;
    ken_status status = KEN_OK;
    if (across)
        status = make_taps(&horizontal, filter, in->width, width, t->w.x, t->w.width, err);
    if (down && status == KEN_OK)
        status = make_taps(&vertical, filter, in->height, height, t->w.y, t->w.height, err);
    if (status == KEN_OK && across && down)
        status =
            two_passes(k, in, &horizontal, &vertical, vertical_first(in, width, height), t, err);
    else if (status == KEN_OK)
        one_pass(k, in, &horizontal, &vertical, t);
    free_taps(&horizontal);
    free_taps(&vertical);
    return status;
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
