/* tensor/linear_rows.h: the inside of a linear layer: rows in the form that its precision takes,
 * and the product of some of them with some of its columns. For linear.c, conv.c, and layers whose
 * rows are integers from the start. */
#ifndef KEN_TENSOR_LINEAR_ROWS_H
#define KEN_TENSOR_LINEAR_ROWS_H

#include "tensor/linear.h"

/* Rows of floats; for integers also room for them, filled by linear_rows_quantize. */
typedef struct linear_rows {
    const float *x; /* [rows, K] */
    size_t ldx;
    void *numbers;  /* int16_t [rows, s16_row(K)] or uint8_t [rows, u8_row(K)] */
    float *scales;  /* [rows] */
    int32_t *zeros; /* [rows], of bytes */
} linear_rows;

/* Lays the room for `rows` rows out in `memory`, 64-byte aligned; returns the bytes it takes, none
 * in f32 and SIZE_MAX when they overflow. With NULL it only counts. */
size_t linear_rows_place(const linear *l, size_t rows, void *memory, linear_rows *out);
/* The same rows from `row` on. */
linear_rows linear_rows_from(const linear *l, const linear_rows *in, size_t row);
void linear_rows_quantize(const kernels *k, const linear *l, const linear_rows *in, size_t rows);

/* y [rows, N] of the columns of `panels` panels from `panel` on; y and residual begin at column 0.
 */
typedef struct linear_part {
    linear_rows in;
    size_t rows, panel, panels;
    float *y;
    size_t ldy;
    gemm_epilogue epilogue;
    const float *residual;
    size_t ldr;
} linear_part;
void linear_multiply(const kernels *k, const linear *l, const linear_part *part);

#endif
