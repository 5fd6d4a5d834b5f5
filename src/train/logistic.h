/* train/logistic.h: multinomial logistic regression on embeddings, the linear probe.
 *
 *     f(W, b) = sum_i s_i loss_i / sum_i s_i + l2 / 2 ||W||^2
 *     loss_i = -log softmax(W x_i + b)[y_i]
 *
 * with sample weights s_i; the bias is not penalised. scikit-learn's LogisticRegression(C) is
 * l2 = 1 / (C sum_i s_i). Minimised by L-BFGS (Liu and Nocedal 1989) in coordinates in which the
 * curvature of f at W = 0 is nearly the identity: embeddings of one encoder point nearly the same
 * way, and without this the method needs several times as many steps.
 *
 * The same data give the same bits for any number of threads. */
#ifndef KEN_TRAIN_LOGISTIC_H
#define KEN_TRAIN_LOGISTIC_H

#include "base/pool.h"
#include "kernels/kernels.h"

#include <signal.h>

/* Borrowed while the problem lives. */
typedef struct logistic_data {
    const float *x;       /* [N, D], finite */
    const uint32_t *y;    /* [N], below n_classes */
    const float *weights; /* [N], at least 0, not all 0; NULL: all 1 */
    size_t n, dim, n_classes;
} logistic_data;

/* The data with what depends on them alone; serves any number of fits, one at a time. */
typedef struct logistic logistic;
KEN_MUST_CHECK ken_status logistic_new(const logistic_data *data, const kernels *k, ken_pool *pool,
                                       logistic **out, ken_error *err);
void logistic_free(logistic *l);

typedef struct logistic_options {
    double l2;                           /* at least 0 */
    int max_iterations;                  /* 0: 1000 */
    double tolerance;                    /* of f's relative decrease over ten steps; 0: 1e-7 */
    const volatile sig_atomic_t *cancel; /* may be NULL; not 0: ends with KEN_CANCELLED */
} logistic_options;

typedef struct logistic_result {
    double objective; /* f at the end */
    double loss;      /* its first part */
    int n_iterations;
    bool converged; /* or max_iterations were over */
} logistic_result;

/* `w` is [C, D] and `b` is [C]: where to start, and then the solution. */
KEN_MUST_CHECK ken_status logistic_fit(logistic *l, const logistic_options *options, double *w,
                                       double *b, logistic_result *out, ken_error *err);

#endif
