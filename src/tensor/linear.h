/* tensor/linear.h: y = epilogue(x W^T + bias), with W packed once for the kernels in use.
 *
 * Sizes are fixed when the layer is made, from tensors whose shapes were checked; running one
 * cannot fail. */
#ifndef KEN_TENSOR_LINEAR_H
#define KEN_TENSOR_LINEAR_H

#include "base/mem.h"
#include "tensor/exec.h"

typedef struct linear {
    ken_precision precision; /* says which of the packed forms is there */
    size_t n, k;             /* outputs, inputs */
    float *packed;           /* [ceil(N / nr) * nr, K] in panels; KEN_PRECISION_F32 */
    int16_t *packed_s16;     /* [ceil(N / nr) * nr, s16_row(K)] in panels; KEN_PRECISION_S16 */
    float *scales;           /* [ceil(N / nr) * nr] of packed_s16 */
    float *bias;             /* [N], or NULL */
} linear;

/* Packs `w` [N, K] (rows ldw apart) and copies `bias` [N] (may be NULL) into the arena. A K that
 * the integers cannot sum stays in f32. */
KEN_MUST_CHECK ken_status linear_init(linear *l, const kernels *k, ken_precision precision,
                                      const float *w, size_t ldw, const float *bias, size_t n_out,
                                      size_t n_in, arena *memory, ken_error *err);

/* Bytes of exec.quantized that running `rows` rows needs; 0 in f32. */
size_t linear_quantized_bytes(const linear *l, size_t rows);

typedef struct linear_args {
    const float *x; /* [rows, K] */
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
