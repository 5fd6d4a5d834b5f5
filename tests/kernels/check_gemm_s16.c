/* tests/kernels/check_gemm_s16.c: quantisation, and products in 16-bit integers: exact against the
 * integers that were quantised, near against the floats, and never an overflow. */
#include "checks.h"

static const float unused = 1234.5f;

/* ---- quantisation ---- */

/* The scale that a vector must get, in double. */
static double scale_of(const float *x, size_t n) {
    double largest = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        squares += (double)x[i] * x[i];
    }
    return fmax(largest / 32767, sqrt(squares) / 46000);
}

static void check_row(const float *x, size_t n, const int16_t *q, float scale) {
    double expected = scale_of(x, n);
    CHECK_NEAR(scale, expected, 1e-4 * expected, "scale of %zu numbers: ", n);
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        double exact = scale > 0 ? (double)x[i] / scale : 0;
        CHECK_NEAR(q[i], exact, 0.5 + 1e-6 * fabs(exact), "number %zu of %zu: ", i, n);
        assert_true(q[i] >= -32767);
        squares += (double)q[i] * q[i];
    }
    assert_true(squares < 2147483647.0);
    if (n % 2)
        assert_int_equal(q[n], 0);
}

static void quantize_floats(const kernels *k, guard_side side, size_t rows, size_t n, float *x,
                            size_t ldx) {
    size_t ldq = s16_row(n) + ldx % 3;
    int16_t *q = guard_new(side, (rows ? (rows - 1) * ldq + s16_row(n) : 0) * sizeof *q);
    float *scales = guard_floats(side, rows);
    memset(q, 0x55, (rows ? (rows - 1) * ldq + s16_row(n) : 0) * sizeof *q);
    k->quantize_rows_s16(&(quantize_rows_s16_args){
        .x = x, .ldx = ldx, .q = q, .ldq = ldq, .scales = scales, .rows = rows, .width = n});
    for (size_t r = 0; r < rows; r++) {
        check_row(x + r * ldx, n, q + r * ldq, scales[r]);
        for (size_t i = s16_row(n); r + 1 < rows && i < ldq; i++)
            assert_int_equal(q[r * ldq + i], 0x5555);
    }
}

static void check_not_finite(const kernels *k) {
    enum { N = 67, ROWS = 4 };
    float *x = random_floats(GUARD_AFTER, ROWS * N, 1), scales[ROWS];
    int16_t q[ROWS * (N + 1)];
    x[0 * N + 66] = NAN;
    x[1 * N + 3] = INFINITY;
    x[2 * N] = -INFINITY;
    k->quantize_rows_s16(&(quantize_rows_s16_args){
        .x = x, .ldx = N, .q = q, .ldq = N + 1, .scales = scales, .rows = ROWS, .width = N});
    for (size_t r = 0; r < 3; r++) {
        assert_true(isnan(scales[r]));
        for (size_t i = 0; i < N; i++)
            assert_int_equal(q[r * (N + 1) + i], 0);
    }
    assert_true(scales[3] > 0);
    guard_free_all();
}

void check_quantize_rows_s16(const kernels *k) {
    for (guard_side side = 0; side < GUARD_SIDES; side++)
        for (size_t n = 0; n <= 200; n++) {
            size_t ldx = n + n % 4;
            quantize_floats(k, side, 3, n, random_floats(side, 2 * ldx + n, 1), ldx);
            guard_free_all();
        }
    /* One number that dwarfs the rest; all equal; so large and so small that squares are lost. */
    const float magnitudes[] = {0.0f, 1e-37f, 1e-30f, 1e-20f, 1.0f, 1e15f, 1e25f, 3e38f};
    for (size_t m = 0; m < sizeof magnitudes / sizeof *magnitudes; m++) {
        enum { N = 3072 };
        float *x = random_floats(GUARD_AFTER, 4 * N, 1);
        for (size_t i = 0; i < N; i++) {
            x[i] *= magnitudes[m];
            x[N + i] = magnitudes[m];
            x[2 * N + i] = i % 2 ? magnitudes[m] : -magnitudes[m];
            x[3 * N + i] *= i == 1000 ? 0.0f : magnitudes[m] * 1e-4f;
        }
        x[3 * N + 1000] = magnitudes[m];
        if (magnitudes[m] == 0 || magnitudes[m] >= 1e-30f)
            quantize_floats(k, GUARD_AFTER, 4, N, x, N);
        else { /* too small to count, or nearly so: zeros, or right */
            int16_t q[N];
            float scale;
            k->quantize_rows_s16(&(quantize_rows_s16_args){
                .x = x, .ldx = N, .q = q, .ldq = N, .scales = &scale, .rows = 1, .width = N});
            assert_true(scale == 0.0f);
            assert_int_equal(q[5], 0);
        }
        guard_free_all();
    }
    check_not_finite(k);
}

/* ---- product ---- */

/* A product's operands, all at guard pages. */
typedef struct product {
    const kernels *kernels;
    gemm_s16_args args;
    float *x, *w; /* before quantisation */
    size_t ldx, ldw;
} product;

static void quantize_operands(product *p, guard_side side) {
    const kernels *k = p->kernels;
    gemm_s16_args *g = &p->args;
    size_t columns = panels_of(k, g->n) * k->gemm_f32_nr, row = s16_row(g->k);
    g->lda = row + p->ldx - g->k;
    int16_t *a = guard_new(side, (g->m ? (g->m - 1) * g->lda + row : 0) * sizeof *a);
    float *a_scales = guard_floats(side, g->m);
    k->quantize_rows_s16(&(quantize_rows_s16_args){.x = p->x,
                                                   .ldx = p->ldx,
                                                   .q = a,
                                                   .ldq = g->lda,
                                                   .scales = a_scales,
                                                   .rows = g->m,
                                                   .width = g->k});
    int16_t *b = guard_new(side, columns * row * sizeof *b);
    float *b_scales = guard_floats(side, columns);
    k->gemm_s16_pack(p->w, p->ldw, g->n, g->k, b, b_scales);
    g->a = a, g->a_scales = a_scales, g->b = b, g->b_scales = b_scales;
}

/* `spare` columns lie between the rows of every matrix. */
static product product_new(const kernels *k, guard_side side, size_t m, size_t n, size_t depth,
                           size_t spare) {
    product p = {.kernels = k, .ldx = depth + spare, .ldw = depth + spare};
    gemm_s16_args *g = &p.args;
    g->m = m, g->n = n, g->k = depth;
    g->ldc = n + spare, g->ldr = n + spare;
    p.x = random_floats(side, m ? (m - 1) * p.ldx + depth : 0, 1);
    p.w = random_floats(side, n ? (n - 1) * p.ldw + depth : 0, 1);
    g->bias = random_floats(side, n, 1);
    g->residual = random_floats(side, m ? (m - 1) * g->ldr + n : 0, 1);
    size_t c_floats = m ? (m - 1) * g->ldc + n : 0;
    g->c = guard_floats(side, c_floats);
    for (size_t i = 0; i < c_floats; i++)
        g->c[i] = unused;
    quantize_operands(&p, side);
    return p;
}

/* What a sum may be wrong by: each operand is off by half a step of its scale, and the steps of a
 * row and of a column are independent, so their errors add up like a random walk. */
static double sum_limit(const product *p, const float *x, const float *w) {
    double xx = 0, ww = 0, k = (double)p->args.k;
    for (size_t i = 0; i < p->args.k; i++) {
        xx += (double)x[i] * x[i];
        ww += (double)w[i] * w[i];
    }
    double step_x = scale_of(x, p->args.k), step_w = scale_of(w, p->args.k);
    double typical = sqrt((step_x * step_x * ww + step_w * step_w * xx) / 12);
    return 7 * typical + k / 4 * step_x * step_w + 1e-5;
}

static void check_product(const product *p) {
    const gemm_s16_args *g = &p->args;
    for (size_t i = 0; i < g->m; i++) {
        const float *x = p->x + i * p->ldx;
        for (size_t j = 0; j < g->n; j++) {
            const float *w = p->w + j * p->ldw;
            double sum = g->bias ? g->bias[j] : 0;
            for (size_t l = 0; l < g->k; l++)
                sum += (double)x[l] * w[l];
            double before = g->residual ? g->residual[i * g->ldr + j] : 0;
            /* The steepest epilogue has a slope of 1.13. */
            double limit = 1.2 * sum_limit(p, x, w) + 4 * ROUNDING * fabs(sum);
            CHECK_NEAR(g->c[i * g->ldc + j], epilogue_of(g->epilogue, sum, before), limit,
                       "m %zu n %zu k %zu at %zu, %zu, epilogue %d: ", g->m, g->n, g->k, i, j,
                       (int)g->epilogue);
        }
        for (size_t j = g->n; i + 1 < g->m && j < g->ldc; j++)
            assert_true(g->c[i * g->ldc + j] == unused);
    }
}

static void run_product(const kernels *k, size_t m, size_t n, size_t depth, gemm_epilogue what) {
    for (guard_side side = 0; side < GUARD_SIDES; side++) {
        product p = product_new(k, side, m, n, depth, (m + n + depth) % 3);
        p.args.epilogue = what;
        p.args.bias = (n + depth) % 5 ? p.args.bias : NULL;
        k->gemm_s16(&p.args);
        check_product(&p);
        guard_free_all();
    }
}

/* All of a product in one call, and the same cut into rows and panels, give the same bits. */
static void check_splits(const kernels *k, size_t m, size_t n, size_t depth) {
    product p = product_new(k, GUARD_AFTER, m, n, depth, 0);
    k->gemm_s16(&p.args);
    float *whole = guard_floats(GUARD_AFTER, m * n);
    memcpy(whole, p.args.c, m * n * sizeof(float));
    for (size_t cut = 1; cut < m; cut++) {
        memset(p.args.c, 0, m * n * sizeof(float));
        gemm_s16_args part = p.args;
        part.m = cut;
        k->gemm_s16(&part);
        part.m = m - cut;
        part.a += cut * part.lda;
        part.a_scales += cut;
        part.c += cut * part.ldc;
        k->gemm_s16(&part);
        assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    }
    memset(p.args.c, 0, m * n * sizeof(float));
    size_t nr = k->gemm_f32_nr;
    for (size_t n0 = 0; n0 < n; n0 += nr) {
        gemm_s16_args part = p.args;
        part.n = n - n0 < nr ? n - n0 : nr;
        part.b += n0 * s16_row(depth);
        part.b_scales += n0;
        part.bias += n0;
        part.c += n0;
        k->gemm_s16(&part);
    }
    assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    guard_free_all();
}

/* The largest sums that there can be: rows and columns that are parallel or opposite, flat or with
 * one huge number, of every depth up to the limit. An overflow would change the sign. */
static void check_no_overflow(const kernels *k) {
    const size_t depths[] = {1, 2, 3, 4, 5, 64, 768, 3072, 20000, GEMM_S16_MAX_K};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        size_t n = depths[d];
        enum { SHAPES = 4 };
        /* A flat row's numbers are near 46000 / sqrt(n), and all are rounded the same way. */
        double limit = 1.1 * sqrt((double)n) / 46000 + 1e-5;
        product p = product_new(k, GUARD_AFTER, SHAPES, SHAPES, n, 0);
        for (size_t i = 0; i < n; i++) {
            float *x = p.x + i;
            x[0 * n] = 7.0f;
            x[1 * n] = -7.0f;
            x[2 * n] = i ? 0.7f : 1e4f;
            x[3 * n] = i % 3 ? 1.0f + 0x1p-20f : 0.5f; /* rounds up on most steps */
        }
        memcpy(p.w, p.x, SHAPES * n * sizeof(float));
        p.args.bias = NULL;
        quantize_operands(&p, GUARD_AFTER);
        k->gemm_s16(&p.args);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t j = 0; j < SHAPES; j++) {
                double sum = 0, xx = 0, ww = 0;
                for (size_t l = 0; l < n; l++) {
                    sum += (double)p.x[i * n + l] * p.w[j * n + l];
                    xx += (double)p.x[i * n + l] * p.x[i * n + l];
                    ww += (double)p.w[j * n + l] * p.w[j * n + l];
                }
                CHECK_NEAR(p.args.c[i * SHAPES + j], sum, limit * sqrt(xx * ww),
                           "depth %zu, shapes %zu and %zu: ", n, i, j);
            }
        guard_free_all();
    }
}

static void check_nan_stays(const kernels *k) {
    enum { M = 9, N = 21, DEPTH = 41 };
    product p = product_new(k, GUARD_AFTER, M, N, DEPTH, 0);
    p.x[3 * DEPTH + 7] = NAN;
    quantize_operands(&p, GUARD_AFTER);
    for (gemm_epilogue what = GEMM_STORE; what <= GEMM_ADD_RELU; what++) {
        p.args.epilogue = what;
        k->gemm_s16(&p.args);
        for (size_t i = 0; i < M * N; i++)
            assert_true(i / N == 3 ? isnan(p.args.c[i]) : isfinite(p.args.c[i]));
    }
    guard_free_all();
}

static void check_residual_in_place(const kernels *k) {
    product p = product_new(k, GUARD_AFTER, 11, 61, 530, 0), q = p;
    p.args.epilogue = q.args.epilogue = GEMM_ADD;
    k->gemm_s16(&p.args);
    q.args.c = guard_floats(GUARD_AFTER, 11 * 61);
    memcpy(q.args.c, q.args.residual, 11 * 61 * sizeof(float));
    q.args.residual = q.args.c;
    k->gemm_s16(&q.args);
    assert_memory_equal(p.args.c, q.args.c, 11 * 61 * sizeof(float));
    guard_free_all();
}

void check_gemm_s16(const kernels *k) {
    for (size_t m = 0; m <= 20; m++)
        run_product(k, m, k->gemm_f32_nr + 1, 37, GEMM_STORE);
    for (size_t n = 0; n <= 200; n++)
        run_product(k, k->gemm_f32_mr + 1, n, 19, (gemm_epilogue)(n % 7));
    for (size_t depth = 0; depth <= 200; depth++)
        run_product(k, 3, 20, depth, GEMM_STORE);
    for (gemm_epilogue what = GEMM_STORE; what <= GEMM_ADD_RELU; what++)
        run_product(k, 5, 53, 33, what);
    const size_t depths[] = {255, 512, 1100, 3072};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        run_product(k, 2 * k->gemm_f32_mr + 1, 9 * k->gemm_f32_nr + 3, depths[i], GEMM_STORE);
    check_splits(k, 2 * k->gemm_f32_mr + 3, 150, 600);
    check_splits(k, 17, 33, 49);
    check_residual_in_place(k);
    check_no_overflow(k);
    check_nan_stays(k);
}

/* Multiplied by a row with a single 1, a weight gives back its own numbers: every one of them is
 * where the product looks for it, within half a step. */
void check_gemm_s16_pack(const kernels *k) {
    for (size_t n = 0; n <= 200; n += n < 60 ? 1 : 7) {
        size_t depth = n % 23 + 1;
        product p = product_new(k, n % 2 ? GUARD_AFTER : GUARD_BEFORE, depth, n, depth, n % 4);
        for (size_t i = 0; i < depth; i++)
            for (size_t l = 0; l < depth; l++)
                p.x[i * p.ldx + l] = i == l;
        if (n > 3)
            memset(p.w + 2 * p.ldw, 0, depth * sizeof(float)); /* a column of zeros */
        p.args.bias = NULL;
        quantize_operands(&p, GUARD_AFTER);
        k->gemm_s16(&p.args);
        for (size_t j = 0; j < n; j++) {
            double step = scale_of(p.w + j * p.ldw, depth);
            CHECK_NEAR(p.args.b_scales[j], step, 1e-6 * step, "n %zu, scale %zu: ", n, j);
            for (size_t i = 0; i < depth; i++)
                CHECK_NEAR(p.args.c[i * p.args.ldc + j], p.w[j * p.ldw + i], 0.51 * step,
                           "n %zu, weight %zu, %zu: ", n, j, i);
        }
        for (size_t j = n; j < panels_of(k, n) * k->gemm_f32_nr; j++)
            assert_true(p.args.b_scales[j] == 0.0f);
        guard_free_all();
    }
}
