/* tests/kernels/check_gemm.c: matrix product against sums in double, every tail of m, n and k. */
#include "checks.h"

/* A product's operands, all at guard pages. */
typedef struct product {
    const kernels *kernels;
    gemm_f32_args args;
    float *w; /* as given to pack: [n, k] */
    size_t ldw;
    float *packed;
} product;

static const float untouched = 1234.5f;

/* `spare` columns lie between the rows of every matrix. */
static product product_new(const kernels *k, guard_side side, size_t m, size_t n, size_t depth,
                           size_t spare) {
    product p = {.kernels = k, .ldw = depth + spare};
    gemm_f32_args *g = &p.args;
    g->m = m, g->n = n, g->k = depth;
    g->lda = depth + spare, g->ldc = n + spare, g->ldr = n + spare;
    g->a = random_floats(side, m ? (m - 1) * g->lda + depth : 0, 1);
    g->bias = random_floats(side, n, 1);
    g->residual = random_floats(side, m ? (m - 1) * g->ldr + n : 0, 1);
    size_t c_floats = m ? (m - 1) * g->ldc + n : 0;
    g->c = guard_floats(side, c_floats);
    for (size_t i = 0; i < c_floats; i++)
        g->c[i] = untouched;
    p.w = random_floats(side, n ? (n - 1) * p.ldw + depth : 0, 1);
    p.packed = guard_floats(side, panels_of(k, n) * k->gemm_f32_nr * depth);
    k->gemm_f32_pack(p.w, p.ldw, n, depth, p.packed);
    g->b = p.packed;
    return p;
}

double epilogue_of(gemm_epilogue what, double y, double residual) {
    switch (what) {
    case GEMM_STORE:
        return y;
    case GEMM_ADD:
        return residual + y;
    case GEMM_QUICK_GELU:
        return y / (1 + exp(-1.702 * y));
    case GEMM_ERF_GELU:
        return y / 2 * (1 + erf(y * M_SQRT1_2));
    case GEMM_TANH_GELU:
        return y / 2 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (y + 0.044715 * y * y * y)));
    case GEMM_RELU:
        return fmax(y, 0);
    default:
        return fmax(residual + y, 0);
    }
}

static void check_product(const product *p) {
    const gemm_f32_args *g = &p->args;
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = 0, size = 1;
            for (size_t x = 0; x < g->k; x++) {
                double term = (double)g->a[i * g->lda + x] * p->w[j * p->ldw + x];
                sum += term;
                size += fabs(term);
            }
            double residual = g->residual ? g->residual[i * g->ldr + j] : 0;
            double bias = g->bias ? g->bias[j] : 0;
            double limit = ROUNDING * (2 * sqrt((double)g->k) + 8) * (size + fabs(residual));
            CHECK_NEAR(g->c[i * g->ldc + j], epilogue_of(g->epilogue, sum + bias, residual), limit,
                       "m %zu n %zu k %zu at %zu, %zu, epilogue %d: ", g->m, g->n, g->k, i, j,
                       (int)g->epilogue);
        }
        for (size_t j = g->n; i + 1 < g->m && j < g->ldc; j++)
            assert_true(g->c[i * g->ldc + j] == untouched);
    }
}

static void run_product(const kernels *k, size_t m, size_t n, size_t depth, gemm_epilogue what) {
    for (guard_side side = 0; side < GUARD_SIDES; side++) {
        product p = product_new(k, side, m, n, depth, (m + n + depth) % 3);
        p.args.epilogue = what;
        p.args.bias = (n + depth) % 5 ? p.args.bias : NULL;
        k->gemm_f32(&p.args);
        check_product(&p);
        guard_free_all();
    }
}

/* All of a product in one call, and the same cut into rows and panels, give the same bits. */
static void check_splits(const kernels *k, size_t m, size_t n, size_t depth) {
    product p = product_new(k, GUARD_AFTER, m, n, depth, 0);
    k->gemm_f32(&p.args);
    float *whole = guard_floats(GUARD_AFTER, m * n);
    memcpy(whole, p.args.c, m * n * sizeof(float));
    for (size_t cut = 1; cut < m; cut++) {
        memset(p.args.c, 0, m * n * sizeof(float));
        gemm_f32_args part = p.args;
        part.m = cut;
        k->gemm_f32(&part);
        part.m = m - cut;
        part.a += cut * part.lda;
        part.c += cut * part.ldc;
        k->gemm_f32(&part);
        assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    }
    memset(p.args.c, 0, m * n * sizeof(float));
    size_t nr = k->gemm_f32_nr;
    for (size_t n0 = 0; n0 < n; n0 += nr) {
        gemm_f32_args part = p.args;
        part.n = n - n0 < nr ? n - n0 : nr;
        part.b += n0 * depth;
        part.bias += n0;
        part.c += n0;
        k->gemm_f32(&part);
    }
    assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    guard_free_all();
}

static void check_residual_in_place(const kernels *k) {
    product p = product_new(k, GUARD_AFTER, 11, 61, 530, 0), q = p;
    p.args.epilogue = q.args.epilogue = GEMM_ADD;
    k->gemm_f32(&p.args);
    q.args.c = guard_floats(GUARD_AFTER, 11 * 61);
    memcpy(q.args.c, q.args.residual, 11 * 61 * sizeof(float));
    q.args.residual = q.args.c;
    k->gemm_f32(&q.args);
    assert_memory_equal(p.args.c, q.args.c, 11 * 61 * sizeof(float));
    guard_free_all();
}

/* A NaN or an infinity spoils its own row or column, never another. */
static void check_nan_stays(const kernels *k) {
    enum { M = 9, N = 21, DEPTH = 40 };
    product p = product_new(k, GUARD_AFTER, M, N, DEPTH, 0);
    float *a = guard_floats(GUARD_AFTER, M * DEPTH);
    memcpy(a, p.args.a, M * DEPTH * sizeof(float));
    a[3 * DEPTH + 7] = NAN;
    a[5 * DEPTH] = INFINITY;
    p.args.a = a;
    for (gemm_epilogue what = GEMM_STORE; what <= GEMM_ADD_RELU; what++) {
        p.args.epilogue = what;
        k->gemm_f32(&p.args);
        for (size_t j = 0; j < M * N; j++) {
            size_t row = j / N;
            if (row == 3)
                assert_true(isnan(p.args.c[j]));
            else if (row != 5)
                assert_true(isfinite(p.args.c[j]));
            else if (what == GEMM_STORE)
                assert_true(isinf(p.args.c[j]));
        }
    }
    guard_free_all();
}

void check_gemm_f32(const kernels *k) {
    for (size_t m = 0; m <= 20; m++)
        run_product(k, m, k->gemm_f32_nr + 1, 37, GEMM_STORE);
    for (size_t n = 0; n <= 200; n++)
        run_product(k, k->gemm_f32_mr + 1, n, 19, (gemm_epilogue)(n % 7));
    for (size_t depth = 0; depth <= 200; depth++)
        run_product(k, 3, 20, depth, GEMM_STORE);
    for (gemm_epilogue what = GEMM_STORE; what <= GEMM_ADD_RELU; what++)
        run_product(k, 5, 53, 33, what);
    const size_t depths[] = {255, 256, 257, 511, 512, 513, 1100, 4100};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        run_product(k, 2 * k->gemm_f32_mr + 1, 9 * k->gemm_f32_nr + 3, depths[i] / (i < 7 ? 1 : 2),
                    GEMM_STORE);
    run_product(k, 2, 7, 4100, GEMM_STORE);
    check_splits(k, 2 * k->gemm_f32_mr + 3, 150, 600);
    check_splits(k, 17, 33, 48);
    check_residual_in_place(k);
    check_nan_stays(k);
}

void check_gemm_f32_pack(const kernels *k) {
    size_t nr = k->gemm_f32_nr;
    for (size_t n = 0; n <= 200; n++) {
        guard_side side = n % 2 ? GUARD_AFTER : GUARD_BEFORE;
        size_t depth = n % 23 + 1, ldw = depth + n % 4;
        float *w = random_floats(side, n ? (n - 1) * ldw + depth : 0, 1);
        size_t floats = panels_of(k, n) * nr * depth;
        float *packed = guard_floats(side, floats);
        for (size_t i = 0; i < floats; i++)
            packed[i] = untouched;
        k->gemm_f32_pack(w, ldw, n, depth, packed);
        for (size_t i = 0; i < floats; i++) {
            size_t column = i / (nr * depth) * nr + i % nr, x = i / nr % depth;
            assert_true(packed[i] == (column < n ? w[column * ldw + x] : 0.0f));
        }
        guard_free_all();
    }
}
