/* tests/kernels/check_resize.c: both passes of the 8-bit resampling against plain integer sums;
 * every tier must give exactly these bytes. */
#include "checks.h"

enum { MAX_OUT = 256, TAPS_MAX = 48 };

static resize_tap taps[MAX_OUT];
static int32_t coefs[MAX_OUT * TAPS_MAX];

/* Windows of a resampling from `size` to `n_out`, with random weights that sum to about one and are
 * negative at the ends, as bicubic ones are; `wild` ones overshoot on both sides. */
static void make_taps(size_t size, size_t n_out, size_t taps_max, bool wild) {
    for (size_t i = 0; i < n_out; i++) {
        size_t count = 1 + random_bits() % taps_max;
        count = count < size ? count : size;
        size_t centre = i * size / n_out;
        size_t first = centre > count / 2 ? centre - count / 2 : 0;
        first = first + count > size ? size - count : first;
        taps[i] = (resize_tap){.first = (int32_t)first, .count = (int32_t)count};
        for (size_t j = 0; j < taps_max; j++) {
            double weight = 1.3 / (double)count * (0.9 + 0.2 * (double)random_float());
            weight = j == 0 || j + 1 == count ? -0.15 * weight : weight;
            weight = wild ? 1.9 / (double)count * (double)random_float() : weight;
            coefs[i * taps_max + j] = (int32_t)lrint(weight * (1 << RESIZE_PRECISION_BITS));
        }
    }
}

static uint8_t *random_bytes(guard_side side, size_t n, bool wild) {
    uint8_t *x = guard_new(side, n);
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(wild ? random_bits() % 2 * 255 : random_bits());
    return x;
}

static uint8_t weighted(const uint8_t *src, size_t step, size_t i, size_t taps_max) {
    int64_t sum = 1 << (RESIZE_PRECISION_BITS - 1);
    for (int32_t t = 0; t < taps[i].count; t++)
        sum += (int64_t)coefs[i * taps_max + (size_t)t] * src[(size_t)t * step];
    assert_true(sum >= INT32_MIN && sum <= INT32_MAX); /* the contract of the kernels */
    sum >>= RESIZE_PRECISION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void columns_of(const kernels *k, guard_side side, size_t channels, size_t width,
                       size_t n_out, size_t rows) {
    bool wild = width % 5 == 0;
    size_t taps_max = wild ? 1 + width % 3 : 1 + (width * 7 + n_out) % TAPS_MAX;
    make_taps(width, n_out, taps_max, wild);
    resize_args r = {.rows = rows,
                     .n_out = n_out,
                     .channels = channels,
                     .taps = taps,
                     .coefs = coefs,
                     .taps_max = taps_max};
    r.src_stride = width * channels + width % 3;
    r.dst_stride = n_out * channels + width % 2;
    r.src = random_bytes(side, (rows - 1) * r.src_stride + width * channels, wild);
    size_t dst_bytes = (rows - 1) * r.dst_stride + n_out * channels;
    r.dst = guard_new(side, dst_bytes);
    memset(r.dst, 77, dst_bytes);
    k->resize_columns_u8(&r);
    for (size_t y = 0; y < rows; y++) {
        for (size_t i = 0; i < n_out * channels; i++) {
            size_t x = i / channels, c = i % channels;
            const uint8_t *src = r.src + y * r.src_stride + (size_t)taps[x].first * channels + c;
            assert_int_equal(r.dst[y * r.dst_stride + i], weighted(src, channels, x, taps_max));
        }
        for (size_t i = n_out * channels; y + 1 < rows && i < r.dst_stride; i++)
            assert_int_equal(r.dst[y * r.dst_stride + i], 77);
    }
    guard_free_all();
}

void check_resize_columns_u8(const kernels *k) {
    for (size_t channels = 1; channels <= 4; channels++)
        for (size_t width = 1; width <= 200; width++)
            columns_of(k, width % 2 ? GUARD_AFTER : GUARD_BEFORE, channels, width,
                       1 + width * 3 % 50, 1 + width % 9);
}

static void rows_of(const kernels *k, guard_side side, size_t channels, size_t width, size_t height,
                    size_t n_out) {
    bool wild = width % 5 == 0;
    size_t taps_max = wild ? 2 : 1 + (width * 7 + n_out) % TAPS_MAX, bytes = width * channels;
    make_taps(height, n_out, taps_max, wild);
    resize_args r = {.width = width,
                     .n_out = n_out,
                     .channels = channels,
                     .taps = taps,
                     .coefs = coefs,
                     .taps_max = taps_max};
    r.src_stride = bytes + width % 3;
    r.dst_stride = bytes + width % 2;
    r.src = random_bytes(side, (height - 1) * r.src_stride + bytes, wild);
    size_t dst_bytes = (n_out - 1) * r.dst_stride + bytes;
    r.dst = guard_new(side, dst_bytes);
    memset(r.dst, 77, dst_bytes);
    k->resize_rows_u8(&r);
    for (size_t i = 0; i < n_out; i++) {
        for (size_t x = 0; x < bytes; x++) {
            const uint8_t *src = r.src + (size_t)taps[i].first * r.src_stride + x;
            assert_int_equal(r.dst[i * r.dst_stride + x], weighted(src, r.src_stride, i, taps_max));
        }
        for (size_t x = bytes; i + 1 < n_out && x < r.dst_stride; x++)
            assert_int_equal(r.dst[i * r.dst_stride + x], 77);
    }
    guard_free_all();
}

void check_resize_rows_u8(const kernels *k) {
    for (size_t channels = 1; channels <= 4; channels++)
        for (size_t width = 1; width <= 200; width++)
            rows_of(k, width % 2 ? GUARD_AFTER : GUARD_BEFORE, channels, width, 1 + width % 40,
                    1 + width % 7);
}
