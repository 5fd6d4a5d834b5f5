/* Linear layers, attention, layer norm and convolution against double precision, and with the same
 * bits for any number of threads, on every CPU tier that runs here. */
#include "numbers.h"

#include "base/mem.h"
#include "tensor/attention.h"
#include "tensor/conv.h"
#include "tensor/norm.h"

#include <math.h>
#include <string.h>

enum { most_threads = 3 };
static ken_pool *pools[most_threads + 1]; /* NULL at 0 and 1 */

static int make_pools(void **state) {
    (void)state;
    for (int n = 2; n <= most_threads; n++)
        if (ken_pool_new(n, &pools[n], NULL) != KEN_OK)
            return -1;
    return 0;
}

static int free_pools(void **state) {
    (void)state;
    for (int n = 2; n <= most_threads; n++)
        ken_pool_free(pools[n]);
    return 0;
}

/* Runs `body` on every tier and number of threads; it compares each run with the first of its tier.
 */
typedef void body_fn(const exec *e, bool first, void *context);

static void on_all(body_fn *body, void *context, size_t scratch_floats) {
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const kernels *k = kernels_find(kernels_tier_name(i), NULL);
        if (!k)
            continue;
        for (int threads = 1; threads <= most_threads; threads++) {
            float *scratch = numbers(scratch_floats * (size_t)threads + 1, 9);
            exec e = {.kernels = k,
                      .pool = pools[threads],
                      .scratch = scratch,
                      .scratch_floats = scratch_floats};
            body(&e, threads == 1, context);
            mem_free(scratch);
        }
    }
}

/* ---- workspace ---- */

static void test_workspace_counts_what_it_takes(void **state) {
    (void)state;
    workspace counting = {0};
    assert_null(workspace_floats(&counting, 3));
    assert_null(workspace_take(&counting, 5, 1));
    assert_int_equal(counting.used_bytes, 128);
    char *block = mem_alloc(counting.used_bytes);
    workspace w = {.base = block};
    float *first = workspace_floats(&w, 3);
    char *second = workspace_take(&w, 5, 1);
    assert_ptr_equal(first, block);
    assert_ptr_equal(second, block + 64);
    assert_int_equal(w.used_bytes, counting.used_bytes);
    mem_free(block);
}

static void test_workspace_overflow_cannot_be_allocated(void **state) {
    (void)state;
    workspace w = {0};
    workspace_take(&w, SIZE_MAX / 2, 4);
    assert_int_equal(w.used_bytes, SIZE_MAX);
    workspace_take(&w, 1, 1);
    assert_int_equal(w.used_bytes, SIZE_MAX);
    assert_null(mem_alloc(w.used_bytes));
}

/* ---- linear ---- */

/* What sums of some hundred products of numbers below 1 may be wrong by. */
static double limit_of(ken_precision precision) {
    return precision == KEN_PRECISION_F32 ? 1e-4 : precision == KEN_PRECISION_S16 ? 7e-3 : 0.3;
}

typedef struct linear_case {
    ken_precision precision;
    size_t rows, n, k;
    gemm_epilogue epilogue;
    float *x, *w, *bias, *residual, *first;
    double *expected;
} linear_case;

static void check_linear(const exec *e, bool first, void *context) {
    linear_case *c = context;
    arena memory = {0};
    linear l;
    assert_int_equal(
        linear_init(&l, e->kernels, c->precision, c->w, c->k, c->bias, c->n, c->k, &memory, NULL),
        KEN_OK);
    size_t size = c->rows * c->n * sizeof(float);
    float *y = mem_alloc(size);
    memcpy(y, c->residual, size); /* in place, as the residual stream is */
    exec mine = *e;
    mine.quantized = mem_alloc(linear_quantized_bytes(&l, c->rows) + 1);
    linear_run(&mine, &l,
               &(linear_args){.x = c->x,
                              .ldx = c->k,
                              .y = y,
                              .ldy = c->n,
                              .rows = c->rows,
                              .epilogue = c->epilogue,
                              .residual = c->epilogue == GEMM_ADD ? y : NULL,
                              .ldr = c->n});
    assert_close(y, c->expected, c->rows * c->n, limit_of(c->precision), "linear");
    mem_free(mine.quantized);
    if (first)
        memcpy(c->first, y, size);
    assert_memory_equal(y, c->first, size);
    mem_free(y);
    arena_free(&memory);
}

static void linear_of(size_t rows, size_t n, size_t k, gemm_epilogue epilogue) {
    linear_case c = {KEN_PRECISION_F32,
                     rows,
                     n,
                     k,
                     epilogue,
                     .x = numbers(rows * k, 1),
                     .w = numbers(n * k, 2),
                     .bias = numbers(n, 3),
                     .residual = numbers(rows * n, 4),
                     .first = numbers(rows * n, 5),
                     .expected = mem_zalloc(rows * n, sizeof(double))};
    for (size_t m = 0; m < rows; m++)
        for (size_t o = 0; o < n; o++) {
            double sum = c.bias[o] + (epilogue == GEMM_ADD ? (double)c.residual[m * n + o] : 0);
            for (size_t i = 0; i < k; i++)
                sum += (double)c.x[m * k + i] * c.w[o * k + i];
            c.expected[m * n + o] = epilogue == GEMM_RELU && sum < 0 ? 0 : sum;
        }
    for (; c.precision <= KEN_PRECISION_INT8; c.precision++)
        on_all(check_linear, &c, 1);
    mem_free(c.x);
    mem_free(c.w);
    mem_free(c.bias);
    mem_free(c.residual);
    mem_free(c.first);
    mem_free(c.expected);
}

static void test_linear(void **state) {
    (void)state;
    linear_of(1, 1, 1, GEMM_STORE);
    linear_of(50, 77, 64, GEMM_ADD);
    linear_of(3, 500, 200, GEMM_RELU);  /* split by panels */
    linear_of(700, 10, 90, GEMM_STORE); /* one panel: split by rows */
    linear_of(301, 130, 33, GEMM_ADD);  /* split by both */
}

/* A blob holds no pointers and no bytes that were there before: copied elsewhere it is the same
 * layer, and packed twice it has the same bytes. */
static void test_linear_blob(void **state) {
    (void)state;
    enum { n = 37, k = 19, rows = 5 };
    float *w = numbers(n * k, 1), *bias = numbers(n, 2), *x = numbers(rows * k, 3);
    for (int i = 0; i < 6; i++) {
        const kernels *best = kernels_best();
        linear_shape shape = {KEN_PRECISION_F32 + i % 3, n, k, .bias = i < 3};
        size_t bytes = linear_blob_bytes(best, &shape);
        char *blob = mem_alloc(bytes), *again = mem_alloc(bytes);
        memset(blob, 0x55, bytes);
        memset(again, 0xaa, bytes);
        linear_pack(best, &shape, w, k, shape.bias ? bias : NULL, blob);
        linear_pack(best, &shape, w, k, shape.bias ? bias : NULL, again);
        assert_memory_equal(blob, again, bytes);
        float y[2][rows * n], quantized[512];
        exec e = {.kernels = best, .quantized = quantized};
        for (int copy = 0; copy < 2; copy++) {
            linear l;
            linear_bind(&l, best, &shape, copy ? again : blob);
            assert_true(linear_quantized_bytes(&l, rows) <= sizeof quantized);
            linear_run(&e, &l,
                       &(linear_args){.x = x, .ldx = k, .y = y[copy], .ldy = n, .rows = rows});
            memset(blob, 0, bytes);
        }
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        mem_free(blob);
        mem_free(again);
    }
    mem_free(w);
    mem_free(bias);
    mem_free(x);
}

static void test_linear_blob_overflow(void **state) {
    (void)state;
    static const size_t sizes[][2] = {
        {SIZE_MAX, 1}, {1, SIZE_MAX}, {SIZE_MAX / 8, 8}, {1, SIZE_MAX / 4}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_INT8; p++)
            assert_int_equal(
                linear_blob_bytes(kernels_best(),
                                  &(linear_shape){p, sizes[i][0], sizes[i][1], .bias = true}),
                SIZE_MAX);
}

static void test_linear_out_of_memory(void **state) {
    (void)state;
    float *w = numbers(6, 1);
    ken_error err;
    for (uint64_t failing = 1; failing <= 6; failing++) {
        arena memory = {.max_bytes = failing % 2 ? 1 : 1 << 16};
        mem_fail_after(failing % 2 ? 0 : 1, false);
        linear l;
        ken_precision precision = KEN_PRECISION_F32 + (ken_precision)((failing - 1) / 2);
        assert_int_equal(
            linear_init(&l, kernels_best(), precision, w, 3, NULL, 2, 3, &memory, &err),
            KEN_NO_MEMORY);
        mem_fail_after(0, false);
        assert_int_equal(err.status, KEN_NO_MEMORY);
        arena_free(&memory);
    }
    mem_free(w);
}

/* More inputs than the integers can sum: f32 then. */
static void test_linear_too_deep_for_integers(void **state) {
    (void)state;
    enum { k = GEMM_S16_MAX_K + 1 };
    float *w = numbers(k, 1);
    arena memory = {0};
    linear l;
    for (ken_precision p = KEN_PRECISION_S16; p <= KEN_PRECISION_INT8; p++) {
        assert_int_equal(linear_init(&l, kernels_best(), p, w, k, NULL, 1, k, &memory, NULL),
                         KEN_OK);
        assert_int_equal(l.precision, KEN_PRECISION_F32);
        assert_int_equal(linear_quantized_bytes(&l, 10), 0);
        assert_int_equal(linear_init(&l, kernels_best(), p, w, 9, NULL, 3, 9, &memory, NULL),
                         KEN_OK);
        assert_int_equal(l.precision, p);
        /* Scales, zeros and numbers, each in whole cache lines. */
        assert_int_equal(linear_quantized_bytes(&l, 10),
                         p == KEN_PRECISION_S16 ? 64 + 256 : 64 + 64 + 128);
        assert_int_equal(linear_quantized_bytes(&l, SIZE_MAX / 2), SIZE_MAX);
    }
    arena_free(&memory);
    mem_free(w);
}

/* ---- attention ---- */

typedef struct attention_case {
    attention_args args;
    float *first;
    double *expected;
    size_t floats;
} attention_case;

static void check_attention(const exec *e, bool first, void *context) {
    attention_case *c = context;
    float *out = mem_zalloc(c->floats, sizeof *out);
    attention_args args = c->args;
    args.out = out;
    attention_run(e, &args);
    assert_close(out, c->expected, c->floats, args.precision == KEN_PRECISION_F32 ? 1e-5 : 2e-4,
                 "attention");
    if (first)
        memcpy(c->first, out, c->floats * sizeof *out);
    assert_memory_equal(out, c->first, c->floats * sizeof *out);
    mem_free(out);
}

static void attend(const attention_args *a, size_t query, size_t k_begin, size_t k_end,
                   size_t column, double *out) {
    double weight[64], sum = 0;
    for (size_t j = k_begin; j < k_end; j++) {
        double score = 0;
        for (size_t i = 0; i < a->head_width; i++)
            score += (double)a->q[query * a->ldq + column + i] * a->k[j * a->ldk + column + i];
        sum += weight[j - k_begin] = exp(score);
    }
    for (size_t i = 0; i < a->head_width; i++)
        for (size_t j = k_begin; j < k_end; j++)
            out[i] += weight[j - k_begin] / sum * a->v[j * a->ldv + column + i];
}

/* Sequences of different lengths, packed; heads of an odd width. */
static void test_attention(void **state) {
    (void)state;
    enum { heads = 3, head_width = 5, d = heads * head_width, rows = 23 };
    static const size_t begin[] = {0, 1, 8, 23};
    float *qkv = numbers(rows * 3 * d, 1);
    for (int causal = 0; causal < 2; causal++) {
        attention_case c = {.args = {.q = qkv,
                                     .k = qkv + d,
                                     .v = qkv + 2 * d,
                                     .ldq = 3 * d,
                                     .ldk = 3 * d,
                                     .ldv = 3 * d,
                                     .ldo = d,
                                     .n_sequences = 3,
                                     .q_begin = begin,
                                     .k_begin = begin,
                                     .heads = heads,
                                     .head_width = head_width,
                                     .causal = causal},
                            .floats = rows * d,
                            .first = numbers(rows * d, 2),
                            .expected = mem_zalloc(rows * d, sizeof(double))};
        for (size_t s = 0; s < 3; s++)
            for (size_t i = begin[s]; i < begin[s + 1]; i++)
                for (size_t h = 0; h < heads; h++)
                    attend(&c.args, i, begin[s], causal ? i + 1 : begin[s + 1], h * head_width,
                           c.expected + i * d + h * head_width);
        size_t scratch = attention_scratch(15, 15, head_width);
        c.args.precision = KEN_PRECISION_F32;
        on_all(check_attention, &c, scratch);
        c.args.precision = KEN_PRECISION_S16;
        on_all(check_attention, &c, scratch);
        mem_free(c.first);
        mem_free(c.expected);
    }
    mem_free(qkv);
}

/* ---- layer norm ---- */

typedef struct norm_case {
    layer_norm ln;
    size_t rows;
    float *x, *first;
    double *expected;
} norm_case;

static void check_norm(const exec *e, bool first, void *context) {
    norm_case *c = context;
    size_t d = c->ln.width, size = c->rows * d * sizeof(float);
    float *y = mem_alloc(size);
    memcpy(y, c->x, size);
    layer_norm_run(e, &c->ln, y, d, y, d, c->rows);
    assert_close(y, c->expected, c->rows * d, 1e-5, "layer norm");
    if (first)
        memcpy(c->first, y, size);
    assert_memory_equal(y, c->first, size);
    layer_norm_run(e, &c->ln, y, d, y, d, 0); /* no rows: nothing happens */
    mem_free(y);
}

static void test_layer_norm(void **state) {
    (void)state;
    enum { rows = 400, d = 97 };
    norm_case c = {.ln = {.weight = numbers(d, 1), .bias = numbers(d, 2), .width = d, .eps = 1e-5f},
                   .rows = rows,
                   .x = numbers(rows * d, 3),
                   .first = numbers(rows * d, 4),
                   .expected = mem_zalloc(rows * d, sizeof(double))};
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < d; i++)
            mean += c.x[r * d + i] / (double)d;
        for (size_t i = 0; i < d; i++)
            variance += pow(c.x[r * d + i] - mean, 2) / d;
        for (size_t i = 0; i < d; i++)
            c.expected[r * d + i] =
                (c.x[r * d + i] - mean) / sqrt(variance + 1e-5) * c.ln.weight[i] + c.ln.bias[i];
    }
    on_all(check_norm, &c, 1);
    MEM_FREE(c.ln.weight);
    MEM_FREE(c.ln.bias);
    mem_free(c.x);
    mem_free(c.first);
    mem_free(c.expected);
}

/* ---- convolution ---- */

typedef struct conv_case {
    ken_precision precision;
    conv2d shape;
    size_t batch, height, width, n_out;
    float *x, *w, *bias, *residual, *first;
    double *expected;
    size_t floats;
} conv_case;

/* w is [C_out, ky, kx, C_in], x and the result [B, H, W, C]. */
static double convolve(const conv_case *c, size_t b, size_t oy, size_t ox, size_t o) {
    const conv2d *s = &c->shape;
    double sum = c->bias[o];
    for (size_t ky = 0; ky < s->kernel; ky++)
        for (size_t kx = 0; kx < s->kernel; kx++) {
            size_t y = oy * s->stride + ky - s->padding, x = ox * s->stride + kx - s->padding;
            if (y >= c->height || x >= c->width) /* below 0 wraps to beyond, too */
                continue;
            for (size_t i = 0; i < s->channels; i++)
                sum += (double)c->x[((b * c->height + y) * c->width + x) * s->channels + i] *
                       c->w[((o * s->kernel + ky) * s->kernel + kx) * s->channels + i];
        }
    return sum;
}

static void check_conv(const exec *e, bool first, void *context) {
    conv_case *c = context;
    arena memory = {0};
    conv2d conv = c->shape;
    size_t k = conv.kernel * conv.kernel * conv.channels;
    assert_int_equal(linear_init(&conv.weight, e->kernels, c->precision, c->w, k, c->bias, c->n_out,
                                 k, &memory, NULL),
                     KEN_OK);
    assert_true(conv2d_scratch(&conv, e->kernels) <= e->scratch_floats);
    float *y = mem_alloc(c->floats * sizeof *y);
    memcpy(y, c->residual, c->floats * sizeof *y);
    exec mine = *e; /* a convolution in s16 needs nothing but its scratch */
    mine.quantized = NULL;
    conv2d_run(&mine, &conv,
               &(conv2d_args){.x = c->x,
                              .y = y,
                              .batch = c->batch,
                              .height = c->height,
                              .width = c->width,
                              .epilogue = GEMM_ADD_RELU,
                              .residual = y});
    assert_close(y, c->expected, c->floats, limit_of(c->precision), "convolution");
    if (first)
        memcpy(c->first, y, c->floats * sizeof *y);
    assert_memory_equal(y, c->first, c->floats * sizeof *y);
    mem_free(y);
    arena_free(&memory);
}

static void conv_of(size_t kernel, size_t stride, size_t side, size_t channels, size_t n_out) {
    conv_case c = {
        .shape = {.channels = channels, .kernel = kernel, .stride = stride, .padding = kernel / 2},
        .batch = 3,
        .height = side,
        .width = side + 2,
        .n_out = n_out};
    size_t out_height = conv2d_out_size(&c.shape, c.height),
           out_width = conv2d_out_size(&c.shape, c.width);
    c.floats = c.batch * out_height * out_width * n_out;
    c.x = numbers(c.batch * c.height * c.width * channels, 1);
    c.w = numbers(n_out * kernel * kernel * channels, 2);
    c.bias = numbers(n_out, 3);
    c.residual = numbers(c.floats, 4);
    c.first = numbers(c.floats, 5);
    c.expected = mem_zalloc(c.floats, sizeof(double));
    for (size_t i = 0; i < c.floats; i++) {
        size_t at = i / n_out;
        double sum =
            c.residual[i] + convolve(&c, at / (out_height * out_width), at / out_width % out_height,
                                     at % out_width, i % n_out);
        c.expected[i] = sum > 0 ? sum : 0;
    }
    for (c.precision = KEN_PRECISION_F32; c.precision <= KEN_PRECISION_INT8; c.precision++)
        on_all(check_conv, &c, 128 * 1024);
    mem_free(c.x);
    mem_free(c.w);
    mem_free(c.bias);
    mem_free(c.residual);
    mem_free(c.first);
    mem_free(c.expected);
}

static void test_conv(void **state) {
    (void)state;
    conv_of(1, 1, 5, 7, 9); /* a linear layer */
    conv_of(3, 1, 6, 5, 11);
    conv_of(3, 2, 9, 3, 4);   /* a stem */
    conv_of(3, 1, 24, 33, 8); /* several strips a picture */
}

static void check_avg_pool(const exec *e, bool first, void *context) {
    (void)first;
    const float *x = context;
    float y[2 * 2 * 1 * 3];
    avg_pool2d_run(e, x, y, 2, 5, 3, 3, 2); /* 5 x 3 -> 2 x 1: the rest is dropped */
    for (size_t b = 0; b < 2; b++)
        for (size_t oy = 0; oy < 2; oy++)
            for (size_t c = 0; c < 3; c++) {
                const float *corner = x + ((b * 5 + 2 * oy) * 3) * 3 + c;
                double mean = (corner[0] + (double)corner[3] + corner[9] + corner[12]) / 4;
                assert_close(&y[(b * 2 + oy) * 3 + c], &mean, 1, 1e-6, "mean pooling");
            }
}

static void test_avg_pool(void **state) {
    (void)state;
    float *x = numbers(2 * 5 * 3 * 3, 1);
    on_all(check_avg_pool, x, 1);
    mem_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workspace_counts_what_it_takes),
        cmocka_unit_test(test_workspace_overflow_cannot_be_allocated),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_blob),
        cmocka_unit_test(test_linear_blob_overflow),
        cmocka_unit_test(test_linear_out_of_memory),
        cmocka_unit_test(test_linear_too_deep_for_integers),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_avg_pool),
    };
    return cmocka_run_group_tests(tests, make_pools, free_pools);
}
