/* train/logistic.c: the objective and its gradient over blocks of samples, and the minimisation.
 *
 * Samples are cut into blocks, and blocks into lanes: a lane's sums are one chain of additions, and
 * the lanes' sums are added in order, whichever threads computed them. */
#include "train/logistic.h"

#include "base/checked.h"
#include "base/mem.h"
#include "train/cholesky.h"

#include <lbfgs.h>
#include <math.h>
#include <string.h>

enum {
    block_rows = 512,
    max_lanes = 32,
    max_covariance_rows = 16384, /* the covariance only steers the search: a sample is enough */
    history = 10,                /* steps that L-BFGS remembers */
    default_max_iterations = 1000,
};
static const size_t max_lane_bytes = (size_t)256 << 20; /* of all lanes' sums */
static const double default_tolerance = 1e-7;
/* Keeps the coordinates finite where features are constant or l2 is 0. */
static const double least_curvature = 1e-6;

/* What a lane sums up, and the memory that its blocks pass through. */
typedef struct lane {
    double *d_w;       /* [C, D] sum of s (p - y) x^T */
    double *d_b;       /* [C] */
    double loss;       /* sum of s loss */
    float *logits;     /* [block, C] */
    float *transposed; /* [C, block] */
    float *panels;     /* the block's x as gemm_f32's packed operand [D, block] */
    float *product;    /* [C, D] */
} lane;

struct logistic {
    logistic_data data;
    const kernels *kernels;
    ken_pool *pool;
    double total_weight;
    double *mean;       /* [D] */
    double *covariance; /* [D, D] lower half */
    double *factor;     /* [D, D] of the curvature, for the l2 at hand */
    double bias_scale;
    double l2;
    lane *lanes;
    size_t n_lanes, n_blocks;
    float *w, *b; /* the same in float */
    float *packed_w;
    double *w64, *b64; /* [C, D], [C]: the coordinates turned into W and its bias */
    const logistic_options *options;
    logistic_result *result;
};

static size_t div_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t panel_floats(const logistic *l, size_t n_out, size_t n_in) {
    size_t nr = l->kernels->gemm_f32_nr;
    return div_up(n_out, nr) * nr * n_in;
}

/* ---- one block of samples -------------------------------------------------------------------- */

/* x [rows, D] as the operand whose columns are features and whose k are the samples. */
static void pack_samples(const logistic *l, const float *x, size_t rows, float *panels) {
    size_t nr = l->kernels->gemm_f32_nr, dim = l->data.dim;
    for (size_t d = 0; d < dim; d += nr) {
        size_t n = dim - d < nr ? dim - d : nr;
        for (size_t r = 0; r < rows; r++, panels += nr) {
            memcpy(panels, x + r * dim + d, n * sizeof *panels);
            memset(panels + n, 0, (nr - n) * sizeof *panels);
        }
    }
}

/* Turns a row of logits into s (p - y) and returns s times its loss. */
static double finish_row(const logistic *l, float *logits, size_t row) {
    size_t n = l->data.n_classes, y = l->data.y[row];
    float weight = l->data.weights ? l->data.weights[row] : 1.0f;
    float largest = logits[0], own = logits[y];
    for (size_t c = 1; c < n; c++)
        largest = logits[c] > largest ? logits[c] : largest;
    l->kernels->softmax_f32(logits, n);
    float best = logits[0]; /* the largest probability is 1 / sum exp(logit - largest) */
    for (size_t c = 1; c < n; c++)
        best = logits[c] > best ? logits[c] : best;
    double loss = (double)largest - (double)own - log((double)best);
    logits[y] -= 1.0f;
    if (weight != 1.0f)
        for (size_t c = 0; c < n; c++)
            logits[c] *= weight;
    return (double)weight * loss;
}

static void transpose(const float *from, size_t rows, size_t columns, float *to, size_t ld) {
    enum { tile = 16 };
    for (size_t r0 = 0; r0 < rows; r0 += tile)
        for (size_t c0 = 0; c0 < columns; c0 += tile)
            for (size_t r = r0; r < rows && r < r0 + tile; r++)
                for (size_t c = c0; c < columns && c < c0 + tile; c++)
                    to[c * ld + r] = from[r * columns + c];
}

static void add_block(const logistic *l, lane *s, size_t begin, size_t rows) {
    size_t n = l->data.n_classes, dim = l->data.dim;
    const float *x = l->data.x + begin * dim;
    l->kernels->gemm_f32(&(gemm_f32_args){.a = x,
                                          .lda = dim,
                                          .b = l->packed_w,
                                          .bias = l->b,
                                          .c = s->logits,
                                          .ldc = n,
                                          .m = rows,
                                          .n = n,
                                          .k = dim});
    for (size_t r = 0; r < rows; r++)
        s->loss += finish_row(l, s->logits + r * n, begin + r);
    transpose(s->logits, rows, n, s->transposed, rows);
    for (size_t c = 0; c < n; c++) {
        double sum = 0;
        for (size_t r = 0; r < rows; r++)
            sum += (double)s->transposed[c * rows + r];
        s->d_b[c] += sum;
    }
    pack_samples(l, x, rows, s->panels);
    l->kernels->gemm_f32(&(gemm_f32_args){.a = s->transposed,
                                          .lda = rows,
                                          .b = s->panels,
                                          .c = s->product,
                                          .ldc = dim,
                                          .m = n,
                                          .n = dim,
                                          .k = rows});
    for (size_t i = 0; i < n * dim; i++)
        s->d_w[i] += (double)s->product[i];
}

static void run_lane(void *context, size_t item, int thread) {
    (void)thread;
    const logistic *l = context;
    lane *s = &l->lanes[item];
    memset(s->d_w, 0, l->data.n_classes * l->data.dim * sizeof *s->d_w);
    memset(s->d_b, 0, l->data.n_classes * sizeof *s->d_b);
    s->loss = 0;
    size_t end = l->n_blocks * (item + 1) / l->n_lanes;
    for (size_t i = l->n_blocks * item / l->n_lanes; i < end; i++) {
        size_t begin = i * block_rows, left = l->data.n - begin;
        add_block(l, s, begin, left < block_rows ? left : block_rows);
    }
}

/* ---- the objective --------------------------------------------------------------------------- */

/* The coordinates v of L-BFGS are [C, D + 1]: a class's row of W times the factor, and its bias for
 * centred features over bias_scale. */
static void coordinates_to_w(const logistic *l, const double *v, double *w, double *b) {
    size_t dim = l->data.dim;
    for (size_t c = 0; c < l->data.n_classes; c++) {
        double *row = w + c * dim;
        memcpy(row, v + c * (dim + 1), dim * sizeof *row);
        cholesky_solve_right(l->factor, dim, row);
        b[c] = v[c * (dim + 1) + dim] * l->bias_scale;
        for (size_t d = 0; d < dim; d++)
            b[c] -= row[d] * l->mean[d];
    }
}

static void w_to_coordinates(const logistic *l, const double *w, const double *b, double *v) {
    size_t dim = l->data.dim;
    for (size_t c = 0; c < l->data.n_classes; c++) {
        double *out = v + c * (dim + 1), centred = b[c];
        memset(out, 0, dim * sizeof *out);
        for (size_t d = 0; d < dim; d++) {
            double value = w[c * dim + d];
            centred += value * l->mean[d];
            for (size_t j = 0; j <= d; j++)
                out[j] += value * l->factor[d * dim + j];
        }
        out[dim] = centred / l->bias_scale;
    }
}

typedef struct gradient_job {
    const logistic *l;
    double *out; /* [C, D + 1] */
} gradient_job;

/* The lanes' sums of one class, as the gradient by its coordinates. */
static void gradient_of_class(void *context, size_t c, int thread) {
    (void)thread;
    const gradient_job *job = context;
    const logistic *l = job->l;
    size_t dim = l->data.dim;
    double *out = job->out + c * (dim + 1), d_b = 0;
    memset(out, 0, dim * sizeof *out);
    for (size_t i = 0; i < l->n_lanes; i++) {
        const double *d_w = l->lanes[i].d_w + c * dim;
        for (size_t d = 0; d < dim; d++)
            out[d] += d_w[d];
        d_b += l->lanes[i].d_b[c];
    }
    const double *w = l->w64 + c * dim;
    for (size_t d = 0; d < dim; d++)
        out[d] = (out[d] - d_b * l->mean[d]) / l->total_weight + l->l2 * w[d];
    cholesky_solve_right_transposed(l->factor, dim, out);
    out[dim] = d_b / l->total_weight * l->bias_scale;
}

static double evaluate(logistic *l, const double *v, double *gradient) {
    size_t n = l->data.n_classes, dim = l->data.dim;
    coordinates_to_w(l, v, l->w64, l->b64);
    double squares = 0, loss = 0;
    for (size_t i = 0; i < n * dim; i++) {
        squares += l->w64[i] * l->w64[i];
        l->w[i] = (float)l->w64[i];
    }
    for (size_t c = 0; c < n; c++)
        l->b[c] = (float)l->b64[c];
    l->kernels->gemm_f32_pack(l->w, dim, n, dim, l->packed_w);
    pool_run(l->pool, run_lane, l, l->n_lanes);
    pool_run(l->pool, gradient_of_class, &(gradient_job){l, gradient}, n);
    for (size_t i = 0; i < l->n_lanes; i++)
        loss += l->lanes[i].loss;
    l->result->loss = loss / l->total_weight;
    return l->result->loss + l->l2 / 2 * squares;
}

static lbfgsfloatval_t lbfgs_value(void *context, const lbfgsfloatval_t *v, lbfgsfloatval_t *g,
                                   const int n, const lbfgsfloatval_t step) {
    (void)n;
    (void)step;
    return evaluate(context, v, g);
}

static int lbfgs_step(void *context, const lbfgsfloatval_t *v, const lbfgsfloatval_t *g,
                      const lbfgsfloatval_t value, const lbfgsfloatval_t norm,
                      const lbfgsfloatval_t g_norm, const lbfgsfloatval_t step, int n, int k,
                      int n_evaluations) {
    (void)v, (void)g, (void)value, (void)norm, (void)g_norm, (void)step, (void)n;
    (void)n_evaluations;
    logistic *l = context;
    l->result->n_iterations = k;
    return l->options->cancel && *l->options->cancel ? LBFGSERR_CANCELED : 0;
}

/* ---- fitting --------------------------------------------------------------------------------- */

/* f's curvature at W = 0, where every probability is 1 / C. */
static ken_status set_coordinates(logistic *l, double l2, ken_error *err) {
    size_t dim = l->data.dim;
    double share = 1.0 / (double)l->data.n_classes, spread = share * (1 - share);
    l->l2 = l2;
    l->bias_scale = 1 / sqrt(spread);
    double trace = 0;
    for (size_t d = 0; d < dim; d++)
        trace += l->covariance[d * dim + d];
    double floor = least_curvature * spread * (trace > 0 ? trace / (double)dim : 1);
    for (size_t i = 0; i < dim * dim; i++)
        l->factor[i] = spread * l->covariance[i];
    for (size_t d = 0; d < dim; d++)
        l->factor[d * dim + d] += l2 + floor;
    if (!cholesky_factor(l->factor, dim))
        return error_set(err, KEN_BAD_FORMAT, "the embeddings have no finite covariance");
    return KEN_OK;
}

/* Rounding in float32 ends a line search now and then; the point reached is as good as it gets. */
static bool ended_well(int code) {
    return code == LBFGS_SUCCESS || code == LBFGS_STOP || code == LBFGS_ALREADY_MINIMIZED ||
           code == LBFGSERR_ROUNDING_ERROR || code == LBFGSERR_MINIMUMSTEP ||
           code == LBFGSERR_MAXIMUMLINESEARCH || code == LBFGSERR_WIDTHTOOSMALL ||
           code == LBFGSERR_INCREASEGRADIENT;
}

static ken_status minimise(logistic *l, double *v, size_t n, ken_error *err) {
    const logistic_options *o = l->options;
    lbfgs_parameter_t parameter;
    lbfgs_parameter_init(&parameter);
    parameter.m = history;
    parameter.epsilon = 1e-6;
    parameter.past = 10;
    parameter.delta = o->tolerance > 0 ? o->tolerance : default_tolerance;
    parameter.max_iterations = o->max_iterations > 0 ? o->max_iterations : default_max_iterations;
    int code = lbfgs((int)n, v, NULL, lbfgs_value, lbfgs_step, l, &parameter);
    l->result->converged = ended_well(code);
    if (code == LBFGSERR_CANCELED)
        return error_set(err, KEN_CANCELLED, "interrupted");
    if (code == LBFGSERR_OUTOFMEMORY)
        return error_no_memory(err, n * 2 * history * sizeof(double));
    if (!l->result->converged && code != LBFGSERR_MAXIMUMITERATION)
        return error_set(err, KEN_INTERNAL, "L-BFGS failed with code %d", code);
    return KEN_OK;
}

ken_status logistic_fit(logistic *l, const logistic_options *options, double *w, double *b,
                        logistic_result *out, ken_error *err) {
    size_t n = l->data.n_classes * (l->data.dim + 1);
    *out = (logistic_result){0};
    l->options = options;
    l->result = out;
    TRY(set_coordinates(l, options->l2, err));
    /* liblbfgs wants vectors of its own alignment. */
    lbfgsfloatval_t *v = n <= INT32_MAX ? lbfgs_malloc((int)n) : NULL;
    double *gradient = mem_alloc(n * sizeof *gradient);
    if (!v || !gradient) {
        lbfgs_free(v);
        mem_free(gradient);
        return error_no_memory(err, n * sizeof *v);
    }
    w_to_coordinates(l, w, b, v);
    pool_begin(l->pool);
    ken_status status = minimise(l, v, n, err);
    if (status == KEN_OK) {
        out->objective = evaluate(l, v, gradient);
        coordinates_to_w(l, v, w, b);
    }
    pool_end(l->pool);
    lbfgs_free(v);
    mem_free(gradient);
    return status;
}

/* ---- the data -------------------------------------------------------------------------------- */

static void find_mean(logistic *l) {
    size_t dim = l->data.dim;
    for (size_t i = 0; i < l->data.n; i++)
        for (size_t d = 0; d < dim; d++)
            l->mean[d] += (double)l->data.x[i * dim + d];
    for (size_t d = 0; d < dim; d++)
        l->mean[d] /= (double)l->data.n;
}

/* Memory for a block on its way into the covariance. */
typedef struct covariance_block {
    float *rows;       /* [block, D] centred */
    float *transposed; /* [D, block] */
    float *panels;     /* as lane.panels */
    float *product;    /* [D, D] */
} covariance_block;

static void add_covariance(logistic *l, const covariance_block *block, size_t n) {
    size_t dim = l->data.dim;
    transpose(block->rows, n, dim, block->transposed, n);
    pack_samples(l, block->rows, n, block->panels);
    l->kernels->gemm_f32(&(gemm_f32_args){.a = block->transposed,
                                          .lda = n,
                                          .b = block->panels,
                                          .c = block->product,
                                          .ldc = dim,
                                          .m = dim,
                                          .n = dim,
                                          .k = n});
    for (size_t i = 0; i < dim * dim; i++)
        l->covariance[i] += (double)block->product[i];
}

/* Over every `stride`-th sample. */
static void sum_covariance(logistic *l, const covariance_block *block) {
    size_t dim = l->data.dim, stride = div_up(l->data.n, max_covariance_rows), n = 0, total = 0;
    for (size_t i = 0; i < l->data.n; i += stride, total++) {
        const float *x = l->data.x + i * dim;
        for (size_t d = 0; d < dim; d++)
            block->rows[n * dim + d] = (float)((double)x[d] - l->mean[d]);
        if (++n == block_rows) {
            add_covariance(l, block, n);
            n = 0;
        }
    }
    if (n)
        add_covariance(l, block, n);
    for (size_t i = 0; i < dim * dim; i++)
        l->covariance[i] /= (double)total;
}

static ken_status find_covariance(logistic *l, ken_error *err) {
    size_t dim = l->data.dim;
    covariance_block block = {
        .rows = mem_alloc(block_rows * dim * sizeof(float)),
        .transposed = mem_alloc(block_rows * dim * sizeof(float)),
        .panels = mem_alloc(panel_floats(l, dim, block_rows) * sizeof(float)),
        .product = mem_alloc(dim * dim * sizeof(float)),
    };
    bool there = block.rows && block.transposed && block.panels && block.product;
    if (there)
        sum_covariance(l, &block);
    mem_free(block.rows);
    mem_free(block.transposed);
    mem_free(block.panels);
    mem_free(block.product);
    return there ? KEN_OK : error_no_memory(err, dim * dim * sizeof(float));
}

static ken_status make_lane(const logistic *l, lane *s, ken_error *err) {
    size_t n = l->data.n_classes, dim = l->data.dim;
    s->d_w = mem_alloc(n * dim * sizeof *s->d_w);
    s->d_b = mem_alloc(n * sizeof *s->d_b);
    s->logits = mem_alloc(block_rows * n * sizeof *s->logits);
    s->transposed = mem_alloc(block_rows * n * sizeof *s->transposed);
    s->panels = mem_alloc(panel_floats(l, dim, block_rows) * sizeof *s->panels);
    s->product = mem_alloc(n * dim * sizeof *s->product);
    return s->d_w && s->d_b && s->logits && s->transposed && s->panels && s->product
               ? KEN_OK
               : error_no_memory(err, n * dim * sizeof *s->d_w);
}

static ken_status make(logistic *l, ken_error *err) {
    size_t n = l->data.n_classes, dim = l->data.dim, size_bytes;
    if (!checked_mul3(n, dim + 1, sizeof(double), &size_bytes))
        return error_no_memory(err, SIZE_MAX);
    size_t fitting = max_lane_bytes / size_bytes;
    l->n_blocks = div_up(l->data.n, block_rows);
    l->n_lanes = fitting < 4 ? 4 : fitting > max_lanes ? max_lanes : fitting;
    if (l->n_lanes > l->n_blocks)
        l->n_lanes = l->n_blocks;
    l->lanes = mem_zalloc(l->n_lanes, sizeof *l->lanes);
    l->mean = mem_zalloc(dim, sizeof *l->mean);
    l->covariance = mem_zalloc(dim * dim, sizeof *l->covariance);
    l->factor = mem_zalloc(dim * dim, sizeof *l->factor);
    l->packed_w = mem_alloc(panel_floats(l, n, dim) * sizeof *l->packed_w);
    l->w = mem_alloc(n * dim * sizeof *l->w);
    l->b = mem_alloc(n * sizeof *l->b);
    l->b64 = mem_alloc(n * sizeof *l->b64);
    l->w64 = mem_alloc(size_bytes);
    if (!l->lanes || !l->mean || !l->covariance || !l->factor || !l->packed_w || !l->w || !l->b ||
        !l->b64 || !l->w64)
        return error_no_memory(err, size_bytes);
    for (size_t i = 0; i < l->n_lanes; i++)
        TRY(make_lane(l, &l->lanes[i], err));
    return KEN_OK;
}

ken_status logistic_new(const logistic_data *data, const kernels *k, ken_pool *pool, logistic **out,
                        ken_error *err) {
    *out = NULL;
    if (data->n == 0 || data->dim == 0 || data->n_classes < 2)
        return error_set(err, KEN_BAD_ARGUMENT,
                         "%zu samples of %zu numbers in %zu classes: expected at least one sample "
                         "and two classes",
                         data->n, data->dim, data->n_classes);
    logistic *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return error_no_memory(err, sizeof *l);
    *l = (logistic){.data = *data, .kernels = k, .pool = pool};
    ken_status status = make(l, err);
    if (status == KEN_OK) {
        find_mean(l);
        status = find_covariance(l, err);
    }
    if (status != KEN_OK) {
        logistic_free(l);
        return status;
    }
    for (size_t i = 0; i < data->n; i++)
        l->total_weight += data->weights ? (double)data->weights[i] : 1.0;
    *out = l;
    return KEN_OK;
}

void logistic_free(logistic *l) {
    if (!l)
        return;
    for (size_t i = 0; l->lanes && i < l->n_lanes; i++) {
        lane *s = &l->lanes[i];
        mem_free(s->d_w);
        mem_free(s->d_b);
        mem_free(s->logits);
        mem_free(s->transposed);
        mem_free(s->panels);
        mem_free(s->product);
    }
    mem_free(l->lanes);
    mem_free(l->mean);
    mem_free(l->covariance);
    mem_free(l->factor);
    mem_free(l->packed_w);
    mem_free(l->w);
    mem_free(l->b);
    mem_free(l->b64);
    mem_free(l->w64);
    mem_free(l);
}
