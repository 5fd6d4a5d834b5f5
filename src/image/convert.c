/* Conversions between modes, with Pillow's integer arithmetic (Convert.c, AlphaComposite.c). */
#include "image/convert.h"

#include "base/checked.h"
#include "base/mem.h"
#include "image/decoder.h"

#include <string.h>

ken_status image_alloc(image *out, image_mode mode, int width, int height, ken_error *err) {
    int channels = image_mode_channels(mode);
    *out = (image){.width = width,
                   .height = height,
                   .channels = channels,
                   .mode = mode,
                   .stride = (size_t)width * (size_t)channels};
    size_t size;
    if (!checked_mul(out->stride, (size_t)height, &size))
        return error_set(err, KEN_TOO_LARGE, "picture of %dx%d is too large", width, height);
    out->pixels = mem_zalloc(size, 1);
    return out->pixels ? KEN_OK : error_no_memory(err, size);
}

/* x / 255, rounded, for x up to 255 * 255. */
static unsigned divide_255(unsigned x) {
    x += 128;
    return ((x >> 8) + x) >> 8;
}

static uint8_t subtract(unsigned a, unsigned b) {
    return (uint8_t)(a > b ? a - b : 0);
}

/* One pixel as RGBA. */
static void pixel_rgba(const image *in, const uint8_t *p, uint8_t to[4]) {
    to[3] = 255;
    switch (in->mode) {
    case IMAGE_LA:
        to[3] = p[1];
        to[0] = to[1] = to[2] = p[0];
        return;
    case IMAGE_L:
    case IMAGE_1:
        to[0] = to[1] = to[2] = p[0];
        if (in->has_key && p[0] == in->key[0])
            to[3] = 0;
        return;
    case IMAGE_P:
        memcpy(to, in->palette[p[0]], 4);
        return;
    case IMAGE_RGB:
        memcpy(to, p, 3);
        if (in->has_key && memcmp(p, in->key, 3) == 0)
            to[3] = 0;
        return;
    case IMAGE_RGBA:
        memcpy(to, p, 4);
        return;
    case IMAGE_CMYK: {
        unsigned white = 255U - p[3];
        for (int c = 0; c < 3; c++)
            to[c] = subtract(white, divide_255(p[c] * white));
        return;
    }
    }
}

void convert_to_rgb(const image *in, uint8_t *to) {
    size_t n_pixels = (size_t)in->width * (size_t)in->height;
    const uint8_t *p = in->pixels;
    if (in->mode == IMAGE_RGB) {
        memcpy(to, p, 3 * n_pixels);
        return;
    }
    size_t step = (size_t)in->channels;
    for (size_t i = 0; i < n_pixels; i++, p += step, to += 3) {
        uint8_t rgba[4] = {0};
        pixel_rgba(in, p, rgba);
        memcpy(to, rgba, 3);
    }
}

bool convert_has_alpha(const image *in) {
    return in->mode == IMAGE_LA || in->mode == IMAGE_RGBA || in->has_key ||
           (in->mode == IMAGE_P && in->palette_alpha);
}

void convert_composite(const image *in, const uint8_t background[3], uint8_t *to) {
    enum { EXTRA_BITS = 7 };
    size_t n_pixels = (size_t)in->width * (size_t)in->height, step = (size_t)in->channels;
    const uint8_t *p = in->pixels;
    for (size_t i = 0; i < n_pixels; i++, p += step, to += 3) {
        uint8_t rgba[4] = {0};
        pixel_rgba(in, p, rgba);
        uint32_t front = (uint32_t)rgba[3] << EXTRA_BITS;
        uint32_t back = (255U << EXTRA_BITS) - front;
        for (int c = 0; c < 3; c++) {
            uint32_t sum = rgba[c] * front + background[c] * back + (0x80U << EXTRA_BITS);
            to[c] = (uint8_t)((((sum >> 8) + sum) >> 8) >> EXTRA_BITS);
        }
    }
}

void convert_premultiply(const image *in, uint8_t *to) {
    size_t n_pixels = (size_t)in->width * (size_t)in->height;
    int n_colors = in->channels - 1;
    const uint8_t *p = in->pixels;
    for (size_t i = 0; i < n_pixels; i++, p += in->channels, to += in->channels) {
        unsigned alpha = p[n_colors];
        for (int c = 0; c < n_colors; c++)
            to[c] = (uint8_t)divide_255(p[c] * alpha);
        to[n_colors] = (uint8_t)alpha;
    }
}

void convert_unpremultiply(image *img) {
    size_t n_pixels = (size_t)img->width * (size_t)img->height;
    int n_colors = img->channels - 1;
    uint8_t *p = img->pixels;
    for (size_t i = 0; i < n_pixels; i++, p += img->channels) {
        unsigned alpha = p[n_colors];
        if (alpha == 0 || alpha == 255)
            continue;
        for (int c = 0; c < n_colors; c++) {
            unsigned value = 255U * p[c] / alpha;
            p[c] = (uint8_t)(value < 255 ? value : 255);
        }
    }
}
