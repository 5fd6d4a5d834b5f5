/* kernels/body/resize.h: one pass of Pillow's 8-bit resampling, exactly: int32 sums of pixel times
 * 22-bit coefficient that start at one half, an arithmetic shift, a clip to 0 .. 255. Integer sums
 * may be taken in any order, so each tier may group the taps as its registers like. */
#ifndef KEN_KERNELS_BODY_RESIZE_H
#define KEN_KERNELS_BODY_RESIZE_H

#include "kernels/body/gemm.h"

enum { HALF = 1 << (RESIZE_PRECISION_BITS - 1) };

VEC uint8_t clip_u8(int32_t sum) {
    int32_t x = sum >> RESIZE_PRECISION_BITS;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

#ifdef TAP_COLUMNS
VEC void output_row(const resize_args *r, const uint8_t *src, const int32_t *coefs, int32_t n_taps,
                    uint8_t *dst) {
    size_t n = r->width * r->channels, x = 0;
    for (; x + TAP_COLUMNS <= n; x += TAP_COLUMNS)
        tap_rows(src + x, r->src_stride, coefs, (size_t)n_taps, TAP_COLUMNS, HALF,
                 RESIZE_PRECISION_BITS, dst + x);
    if (x < n)
        tap_rows(src + x, r->src_stride, coefs, (size_t)n_taps, n - x, HALF, RESIZE_PRECISION_BITS,
                 dst + x);
}
#else
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

VEC void output_row(const resize_args *r, const uint8_t *src, const int32_t *coefs, int32_t n_taps,
                    uint8_t *dst) {
    size_t n = r->width * r->channels, x = 0;
    for (; x + 4 * VEC_LANES <= n; x += 4 * VEC_LANES)
        row_bytes(r, src + x, coefs, n_taps, 4, dst + x);
    for (; x + VEC_LANES <= n; x += VEC_LANES)
        row_bytes(r, src + x, coefs, n_taps, 1, dst + x);
    for (; x < n; x++) {
        int32_t sum = HALF;
        for (int32_t t = 0; t < n_taps; t++)
            sum += src[(size_t)t * r->src_stride + x] * coefs[t];
        dst[x] = clip_u8(sum);
    }
}
#endif

static void resize_rows_u8(const resize_args *r) {
    for (size_t i = 0; i < r->n_out; i++) {
        const resize_tap *tap = &r->taps[i];
        output_row(r, r->src + (size_t)tap->first * r->src_stride, r->coefs + i * r->taps_max,
                   tap->count, r->dst + i * r->dst_stride);
    }
}

/* Where one output pixel's taps are: `x` bytes from the start of a source row. Of every row
 * `readable` bytes may be read: loads may go past the taps, where coefficients are zero, but not
 * past those. */
typedef struct pixel_taps {
    const int32_t *coefs;
    size_t count, x, readable;
} pixel_taps;

enum { STEP_MAX = 16, ROWS_AT_ONCE = 4 }; /* taps and bytes of one narrow step; its rows */

/* How many whole steps can be loaded where they lie. */
VEC size_t plain_steps(const pixel_taps *p, size_t channels, size_t step, size_t bytes) {
    if (p->x + bytes > p->readable)
        return 0;
    return min_size(p->count / step, (p->readable - p->x - bytes) / (step * channels) + 1);
}

/* The first n coefficients, and zeros. */
VEC void copy_coefs(int32_t out[STEP_MAX], const int32_t *coefs, size_t n) {
    for (size_t i = 0; i < STEP_MAX; i++)
        out[i] = i < n ? coefs[i] : 0;
}

/* `bytes` bytes of each row, and zeros: rows of STEP_MAX. */
VEC void copy_rows(uint8_t *out, const uint8_t *src, size_t stride, size_t rows, size_t bytes) {
    memset(out, 0, rows * STEP_MAX);
    for (size_t y = 0; y < rows; y++)
        memcpy(out + y * STEP_MAX, src + y * stride, bytes);
}

/* n of TAP_STEP taps of 3 or 4 channels in `rows` rows. */
VEC void wide_step(size_t channels, size_t rows, const int32_t *coefs, size_t n, const uint8_t *src,
                   size_t stride, size_t readable, tap_sums *sums) {
    tap_coefs c = tap_load(coefs, n);
    UNROLL
    for (size_t y = 0; y < rows; y++)
        sums[y] = tap_add(sums[y], c, channels, src + y * stride, n, readable);
}

/* One output pixel of 3 or 4 channels in `rows` rows; of each `writable` bytes may be written. */
VEC void wide_pixels(const resize_args *r, size_t channels, size_t rows, const pixel_taps *p,
                     const uint8_t *src, size_t writable, uint8_t *dst) {
    tap_sums sums[TAP_ROWS];
    uint32_t pixels[TAP_ROWS];
    size_t readable = p->readable - p->x, t = 0;
    src += p->x;
    UNROLL
    for (size_t y = 0; y < rows; y++)
        sums[y] = tap_zero();
    /* Whole steps that may read where they like are apart where that makes them cheaper. */
    for (; TAP_READS > 0 && t + TAP_STEP <= p->count && t * channels + TAP_READS <= readable;
         t += TAP_STEP)
        wide_step(channels, rows, p->coefs + t, TAP_STEP, src + t * channels, r->src_stride,
                  TAP_READS, sums);
    for (; t < p->count; t += TAP_STEP)
        wide_step(channels, rows, p->coefs + t, min_size(TAP_STEP, p->count - t),
                  src + t * channels, r->src_stride, readable - t * channels, sums);
    tap_pixels(sums, rows, HALF, RESIZE_PRECISION_BITS, pixels);
    UNROLL
    for (size_t y = 0; y < rows; y++) {
        if (writable >= sizeof *pixels)
            memcpy(dst + y * r->dst_stride, &pixels[y], sizeof *pixels);
        else
            memcpy(dst + y * r->dst_stride, &pixels[y], channels);
    }
}

/* VEC_LANES / channels taps of 1 or 2 channels in `rows` rows. */
VEC void narrow_step(size_t channels, size_t rows, const int32_t *coefs, const uint8_t *src,
                     size_t stride, vi *sums) {
    vi c = channels == 1 ? vi_load(coefs) : vi_spread2(coefs);
    UNROLL
    for (size_t y = 0; y < rows; y++)
        sums[y] = vi_add(sums[y], vi_mul(vi_load_u8(src + y * stride), c));
}

VEC void store_narrow(size_t channels, vi sum, uint8_t *dst) {
    int32_t lanes[VEC_LANES];
    vi_store(lanes, sum);
    for (size_t c = 0; c < channels; c++) {
        int32_t total = HALF;
        for (size_t i = c; i < VEC_LANES; i += channels)
            total += lanes[i];
        dst[c] = clip_u8(total);
    }
}

/* One output pixel of 1 or 2 channels in `rows` rows. */
VEC void narrow_pixels(const resize_args *r, size_t channels, size_t rows, const pixel_taps *p,
                       const uint8_t *src, uint8_t *dst) {
    const size_t step = VEC_LANES / channels;
    size_t n_plain = plain_steps(p, channels, step, VEC_LANES), t = 0;
    vi sums[ROWS_AT_ONCE];
    src += p->x;
    UNROLL
    for (size_t y = 0; y < rows; y++)
        sums[y] = vi_set1(0);
    for (; t < n_plain * step; t += step, src += VEC_LANES)
        narrow_step(channels, rows, p->coefs + t, src, r->src_stride, sums);
    for (; t < p->count; t += step, src += VEC_LANES) {
        int32_t coefs[STEP_MAX];
        uint8_t copy[ROWS_AT_ONCE * STEP_MAX];
        size_t n = min_size(step, p->count - t);
        copy_coefs(coefs, p->coefs + t, n);
        copy_rows(copy, src, r->src_stride, rows, n * channels);
        narrow_step(channels, rows, coefs, copy, STEP_MAX, sums);
    }
    for (size_t y = 0; y < rows; y++)
        store_narrow(channels, sums[y], dst + y * r->dst_stride);
}

/* Rows y .. y + rows of the result. */
VEC void column_rows(const resize_args *r, size_t channels, size_t rows, size_t readable,
                     size_t y) {
    const uint8_t *src = r->src + y * r->src_stride;
    uint8_t *dst = r->dst + y * r->dst_stride;
    for (size_t i = 0; i < r->n_out; i++, dst += channels) {
        pixel_taps p = {r->coefs + i * r->taps_max, (size_t)r->taps[i].count,
                        (size_t)r->taps[i].first * channels, readable};
        if (channels >= 3)
            wide_pixels(r, channels, rows, &p, src, (r->n_out - i) * channels, dst);
        else
            narrow_pixels(r, channels, rows, &p, src, dst);
    }
}

VEC void columns(const resize_args *r, size_t channels) {
    const size_t at_once = channels >= 3 ? TAP_ROWS : ROWS_AT_ONCE;
    size_t readable = 0, y = 0;
    for (size_t i = 0; i < r->n_out; i++)
        readable = max_size(readable, (size_t)(r->taps[i].first + r->taps[i].count) * channels);
    for (; y + at_once <= r->rows; y += at_once)
        column_rows(r, channels, at_once, readable, y);
    for (; y < r->rows; y++)
        column_rows(r, channels, 1, readable, y);
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
