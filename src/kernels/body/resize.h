/* kernels/body/resize.h: one pass of Pillow's 8-bit resampling, exactly: int32 sums of pixel times
 * 22-bit coefficient that start at one half, an arithmetic shift, a clip to 0 .. 255. Integer sums
 * may be taken in any order, so each tier may group the taps as its registers like. */
#ifndef KEN_KERNELS_BODY_RESIZE_H
#define KEN_KERNELS_BODY_RESIZE_H

#include "kernels/body/gemm.h"

enum { HALF = 1 << (RESIZE_PRECISION_BITS - 1), ROWS_AT_ONCE = 4 };

VEC uint8_t clip_u8(int32_t sum) {
    int32_t x = sum >> RESIZE_PRECISION_BITS;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

/* `vectors` vectors of bytes of one output row, along y. */
VEC void row_bytes(const resize_args *r, const uint8_t *src, const int32_t *coefs, int32_t n_taps,
                   size_t vectors, uint8_t *dst) {
    vi sum[4];
    UNROLL
    for (size_t v = 0; v < vectors; v++)
        sum[v] = vi_set1(HALF);
    for (int32_t t = 0; t < n_taps; t++, src += r->src_stride) {
        vi c = vi_set1(coefs[t]);
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sum[v] = vi_add(sum[v], vi_mul(vi_load_u8(src + v * VEC_LANES), c));
    }
    UNROLL
    for (size_t v = 0; v < vectors; v++)
        vi_store_u8(dst + v * VEC_LANES, vi_shift_right(sum[v], RESIZE_PRECISION_BITS));
}

static void resize_rows_u8(const resize_args *r) {
    size_t n = r->width * r->channels;
    for (size_t i = 0; i < r->n_out; i++) {
        const resize_tap *tap = &r->taps[i];
        const int32_t *coefs = r->coefs + i * r->taps_max;
        const uint8_t *src = r->src + (size_t)tap->first * r->src_stride;
        uint8_t *dst = r->dst + i * r->dst_stride;
        size_t x = 0;
        for (; x + 4 * VEC_LANES <= n; x += 4 * VEC_LANES)
            row_bytes(r, src + x, coefs, tap->count, 4, dst + x);
        for (; x + VEC_LANES <= n; x += VEC_LANES)
            row_bytes(r, src + x, coefs, tap->count, 1, dst + x);
        for (; x < n; x++) {
            int32_t sum = HALF;
            for (int32_t t = 0; t < tap->count; t++)
                sum += src[(size_t)t * r->src_stride + x] * coefs[t];
            dst[x] = clip_u8(sum);
        }
    }
}

/* How many taps of one output pixel a vector holds, and how many bytes loading them may read. */
VEC size_t taps_in_vector(size_t channels) {
    return channels == 1 ? VEC_LANES : channels == 2 ? VEC_LANES / 2 : VEC_LANES / 4;
}
VEC size_t bytes_in_vector(size_t channels) {
    return channels == 3 ? VEC_RGB_BYTES : VEC_LANES;
}
VEC vi load_taps(size_t channels, const uint8_t *p) {
    return channels == 3 ? vi_load_rgb(p) : vi_load_u8(p);
}
VEC vi spread(size_t channels, const int32_t *coefs) {
    return channels == 1 ? vi_load(coefs) : channels == 2 ? vi_spread2(coefs) : vi_spread4(coefs);
}

/* The first n coefficients, zeros in the place of the others. */
VEC vi spread_first(size_t channels, const int32_t *coefs, size_t n) {
    int32_t first[VEC_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        first[i] = coefs[i];
    return spread(channels, first);
}

/* Adds up the lanes of each channel and writes one pixel. */
VEC void store_pixel(size_t channels, vi sum, uint8_t *dst) {
    if (channels >= 3) {
        uint32_t pixel = vi_pixel(sum, RESIZE_PRECISION_BITS);
        memcpy(dst, &pixel, channels);
        return;
    }
    int32_t lanes[VEC_LANES];
    vi_store(lanes, sum);
    for (size_t c = 0; c < channels; c++) {
        int32_t total = 0;
        for (size_t i = c; i < VEC_LANES; i += channels)
            total += lanes[i];
        dst[c] = clip_u8(total);
    }
}

/* One half of the last place kept, once for each channel. */
VEC vi first_sum(size_t channels) {
    int32_t lanes[VEC_LANES] = {0};
    for (size_t i = 0; i < 4 && i < channels; i++)
        lanes[i] = HALF;
    return vi_load(lanes);
}

/* Output pixel i of `rows` rows. Of every source row, `readable` bytes may be read: loads may go
 * past the taps, where coefficients are zero, but not past those. */
VEC void column_pixels(const resize_args *r, size_t channels, size_t rows, size_t i,
                       size_t readable, const uint8_t *src, uint8_t *dst) {
    const resize_tap *tap = &r->taps[i];
    const int32_t *coefs = r->coefs + i * r->taps_max;
    size_t count = (size_t)tap->count, step = taps_in_vector(channels);
    size_t x = (size_t)tap->first * channels;
    vi sum[ROWS_AT_ONCE];
    UNROLL
    for (size_t y = 0; y < rows; y++)
        sum[y] = first_sum(channels);
    for (size_t t = 0; t < count; t += step, x += step * channels) {
        size_t n = min_size(step, count - t);
        vi c = n == step ? spread(channels, coefs + t) : spread_first(channels, coefs + t, n);
        bool whole = x + bytes_in_vector(channels) <= readable;
        UNROLL
        for (size_t y = 0; y < rows; y++) {
            const uint8_t *from = src + y * r->src_stride + x;
            uint8_t last[VEC_LANES] = {0};
            if (!whole)
                from = memcpy(last, from, n * channels);
            sum[y] = vi_add(sum[y], vi_mul(load_taps(channels, from), c));
        }
    }
    UNROLL
    for (size_t y = 0; y < rows; y++)
        store_pixel(channels, sum[y], dst + y * r->dst_stride + i * channels);
}

VEC void columns(const resize_args *r, size_t channels) {
    size_t readable = 0, y = 0;
    for (size_t i = 0; i < r->n_out; i++)
        readable = max_size(readable, (size_t)(r->taps[i].first + r->taps[i].count) * channels);
    for (; y + ROWS_AT_ONCE <= r->rows; y += ROWS_AT_ONCE)
        for (size_t i = 0; i < r->n_out; i++)
            column_pixels(r, channels, ROWS_AT_ONCE, i, readable, r->src + y * r->src_stride,
                          r->dst + y * r->dst_stride);
    for (; y < r->rows; y++)
        for (size_t i = 0; i < r->n_out; i++)
            column_pixels(r, channels, 1, i, readable, r->src + y * r->src_stride,
                          r->dst + y * r->dst_stride);
}

static void resize_columns_u8(const resize_args *r) {
    switch (r->channels) {
    case 1:
        columns(r, 1);
        break;
    case 2:
        columns(r, 2);
        break;
    case 3:
        columns(r, 3);
        break;
    default:
        columns(r, 4);
        break;
    }
}

#endif
