/* train/cholesky.h: P = L L^T for a symmetric positive definite matrix, in double. Matrices are
 * [n, n], row by row; only their lower halves are read and written. */
#ifndef KEN_TRAIN_CHOLESKY_H
#define KEN_TRAIN_CHOLESKY_H

#include <stdbool.h>
#include <stddef.h>

/* In place. False when the matrix is not positive definite. */
bool cholesky_factor(double *a, size_t n);
/* The row vector x with x L = y; `x` holds y before. */
void cholesky_solve_right(const double *l, size_t n, double *x);
/* The row vector x with x L^T = y; `x` holds y before. */
void cholesky_solve_right_transposed(const double *l, size_t n, double *x);

#endif
