/* tests/kernels/check_windows.c: windows of a convolution, pooling, pixels to floats. */
#include "checks.h"

static float pixel_or_zero(const im2col_f32_args *w, ptrdiff_t y, ptrdiff_t x, size_t c) {
    bool inside = y >= 0 && x >= 0 && y < (ptrdiff_t)w->height && x < (ptrdiff_t)w->width;
    return inside ? w->x[((size_t)y * w->width + (size_t)x) * w->channels + c] : 0.0f;
}

static void check_windows(const kernels *k, guard_side side, im2col_f32_args w) {
    size_t out_width = (w.width + 2 * w.padding - w.kernel) / w.stride + 1;
    size_t out_height = (w.height + 2 * w.padding - w.kernel) / w.stride + 1;
    size_t n = w.kernel * w.kernel * w.channels;
    w.x = random_floats(side, w.height * w.width * w.channels, 1);
    w.row_begin = out_width / 2;
    w.row_end = out_width * out_height;
    w.out = guard_floats(side, (w.row_end - w.row_begin) * n);
    memset(w.out, 0xff, (w.row_end - w.row_begin) * n * sizeof(float));
    k->im2col_f32(&w);
    const float *found = w.out;
    for (size_t r = w.row_begin; r < w.row_end; r++)
        for (size_t i = 0; i < n; i++, found++) {
            ptrdiff_t y = (ptrdiff_t)(r / out_width * w.stride + i / w.channels / w.kernel);
            ptrdiff_t x = (ptrdiff_t)(r % out_width * w.stride + i / w.channels % w.kernel);
            ptrdiff_t padding = (ptrdiff_t)w.padding;
            assert_true(*found == pixel_or_zero(&w, y - padding, x - padding, i % w.channels));
        }
    guard_free_all();
}

void check_im2col_f32(const kernels *k) {
    for (size_t size = 1; size <= 12; size++)
        for (size_t kernel = 1; kernel <= 7; kernel++)
            for (size_t padding = 0; padding <= 3; padding++) {
                if (size + 2 * padding < kernel)
                    continue;
                check_windows(k, size % 2 ? GUARD_AFTER : GUARD_BEFORE,
                              (im2col_f32_args){.height = size,
                                                .width = size + 2,
                                                .channels = kernel % 2 ? 3 : 5,
                                                .kernel = kernel,
                                                .stride = size % 3 + 1,
                                                .padding = padding});
            }
}

void check_avg_pool2d_f32(const kernels *k) {
    for (size_t c = 1; c <= 70; c++) {
        size_t size = c % 3 + 1, height = c % 7 + size, width = c % 5 + size;
        guard_side side = c % 2 ? GUARD_AFTER : GUARD_BEFORE;
        avg_pool2d_f32_args p = {.height = height, .width = width, .channels = c, .size = size};
        p.x = random_floats(side, height * width * c, 1);
        size_t out_width = width / size, n = height / size * out_width * c;
        p.y = guard_floats(side, n);
        k->avg_pool2d_f32(&p);
        for (size_t i = 0; i < n; i++) {
            size_t y = i / c / out_width * size, x = i / c % out_width * size;
            double sum = 0;
            for (size_t j = 0; j < size * size; j++)
                sum += p.x[((y + j / size) * width + x + j % size) * c + i % c];
            CHECK_NEAR(p.y[i], sum / (double)(size * size), 1e-6, "channels %zu at %zu: ", c, i);
        }
        guard_free_all();
    }
}

static float table[3][256];

static pixels_args random_pixels(guard_side side, size_t height, size_t width) {
    uint8_t *pixels = guard_new(side, height * width * 3);
    for (size_t i = 0; i < height * width * 3; i++)
        pixels[i] = (uint8_t)random_bits();
    for (size_t i = 0; i < 3 * 256; i++)
        table[i / 256][i % 256] = random_float();
    return (pixels_args){
        .pixels = pixels, .height = height, .width = width, .table = (const float(*)[256])table};
}

void check_pixels_to_patches_f32(const kernels *k) {
    for (size_t width = 0; width <= 40; width++) {
        guard_side side = width % 2 ? GUARD_AFTER : GUARD_BEFORE;
        size_t patch = width % 6 + 1, height = width % 9 + patch, area = patch * patch;
        pixels_args p = random_pixels(side, height, width);
        size_t columns = width / patch, n = height / patch * columns * 3 * area;
        float *patches = guard_floats(side, n);
        k->pixels_to_patches_f32(&p, patch, patches);
        for (size_t i = 0; i < n; i++) {
            size_t row = i / (3 * area), c = i / area % 3;
            size_t y = row / columns * patch + i % area / patch;
            size_t x = row % columns * patch + i % patch;
            assert_true(patches[i] == table[c][p.pixels[(y * width + x) * 3 + c]]);
        }
        guard_free_all();
    }
}

/* Where number i of a row in (y, x, channel) order comes from. */
static uint8_t pixel_of(const pixels_args *p, size_t patch, size_t row, size_t i) {
    size_t columns = p->width / patch;
    size_t y = row / columns * patch + i / (3 * patch), x = row % columns * patch + i / 3 % patch;
    return p->pixels[(y * p->width + x) * 3 + i % 3];
}

void check_pixels_to_patches_s16(const kernels *k) {
    for (size_t width = 0; width <= 120; width++) {
        guard_side side = width % 2 ? GUARD_AFTER : GUARD_BEFORE;
        size_t patch = width % 17 + 1, height = width % 9 + patch, used = 3 * patch * patch;
        pixels_args p = random_pixels(side, height, width);
        size_t n = height / patch * (width / patch), stored = s16_row(used);
        int16_t *rows = guard_new(side, n * stored * sizeof *rows);
        memset(rows, 0x55, n * stored * sizeof *rows);
        k->pixels_to_patches_s16(&p, patch, 117, rows);
        for (size_t i = 0; i < n * stored; i++) {
            size_t row = i / stored, j = i % stored;
            assert_int_equal(rows[i], j < used ? pixel_of(&p, patch, row, j) - 117 : 0);
        }
        guard_free_all();
    }
}

void check_pixels_to_patches_u8(const kernels *k) {
    for (size_t width = 0; width <= 120; width++) {
        guard_side side = width % 2 ? GUARD_AFTER : GUARD_BEFORE;
        size_t patch = width % 17 + 1, height = width % 9 + patch, used = 3 * patch * patch;
        pixels_args p = random_pixels(side, height, width);
        size_t n = height / patch * (width / patch), stored = u8_row(used);
        uint8_t *rows = guard_new(side, n * stored);
        memset(rows, 0x55, n * stored);
        k->pixels_to_patches_u8(&p, patch, rows);
        for (size_t i = 0; i < n * stored; i++) {
            size_t row = i / stored, j = i % stored;
            assert_int_equal(rows[i], j < used ? pixel_of(&p, patch, row, j) : 0);
        }
        guard_free_all();
    }
}

void check_pixels_to_nhwc_f32(const kernels *k) {
    for (size_t width = 0; width <= 200; width++) {
        guard_side side = width % 2 ? GUARD_AFTER : GUARD_BEFORE;
        pixels_args p = random_pixels(side, 2, width);
        float *nhwc = guard_floats(side, 2 * width * 3);
        k->pixels_to_nhwc_f32(&p, nhwc);
        for (size_t i = 0; i < 2 * width * 3; i++)
            assert_true(nhwc[i] == table[i % 3][p.pixels[i]]);
        guard_free_all();
    }
}
