/* tensor/linear.h: y = epilogue(x W^T + bias), with W packed once for the kernels in use.
 *
 * Sizes are fixed when the layer is made, from tensors whose shapes were checked; running one
 * cannot fail. */
#ifndef KEN_TENSOR_LINEAR_H
#define KEN_TENSOR_LINEAR_H

#include "base/mem.h"
#include "tensor/exec.h"

/* What a layer is packed for. */
typedef struct linear_shape {
    ken_precision precision;
    size_t n, k; /* outputs, inputs */
    bool bias;
} linear_shape;

typedef struct linear {
    ken_precision precision;   /* says which of the packed forms is there */
    size_t n, k;               /* outputs, inputs */
    const float *packed;       /* [ceil(N / nr) * nr, K] in panels; KEN_PRECISION_F32 */
    const int16_t *packed_s16; /* [ceil(N / nr) * nr, s16_row(K)] in panels; KEN_PRECISION_S16 */
    const int8_t *packed_s8;   /* [ceil(N / nr) * nr, u8_row(K)] in panels; KEN_PRECISION_INT8 */
    const float *scales;       /* [ceil(N / nr) * nr] of the integers */
    const int32_t *sums;       /* [ceil(N / nr) * nr] of packed_s8 */
    const float *bias;         /* [N], or NULL */
} linear;

/* A layer's numbers lie in one block, its blob, which holds no pointers: a blob that was written to
 * a file serves any process of the same tier. Its layout follows from the shape and the tier's
 * panels alone; each part is 64-byte aligned. A K that the integers cannot sum stays in f32. */
size_t linear_blob_bytes(const kernels *k, const linear_shape *shape); /* SIZE_MAX: overflow */
/* Packs `w` [N, K] (rows ldw apart) and `bias` [N] (NULL without one) into the blob. Every byte is
 * written, so the same weights give the same bytes. */
void linear_pack(const kernels *k, const linear_shape *shape, const float *w, size_t ldw,
                 const float *bias, void *blob);
/* The layer whose numbers lie in `blob`, 64-byte aligned, which must live as long. */
void linear_bind(linear *l, const kernels *k, const linear_shape *shape, const void *blob);
/* All three, with a blob from the arena. */
KEN_MUST_CHECK ken_status linear_init(linear *l, const kernels *k, ken_precision precision,
                                      const float *w, size_t ldw, const float *bias, size_t n_out,
                                      size_t n_in, arena *memory, ken_error *err);

/* Bytes of exec.quantized that running `rows` rows needs; 0 in f32. */
size_t linear_quantized_bytes(const linear *l, size_t rows);
/* The most that one of `n` layers needs; a layer that is not there is all zeros. */
size_t linear_quantized_bytes_most(const linear *const *layers, size_t n, size_t rows);

typedef struct linear_args {
    const float *x; /* [rows, K]; NULL: exec.quantized holds the rows in integers already */
    size_t ldx;
    float *y; /* [rows, N] */
    size_t ldy;
    size_t rows;
    gemm_epilogue epilogue;
    const float *residual; /* [rows, N] for GEMM_ADD and GEMM_ADD_RELU; may be y */
    size_t ldr;
} linear_args;

void linear_run(const exec *e, const linear *l, const linear_args *args);

#endif
