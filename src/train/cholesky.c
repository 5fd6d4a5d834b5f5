#include "train/cholesky.h"

#include <math.h>

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

bool cholesky_factor(double *a, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n;
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
        double rest = row[i] - dot(row, row, i);
        if (!(rest > 0))
            return false;
        row[i] = sqrt(rest);
    }
    return true;
}

void cholesky_solve_right(const double *l, size_t n, double *x) {
    for (size_t k = n; k-- > 0;) {
        const double *row = l + k * n;
        double value = x[k] /= row[k];
        for (size_t j = 0; j < k; j++)
            x[j] -= value * row[j];
    }
}

void cholesky_solve_right_transposed(const double *l, size_t n, double *x) {
    for (size_t j = 0; j < n; j++)
        x[j] = (x[j] - dot(l + j * n, x, j)) / l[j * n + j];
}
