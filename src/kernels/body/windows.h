/* kernels/body/windows.h: kernels that walk over a picture: windows of a convolution, pooling, and
 * pixels turned into floats. */
#ifndef KEN_KERNELS_BODY_WINDOWS_H
#define KEN_KERNELS_BODY_WINDOWS_H

#include "kernels/body/gemm.h"

/* One row of the window at (x0, y): `kernel` pixels of C channels, zeros outside of the picture. */
static float *window_row(const im2col_f32_args *w, ptrdiff_t x0, ptrdiff_t y, float *out) {
    size_t c = w->channels, n = w->kernel * c;
    if (y < 0 || y >= (ptrdiff_t)w->height) {
        memset(out, 0, n * sizeof(float));
        return out + n;
    }
    ptrdiff_t k = (ptrdiff_t)w->kernel, width = (ptrdiff_t)w->width;
    ptrdiff_t from = x0 < 0 ? -x0 : 0, to = width - x0 < k ? width - x0 : k;
    from = from < k ? from : k;
    to = to > from ? to : from;
    size_t before = (size_t)from * c, inside = (size_t)(to - from) * c;
    memset(out, 0, before * sizeof(float));
    if (inside)
        memcpy(out + before, w->x + (size_t)(y * width + x0 + from) * c, inside * sizeof(float));
    memset(out + before + inside, 0, (n - before - inside) * sizeof(float));
    return out + n;
}

static void im2col_f32(const im2col_f32_args *w) {
    size_t out_width = (w->width + 2 * w->padding - w->kernel) / w->stride + 1;
    float *out = w->out;
    for (size_t r = w->row_begin; r < w->row_end; r++) {
        ptrdiff_t y0 = (ptrdiff_t)(r / out_width * w->stride) - (ptrdiff_t)w->padding;
        ptrdiff_t x0 = (ptrdiff_t)(r % out_width * w->stride) - (ptrdiff_t)w->padding;
        for (size_t ky = 0; ky < w->kernel; ky++)
            out = window_row(w, x0, y0 + (ptrdiff_t)ky, out);
    }
}

/* The mean of a size x size window whose first pixel is x, all channels. */
static void pool_window(const avg_pool2d_f32_args *p, const float *x, vf scale, float *y) {
    size_t c = p->channels, row = p->width * c;
    for (size_t j = 0; j < c; j += VEC_LANES) {
        vf sum = vf_zero();
        for (size_t ky = 0; ky < p->size; ky++)
            for (size_t kx = 0; kx < p->size; kx++)
                sum = vf_add(sum, vf_load_some(x + ky * row + kx * c + j, c - j));
        vf_store_some(y + j, vf_mul(sum, scale), c - j);
    }
}

static void avg_pool2d_f32(const avg_pool2d_f32_args *p) {
    size_t c = p->channels, out_height = p->height / p->size, out_width = p->width / p->size;
    vf scale = vf_set1(1.0f / (float)(p->size * p->size));
    for (size_t oy = 0; oy < out_height; oy++)
        for (size_t ox = 0; ox < out_width; ox++)
            pool_window(p, p->x + (oy * p->width + ox) * p->size * c, scale,
                        p->y + (oy * out_width + ox) * c);
}

static void pixels_to_patches_f32(const pixels_args *p, size_t patch, float *patches) {
    size_t area = patch * patch, columns = p->width / patch;
    for (size_t r = 0; r < p->height / patch * columns; r++, patches += 3 * area) {
        size_t y0 = r / columns * patch, x0 = r % columns * patch;
        for (size_t y = 0; y < patch; y++) {
            const uint8_t *from = p->pixels + ((y0 + y) * p->width + x0) * 3;
            float *to = patches + y * patch;
            for (size_t x = 0; x < patch; x++, from += 3) {
                to[x] = p->table[0][from[0]];
                to[area + x] = p->table[1][from[1]];
                to[2 * area + x] = p->table[2][from[2]];
            }
        }
    }
}

/* Where a patch begins. */
static const uint8_t *pixels_of_patch(const pixels_args *p, size_t patch, size_t index) {
    size_t columns = p->width / patch;
    return p->pixels + (index / columns * patch * p->width + index % columns * patch) * 3;
}

static void pixels_to_patches_s16(const pixels_args *p, size_t patch, int zero, int16_t *rows) {
    size_t n = p->height / patch * (p->width / patch), line = 3 * patch;
    for (size_t r = 0; r < n; r++) {
        const uint8_t *from = pixels_of_patch(p, patch, r);
        int16_t *to = rows + r * s16_row(line * patch);
        for (size_t y = 0; y < patch; y++, from += 3 * p->width, to += line)
            for (size_t i = 0; i < line; i++)
                to[i] = (int16_t)(from[i] - zero);
        if (line * patch % 2)
            *to = 0;
    }
}

static void pixels_to_patches_u8(const pixels_args *p, size_t patch, uint8_t *rows) {
    size_t n = p->height / patch * (p->width / patch), line = 3 * patch;
    size_t used = line * patch, stored = u8_row(used);
    for (size_t r = 0; r < n; r++, rows += stored) {
        const uint8_t *from = pixels_of_patch(p, patch, r);
        for (size_t y = 0; y < patch; y++, from += 3 * p->width)
            memcpy(rows + y * line, from, line);
        memset(rows + used, 0, stored - used);
    }
}

static void pixels_to_nhwc_f32(const pixels_args *p, float *nhwc) {
    const uint8_t *from = p->pixels;
    for (size_t i = 0; i < p->height * p->width; i++, from += 3, nhwc += 3) {
        nhwc[0] = p->table[0][from[0]];
        nhwc[1] = p->table[1][from[1]];
        nhwc[2] = p->table[2][from[2]];
    }
}

#endif
