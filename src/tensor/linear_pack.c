/* tensor/linear_pack.c: a layer's blob: its layout, its packing, and the layer that reads it.
 *
 * Parts, each 64-byte aligned and rounded up to it: the panels, their scales (s16 and
 * int8), their sums (int8), the bias. */
#include "base/checked.h"
#include "tensor/linear.h"

#include <string.h>

enum { alignment = 64 };

typedef struct layout {
    ken_precision precision;
    size_t panels_bytes, scales_bytes, sums_bytes, bias_bytes; /* rounding left out */
    size_t scales_at, sums_at, bias_at, total_bytes;
} layout;

/* Puts a part behind `*end`; returns where it begins. */
static size_t place(size_t *end, size_t part_bytes) {
    size_t begin = *end, rounded;
    if (!checked_add(part_bytes, alignment - 1, &rounded) ||
        !checked_add(begin, rounded / alignment * alignment, end))
        *end = SIZE_MAX / alignment * alignment; /* every later part overflows, too */
    return begin;
}

static size_t product(size_t a, size_t b, size_t c) {
    size_t bytes;
    return checked_mul3(a, b, c, &bytes) ? bytes : SIZE_MAX;
}

/* f32 for what the integers cannot sum. */
static ken_precision precision_of(const linear_shape *shape) {
    return shape->k > GEMM_S16_MAX_K || shape->k > GEMM_U8_MAX_K ? KEN_PRECISION_F32
                                                                 : shape->precision;
}

static layout lay_out(const kernels *k, const linear_shape *shape) {
    layout l = {.precision = precision_of(shape)};
    size_t nr = k->gemm_f32_nr, panels = shape->n / nr + (shape->n % nr != 0);
    size_t columns = product(panels, nr, 1);
    if (l.precision == KEN_PRECISION_S16) {
        l.panels_bytes = product(columns, s16_row(shape->k), sizeof(int16_t));
        l.scales_bytes = product(columns, sizeof(float), 1);
    } else if (l.precision == KEN_PRECISION_INT8) {
        l.panels_bytes = product(columns, u8_row(shape->k), sizeof(int8_t));
        l.scales_bytes = product(columns, sizeof(float), 1);
        l.sums_bytes = product(columns, sizeof(int32_t), 1);
    } else {
        l.panels_bytes = product(columns, shape->k, sizeof(float));
    }
    l.bias_bytes = shape->bias ? product(shape->n, sizeof(float), 1) : 0;
    size_t end = 0;
    place(&end, l.panels_bytes);
    l.scales_at = place(&end, l.scales_bytes);
    l.sums_at = place(&end, l.sums_bytes);
    l.bias_at = place(&end, l.bias_bytes);
    l.total_bytes = end < SIZE_MAX / alignment * alignment ? end : SIZE_MAX;
    return l;
}

size_t linear_blob_bytes(const kernels *k, const linear_shape *shape) {
    return lay_out(k, shape).total_bytes;
}

/* The bytes between a part's end and the next part. */
static void clear_gap(char *blob, size_t begin, size_t used_bytes, size_t end) {
    memset(blob + begin + used_bytes, 0, end - begin - used_bytes);
}

void linear_pack(const kernels *k, const linear_shape *shape, const float *w, size_t ldw,
                 const float *bias, void *blob) {
    layout l = lay_out(k, shape);
    char *bytes = blob;
    clear_gap(bytes, 0, l.panels_bytes, l.scales_at);
    clear_gap(bytes, l.scales_at, l.scales_bytes, l.sums_at);
    clear_gap(bytes, l.sums_at, l.sums_bytes, l.bias_at);
    clear_gap(bytes, l.bias_at, l.bias_bytes, l.total_bytes);
    if (l.precision == KEN_PRECISION_S16)
        k->gemm_s16_pack(w, ldw, shape->n, shape->k, blob, (void *)(bytes + l.scales_at));
    else if (l.precision == KEN_PRECISION_INT8)
        k->gemm_s8_pack(w, ldw, shape->n, shape->k, blob, (void *)(bytes + l.scales_at),
                        (void *)(bytes + l.sums_at));
    else
        k->gemm_f32_pack(w, ldw, shape->n, shape->k, blob);
    if (shape->bias)
        memcpy(bytes + l.bias_at, bias, l.bias_bytes);
}

void linear_bind(linear *out, const kernels *k, const linear_shape *shape, const void *blob) {
    layout l = lay_out(k, shape);
    const char *bytes = blob;
    *out = (linear){.precision = l.precision, .n = shape->n, .k = shape->k};
    if (l.precision == KEN_PRECISION_S16) {
        out->packed_s16 = blob;
        out->scales = (const void *)(bytes + l.scales_at);
    } else if (l.precision == KEN_PRECISION_INT8) {
        out->packed_s8 = blob;
        out->scales = (const void *)(bytes + l.scales_at);
        out->sums = (const void *)(bytes + l.sums_at);
    } else {
        out->packed = blob;
    }
    if (shape->bias)
        out->bias = (const void *)(bytes + l.bias_at);
}

ken_status linear_init(linear *l, const kernels *k, ken_precision precision, const float *w,
                       size_t ldw, const float *bias, size_t n_out, size_t n_in, arena *memory,
                       ken_error *err) {
    linear_shape shape = {precision, n_out, n_in, .bias = bias != NULL};
    size_t bytes = linear_blob_bytes(k, &shape);
    void *blob = bytes < SIZE_MAX ? arena_alloc_raw(memory, bytes) : NULL;
    if (!blob)
        return error_no_memory(err, bytes);
    linear_pack(k, &shape, w, ldw, bias, blob);
    linear_bind(l, k, &shape, blob);
    return KEN_OK;
}
