/* tensor/linear_rows.c: one place that knows each precision's integers. */
#include "tensor/linear_rows.h"

#include "base/checked.h"

enum { alignment = 64 };

/* Counts `n` elements of the room and says where they begin. */
static void *place(char *memory, size_t *end, size_t n, size_t element_bytes) {
    size_t begin = *end, bytes, rounded;
    if (begin == SIZE_MAX || !checked_mul(n, element_bytes, &bytes) ||
        !checked_add(bytes, alignment - 1, &rounded) ||
        !checked_add(begin, rounded / alignment * alignment, end)) {
        *end = SIZE_MAX;
        return NULL;
    }
    return memory ? memory + begin : NULL;
}

/* Bytes of a row of integers. */
static size_t row_bytes(const linear *l) {
    switch (l->precision) {
    case KEN_PRECISION_S16:
        return s16_row(l->k) * sizeof(int16_t);
    case KEN_PRECISION_INT8:
        return u8_row(l->k);
    default:
        return 0;
    }
}

size_t linear_rows_place(const linear *l, size_t rows, void *memory, linear_rows *out) {
    size_t bytes = row_bytes(l), end = 0;
    if (bytes == 0)
        return 0;
    out->scales = place(memory, &end, rows, sizeof *out->scales);
    if (l->precision == KEN_PRECISION_INT8)
        out->zeros = place(memory, &end, rows, sizeof *out->zeros);
    out->numbers = place(memory, &end, rows, bytes);
    return end;
}

linear_rows linear_rows_from(const linear *l, const linear_rows *in, size_t row) {
    linear_rows moved = *in;
    if (in->x)
        moved.x = in->x + row * in->ldx;
    if (in->numbers) {
        moved.numbers = (char *)in->numbers + row * row_bytes(l);
        moved.scales = in->scales + row;
    }
    if (in->zeros)
        moved.zeros = in->zeros + row;
    return moved;
}

void linear_rows_quantize(const kernels *k, const linear *l, const linear_rows *in, size_t rows) {
    if (l->precision == KEN_PRECISION_S16)
        k->quantize_rows_s16(&(quantize_rows_s16_args){.x = in->x,
                                                       .ldx = in->ldx,
                                                       .q = in->numbers,
                                                       .ldq = s16_row(l->k),
                                                       .scales = in->scales,
                                                       .rows = rows,
                                                       .width = l->k});
    else if (l->precision == KEN_PRECISION_INT8)
        k->quantize_rows_u8(&(quantize_rows_u8_args){.x = in->x,
                                                     .ldx = in->ldx,
                                                     .q = in->numbers,
                                                     .ldq = u8_row(l->k),
                                                     .scales = in->scales,
                                                     .zeros = in->zeros,
                                                     .rows = rows,
                                                     .width = l->k});
}

/* Of a part: the columns it covers, and where they begin in what belongs to a column. */
typedef struct columns {
    size_t first, n;
    const float *bias, *residual;
    float *y;
} columns;

static columns columns_of(const linear *l, const linear_part *p, size_t nr) {
    size_t first = p->panel * nr, left = l->n - first, n = p->panels * nr;
    return (columns){.first = first,
                     .n = n < left ? n : left,
                     .bias = l->bias ? l->bias + first : NULL,
                     .residual = p->residual ? p->residual + first : NULL,
                     .y = p->y + first};
}

static void multiply_f32(const kernels *k, const linear *l, const linear_part *p, columns c) {
    k->gemm_f32(&(gemm_f32_args){.a = p->in.x,
                                 .lda = p->in.ldx,
                                 .b = l->packed + c.first * l->k,
                                 .bias = c.bias,
                                 .residual = c.residual,
                                 .ldr = p->ldr,
                                 .c = c.y,
                                 .ldc = p->ldy,
                                 .m = p->rows,
                                 .n = c.n,
                                 .k = l->k,
                                 .epilogue = p->epilogue});
}

static void multiply_s16(const kernels *k, const linear *l, const linear_part *p, columns c) {
    k->gemm_s16(&(gemm_s16_args){.a = p->in.numbers,
                                 .lda = s16_row(l->k),
                                 .a_scales = p->in.scales,
                                 .b = l->packed_s16 + c.first * s16_row(l->k),
                                 .b_scales = l->scales + c.first,
                                 .bias = c.bias,
                                 .residual = c.residual,
                                 .ldr = p->ldr,
                                 .c = c.y,
                                 .ldc = p->ldy,
                                 .m = p->rows,
                                 .n = c.n,
                                 .k = l->k,
                                 .epilogue = p->epilogue});
}

static void multiply_u8s8(const kernels *k, const linear *l, const linear_part *p, columns c) {
    k->gemm_u8s8(&(gemm_u8s8_args){.a = p->in.numbers,
                                   .lda = u8_row(l->k),
                                   .a_scales = p->in.scales,
                                   .a_zeros = p->in.zeros,
                                   .b = l->packed_s8 + c.first * u8_row(l->k),
                                   .b_scales = l->scales + c.first,
                                   .b_sums = l->sums + c.first,
                                   .bias = c.bias,
                                   .residual = c.residual,
                                   .ldr = p->ldr,
                                   .c = c.y,
                                   .ldc = p->ldy,
                                   .m = p->rows,
                                   .n = c.n,
                                   .k = l->k,
                                   .epilogue = p->epilogue});
}

void linear_multiply(const kernels *k, const linear *l, const linear_part *part) {
    columns c = columns_of(l, part, k->gemm_f32_nr);
    if (l->precision == KEN_PRECISION_S16)
        multiply_s16(k, l, part, c);
    else if (l->precision == KEN_PRECISION_INT8)
        multiply_u8s8(k, l, part, c);
    else
        multiply_f32(k, l, part, c);
}
