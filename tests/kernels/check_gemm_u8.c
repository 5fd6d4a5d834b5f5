/* tests/kernels/check_gemm_u8.c: quantisation to bytes, and products of 8-bit integers: equal to
 * the sum in 64 bits of the very integers, whatever they are. */
#include "checks.h"

static const float unused = 1234.5f;

/* ---- quantisation ---- */

static void check_row(const float *x, size_t n, const uint8_t *q, float scale, int32_t zero) {
    double low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, (double)x[i]);
        high = fmax(high, (double)x[i]);
    }
    double expected = (high - low) / 255;
    CHECK_NEAR(scale, expected, 1e-6 * expected, "scale of %zu numbers: ", n);
    assert_true(zero >= 0 && zero <= 255);
    if (scale > 0)
        CHECK_NEAR(zero, -low / expected, 0.5001, "zero of %zu numbers: ", n);
    for (size_t i = 0; i < n; i++) {
        double exact = scale > 0 ? (double)x[i] / scale : 0;
        CHECK_NEAR((double)q[i] - zero, exact, 0.501, "number %zu of %zu: ", i, n);
        if (x[i] == 0)
            assert_int_equal(q[i], zero);
    }
}

static void quantize_floats(const kernels *k, guard_side side, size_t rows, size_t n, float *x,
                            size_t ldx) {
    size_t ldq = u8_row(n) + ldx % 3, bytes = rows ? (rows - 1) * ldq + u8_row(n) : 0;
    uint8_t *q = guard_new(side, bytes);
    float *scales = guard_floats(side, rows);
    int32_t *zeros = guard_new(side, rows * sizeof *zeros);
    memset(q, 0x55, bytes);
    k->quantize_rows_u8(&(quantize_rows_u8_args){.x = x,
                                                 .ldx = ldx,
                                                 .q = q,
                                                 .ldq = ldq,
                                                 .scales = scales,
                                                 .zeros = zeros,
                                                 .rows = rows,
                                                 .width = n});
    for (size_t r = 0; r < rows; r++) {
        check_row(x + r * ldx, n, q + r * ldq, scales[r], zeros[r]);
        for (size_t i = u8_row(n); r + 1 < rows && i < ldq; i++)
            assert_int_equal(q[r * ldq + i], 0x55);
    }
}

static void check_not_finite(const kernels *k) {
    enum { N = 67, ROWS = 5 };
    float *x = random_floats(GUARD_AFTER, ROWS * N, 1), scales[ROWS];
    uint8_t q[ROWS * 68];
    int32_t zeros[ROWS];
    x[0 * N + 66] = NAN;
    x[1 * N + 3] = INFINITY;
    x[2 * N] = -INFINITY;
    x[3 * N + 17] = NAN;
    k->quantize_rows_u8(&(quantize_rows_u8_args){.x = x,
                                                 .ldx = N,
                                                 .q = q,
                                                 .ldq = 68,
                                                 .scales = scales,
                                                 .zeros = zeros,
                                                 .rows = ROWS,
                                                 .width = N});
    for (size_t r = 0; r + 1 < ROWS; r++) {
        assert_true(isnan(scales[r]));
        assert_int_equal(zeros[r], 0);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(q[r * 68 + i], 0);
    }
    assert_true(scales[ROWS - 1] > 0);
    guard_free_all();
}

/* Of one sign, of both, flat, with one number that dwarfs the rest; huge, small, too small. */
static void check_shapes_of_rows(const kernels *k) {
    const float magnitudes[] = {0.0f, 1e-37f, 1e-20f, 1.0f, 1e25f, 3.4e38f};
    enum { N = 3072, SHAPES = 6 };
    for (size_t m = 0; m < sizeof magnitudes / sizeof *magnitudes; m++) {
        float *x = random_floats(GUARD_AFTER, SHAPES * N, magnitudes[m]);
        for (size_t i = 0; i < N; i++) {
            x[1 * N + i] = fabsf(x[1 * N + i]);
            x[2 * N + i] = -fabsf(x[2 * N + i]);
            x[3 * N + i] = magnitudes[m];
            x[4 * N + i] = i % 2 ? magnitudes[m] : -magnitudes[m];
            x[5 * N + i] = i == 1000 ? -magnitudes[m] : 1e-3f * x[5 * N + i];
        }
        if (magnitudes[m] == 0 || magnitudes[m] > 1e-30f) {
            quantize_floats(k, GUARD_AFTER, SHAPES, N, x, N);
        } else {
            uint8_t q[N];
            float scale = 1;
            int32_t zero = 1;
            k->quantize_rows_u8(&(quantize_rows_u8_args){.x = x,
                                                         .ldx = N,
                                                         .q = q,
                                                         .ldq = N,
                                                         .scales = &scale,
                                                         .zeros = &zero,
                                                         .rows = 1,
                                                         .width = N});
            assert_true(scale == 0.0f && zero == 0 && q[5] == 0);
        }
        guard_free_all();
    }
}

void check_quantize_rows_u8(const kernels *k) {
    for (guard_side side = 0; side < GUARD_SIDES; side++)
        for (size_t n = 0; n <= 200; n++) {
            size_t ldx = n + n % 4;
            quantize_floats(k, side, 3, n, random_floats(side, 2 * ldx + n, 1), ldx);
            guard_free_all();
        }
    check_shapes_of_rows(k);
    check_not_finite(k);
}

/* ---- operands ---- */

/* A product's operands, all at guard pages; `ints` are what the weights must have become. */
typedef struct product {
    const kernels *kernels;
    gemm_u8s8_args args;
    float *w; /* [N, K], before quantisation */
    size_t ldw;
    int32_t *ints; /* [N, K] */
} product;

static void pack_weights(product *p, guard_side side) {
    gemm_u8s8_args *g = &p->args;
    size_t columns = panels_of(p->kernels, g->n) * p->kernels->gemm_f32_nr;
    int8_t *b = guard_new(side, columns * u8_row(g->k));
    float *scales = guard_floats(side, columns);
    int32_t *sums = guard_new(side, columns * sizeof *sums);
    p->kernels->gemm_s8_pack(p->w, p->ldw, g->n, g->k, b, scales, sums);
    g->b = b, g->b_scales = scales, g->b_sums = sums;
    p->ints = guard_new(side, g->n * g->k * sizeof *p->ints);
    for (size_t i = 0; i < g->n * g->k; i++) {
        float scale = scales[i / g->k], w = p->w[i / g->k * p->ldw + i % g->k];
        p->ints[i] = scale > 0 ? (int32_t)rintf(w * (1.0f / scale)) : 0;
    }
}

/* Random bytes, scales and zero points; `spare` elements lie between the rows of every matrix. The
 * bytes that fill up a row are arbitrary. */
static product product_new(const kernels *k, guard_side side, size_t m, size_t n, size_t depth,
                           size_t spare) {
    product p = {.kernels = k, .ldw = depth + spare};
    gemm_u8s8_args *g = &p.args;
    g->m = m, g->n = n, g->k = depth;
    g->lda = u8_row(depth) + spare, g->ldc = n + spare, g->ldr = n + spare;
    size_t a_bytes = m ? (m - 1) * g->lda + u8_row(depth) : 0;
    uint8_t *a = guard_new(side, a_bytes);
    for (size_t i = 0; i < a_bytes; i++)
        a[i] = (uint8_t)(random_bits() >> 9);
    float *scales = guard_floats(side, m);
    int32_t *zeros = guard_new(side, m * sizeof *zeros);
    for (size_t i = 0; i < m; i++) {
        scales[i] = 1.0f + random_float() / 2;
        zeros[i] = (int32_t)(random_bits() >> 24);
    }
    g->a = a, g->a_scales = scales, g->a_zeros = zeros;
    p.w = random_floats(side, n ? (n - 1) * p.ldw + depth : 0, 1);
    g->bias = random_floats(side, n, 1);
    g->residual = random_floats(side, m ? (m - 1) * g->ldr + n : 0, 1);
    size_t c_floats = m ? (m - 1) * g->ldc + n : 0;
    g->c = guard_floats(side, c_floats);
    for (size_t i = 0; i < c_floats; i++)
        g->c[i] = unused;
    pack_weights(&p, side);
    return p;
}

/* The scales become 1, so that the product is the integer itself, rounded once. */
static void use_unit_scales(product *p) {
    size_t columns = panels_of(p->kernels, p->args.n) * p->kernels->gemm_f32_nr;
    float *ones = guard_floats(GUARD_AFTER, columns + p->args.m);
    for (size_t i = 0; i < columns + p->args.m; i++)
        ones[i] = 1.0f;
    p->args.a_scales = ones + columns;
    p->args.b_scales = ones;
    p->args.bias = NULL;
    p->args.epilogue = GEMM_STORE;
}

static int64_t exact_sum(const product *p, size_t i, size_t j) {
    const gemm_u8s8_args *g = &p->args;
    int64_t sum = 0;
    for (size_t l = 0; l < g->k; l++)
        sum += (int64_t)(g->a[i * g->lda + l] - g->a_zeros[i]) * p->ints[j * g->k + l];
    return sum;
}

/* ---- product ---- */

static void check_exact(const product *p) {
    const gemm_u8s8_args *g = &p->args;
    p->kernels->gemm_u8s8(g);
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            int64_t sum = exact_sum(p, i, j);
            assert_true(sum >= INT32_MIN && sum <= INT32_MAX);
            CHECK_NEAR(g->c[i * g->ldc + j], (double)(float)sum, 0,
                       "m %zu n %zu k %zu at %zu, %zu: ", g->m, g->n, g->k, i, j);
        }
        for (size_t j = g->n; i + 1 < g->m && j < g->ldc; j++)
            assert_true(g->c[i * g->ldc + j] == unused);
    }
}

static void check_scaled(const product *p) {
    const gemm_u8s8_args *g = &p->args;
    p->kernels->gemm_u8s8(g);
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n; j++) {
            double sum = (double)exact_sum(p, i, j) * g->a_scales[i] * g->b_scales[j];
            double bias = g->bias ? g->bias[j] : 0, before = g->residual[i * g->ldr + j];
            double limit = 16 * ROUNDING * (fabs(sum) + fabs(bias) + fabs(before)) + 1e-6;
            CHECK_NEAR(g->c[i * g->ldc + j], epilogue_of(g->epilogue, sum + bias, before), limit,
                       "m %zu n %zu k %zu at %zu, %zu, epilogue %d: ", g->m, g->n, g->k, i, j,
                       (int)g->epilogue);
        }
}

static void run_product(const kernels *k, size_t m, size_t n, size_t depth) {
    for (guard_side side = 0; side < GUARD_SIDES; side++) {
        product p = product_new(k, side, m, n, depth, (m + n + depth) % 3);
        p.args.epilogue = (gemm_epilogue)((m + n + depth) % 7);
        p.args.bias = (n + depth) % 5 ? p.args.bias : NULL;
        check_scaled(&p);
        use_unit_scales(&p);
        check_exact(&p);
        guard_free_all();
    }
}

/* All of a product in one call, and the same cut into rows and panels, give the same bits. */
static void check_splits(const kernels *k, size_t m, size_t n, size_t depth) {
    product p = product_new(k, GUARD_AFTER, m, n, depth, 0);
    k->gemm_u8s8(&p.args);
    float *whole = guard_floats(GUARD_AFTER, m * n);
    memcpy(whole, p.args.c, m * n * sizeof(float));
    for (size_t cut = 1; cut < m; cut++) {
        memset(p.args.c, 0, m * n * sizeof(float));
        gemm_u8s8_args part = p.args;
        part.m = cut;
        k->gemm_u8s8(&part);
        part.m = m - cut;
        part.a += cut * part.lda;
        part.a_scales += cut;
        part.a_zeros += cut;
        part.c += cut * part.ldc;
        k->gemm_u8s8(&part);
        assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    }
    memset(p.args.c, 0, m * n * sizeof(float));
    size_t nr = k->gemm_f32_nr;
    for (size_t n0 = 0; n0 < n; n0 += nr) {
        gemm_u8s8_args part = p.args;
        part.n = n - n0 < nr ? n - n0 : nr;
        part.b += n0 * u8_row(depth);
        part.b_scales += n0;
        part.b_sums += n0;
        part.bias += n0;
        part.c += n0;
        k->gemm_u8s8(&part);
    }
    assert_memory_equal(p.args.c, whole, m * n * sizeof(float));
    guard_free_all();
}

/* The largest sums that there can be, of 32 bits and of the 16 bits in which some tiers add up
 * products: activations at the ends of their range against weights that are all positive, all
 * negative, positive and negative by turns in several rhythms, or one large number in each of the
 * places of a group. */
static void check_worst_case(const kernels *k, size_t depth) {
    enum { ROWS = 6, COLUMNS = 21 };
    product p = product_new(k, GUARD_AFTER, ROWS, COLUMNS, depth, 0);
    uint8_t *a = guard_new(GUARD_AFTER, ROWS * p.args.lda);
    int32_t *zeros = guard_new(GUARD_AFTER, ROWS * sizeof *zeros);
    static const int32_t ends[ROWS] = {0, 255, 0, 255, 128, 127};
    for (size_t i = 0; i < ROWS; i++)
        for (size_t l = 0; l < depth; l++) {
            zeros[i] = ends[i];
            a[i * p.args.lda + l] = i == 1 ? 0 : i == 3 ? l % 2 * 255 : 255;
        }
    for (size_t j = 0; j < COLUMNS; j++)
        for (size_t l = 0; l < depth; l++) {
            float sign = j < 2 ? 1.0f : (l >> (j / 2 - 1) % 5) % 2 ? 1.0f : -1.0f;
            float size = j < 12 ? 1.0f : l % 8 == j - 12 ? 1.0f : 0.01f * (float)(l % 3);
            p.w[j * p.ldw + l] = (j % 2 ? -sign : sign) * size;
        }
    p.args.a = a, p.args.a_zeros = zeros;
    pack_weights(&p, GUARD_AFTER);
    use_unit_scales(&p);
    check_exact(&p);
    guard_free_all();
}

static void check_nan_stays(const kernels *k) {
    enum { M = 9, N = 21, DEPTH = 41 };
    product p = product_new(k, GUARD_AFTER, M, N, DEPTH, 0);
    float scales[M];
    memcpy(scales, p.args.a_scales, sizeof scales);
    scales[3] = NAN;
    p.args.a_scales = scales;
    for (gemm_epilogue what = GEMM_STORE; what <= GEMM_ADD_RELU; what++) {
        p.args.epilogue = what;
        k->gemm_u8s8(&p.args);
        for (size_t i = 0; i < M * N; i++)
            assert_true(i / N == 3 ? isnan(p.args.c[i]) : isfinite(p.args.c[i]));
    }
    guard_free_all();
}

static void check_residual_in_place(const kernels *k) {
    product p = product_new(k, GUARD_AFTER, 11, 61, 530, 0), q = p;
    p.args.epilogue = q.args.epilogue = GEMM_ADD;
    k->gemm_u8s8(&p.args);
    q.args.c = guard_floats(GUARD_AFTER, 11 * 61);
    memcpy(q.args.c, q.args.residual, 11 * 61 * sizeof(float));
    q.args.residual = q.args.c;
    k->gemm_u8s8(&q.args);
    assert_memory_equal(p.args.c, q.args.c, 11 * 61 * sizeof(float));
    guard_free_all();
}

void check_gemm_u8s8(const kernels *k) {
    for (size_t m = 0; m <= 70; m += m < 20 ? 1 : 5)
        run_product(k, m, k->gemm_f32_nr + 1, 37);
    for (size_t n = 0; n <= 200; n++)
        run_product(k, k->gemm_u8_mr + 1, n, 19);
    for (size_t depth = 0; depth <= 200; depth++)
        run_product(k, 3, 20, depth);
    const size_t depths[] = {255, 512, 1100, 3072};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        run_product(k, 2 * k->gemm_u8_mr + 1, k->gemm_f32_nr + 3, depths[i]);
    const size_t deep[] = {1, 2, 3, 4, 5, 8, 12, 64, 768, 3072};
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++)
        check_worst_case(k, deep[i]);
    check_splits(k, 2 * k->gemm_u8_mr + 3, 150, 600);
    check_splits(k, 17, 33, 49);
    check_splits(k, 4, 9 * k->gemm_f32_nr + 3, 3072); /* several groups of panels */
    check_residual_in_place(k);
    check_nan_stays(k);
}

/* ---- packing ---- */

/* The packed weights of column j as the product sees them: each multiplied with a single 1. */
static void find_integers(const product *p, size_t j, int32_t *found) {
    size_t depth = p->args.k, nr = p->kernels->gemm_f32_nr, first = j / nr * nr;
    uint8_t row[64] = {0};
    float ones[64], c[64];
    for (size_t i = 0; i < nr; i++)
        ones[i] = 1.0f;
    for (size_t l = 0; l < depth; l++) {
        row[l] = 1;
        p->kernels->gemm_u8s8(&(gemm_u8s8_args){.a = row,
                                                .lda = sizeof row,
                                                .a_scales = ones,
                                                .a_zeros = (const int32_t[]){0},
                                                .b = p->args.b + first * u8_row(depth),
                                                .b_scales = ones,
                                                .b_sums = p->args.b_sums + first,
                                                .c = c,
                                                .ldc = nr,
                                                .m = 1,
                                                .n = nr,
                                                .k = depth});
        row[l] = 0;
        found[l] = (int32_t)c[j - first];
    }
}

/* The scale that a column gets: by its largest number, or by the largest sum of one sign in a group
 * of four of which a tier adds up the products in 16 bits. */
static void check_scale(const float *w, size_t n, float scale) {
    double largest = 0, group = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)w[i]));
    for (size_t first = 0; first < n; first += first % 4 ? 6 : 2) {
        const size_t members[] = {first, first + 1, first + 4, first + 5};
        double above = 0, below = 0;
        for (size_t i = 0; i < 4 && members[i] < n; i++) {
            above += fmax((double)w[members[i]], 0);
            below -= fmin((double)w[members[i]], 0);
        }
        group = fmax(group, fmax(above, below));
    }
    double plain = largest / 127, grouped = fmax(plain, group / 126);
    if (fabs(scale - plain) > 1e-6 * plain)
        CHECK_NEAR(scale, grouped, 1e-6 * grouped, "scale of %zu weights: ", n);
}

void check_gemm_s8_pack(const kernels *k) {
    for (size_t n = 0; n <= 200; n += n < 60 ? 1 : 7) {
        size_t depth = n % 37 + 1;
        product p = product_new(k, n % 2 ? GUARD_AFTER : GUARD_BEFORE, 0, n, depth, n % 4);
        if (n > 4) {
            memset(p.w + 2 * p.ldw, 0, depth * sizeof(float)); /* a column of zeros */
            p.w[3 * p.ldw + depth / 2] = n % 3 ? NAN : INFINITY;
            pack_weights(&p, GUARD_AFTER);
        }
        for (size_t j = 0; j < n; j++) {
            const float *w = p.w + j * p.ldw;
            float scale = p.args.b_scales[j];
            int32_t sum = 0, found[64];
            find_integers(&p, j, found);
            for (size_t l = 0; l < depth; l++) {
                assert_int_equal(found[l], p.ints[j * depth + l]);
                sum += found[l];
            }
            assert_int_equal(p.args.b_sums[j], sum);
            if (n > 4 && j == 3)
                assert_true(isnan(scale));
            else
                check_scale(w, depth, scale);
        }
        for (size_t j = n; j < panels_of(k, n) * k->gemm_f32_nr; j++)
            assert_true(p.args.b_scales[j] == 0.0f && p.args.b_sums[j] == 0);
        guard_free_all();
    }
}
