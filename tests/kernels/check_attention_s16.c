/* tests/kernels/check_attention_s16.c: one head of attention in 16-bit integers: against double
 * within what rounding the operands may do, in its direction on data of all kinds, and without
 * overflow where sums are largest. */
#include "checks.h"

typedef struct head {
    guard_side side;
    size_t n_queries, n_keys, width, spare;
    bool causal;
} head;

static attention_f32_args head_args(const head *h) {
    size_t ld = h->width + h->spare;
    attention_f32_args t = {.ldq = ld,
                            .ldk = ld,
                            .ldv = ld,
                            .ldo = ld,
                            .n_queries = h->n_queries,
                            .n_keys = h->n_keys,
                            .head_width = h->width,
                            .causal = h->causal};
    size_t query_floats = h->n_queries ? (h->n_queries - 1) * ld + h->width : 0;
    size_t key_floats = (h->n_keys - 1) * ld + h->width;
    t.q = random_floats(h->side, query_floats, 1);
    t.k = random_floats(h->side, key_floats, 1);
    t.v = random_floats(h->side, key_floats, 1);
    t.out = guard_floats(h->side, query_floats);
    t.scratch = guard_floats(h->side, attention_s16_scratch(h->n_queries, h->n_keys, h->width));
    return t;
}

/* ---- what is expected ---- */

enum { MAX_KEYS = 3001, MAX_WIDTH = 300 };

typedef struct expectation {
    double out[MAX_WIDTH];
    double limit[MAX_WIDTH];
} expectation;

static double norm_of(const float *x, size_t n, size_t ld) {
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i * ld] * x[i * ld];
    return sqrt(squares);
}

static double largest_of(const float *x, size_t n, size_t ld) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)x[i * ld]));
    return largest;
}

/* Half a step of a vector's integers. */
static double half_step(const float *x, size_t n, size_t ld) {
    return 0.5 * fmax(largest_of(x, n, ld) / 32767, norm_of(x, n, ld) / 46000);
}

/* A query's result in double, and how far off half a step in every operand can make it. */
static void expect(const attention_f32_args *t, size_t i, expectation *e) {
    static double p[MAX_KEYS];
    size_t seen = t->causal ? i + t->n_keys - t->n_queries + 1 : t->n_keys, width = t->head_width;
    const float *q = t->q + i * t->ldq;
    double max = -INFINITY, sum = 0, squares = 0, score_error = 0;
    for (size_t j = 0; j < seen; j++) {
        const float *k = t->k + j * t->ldk;
        p[j] = 0;
        for (size_t x = 0; x < width; x++)
            p[j] += (double)q[x] * k[x];
        max = fmax(max, p[j]);
        double root = sqrt((double)width), of_q = half_step(q, width, 1) * root,
               of_k = half_step(k, width, 1) * root;
        score_error = fmax(score_error,
                           of_q * norm_of(k, width, 1) + of_k * norm_of(q, width, 1) + of_q * of_k);
    }
    for (size_t j = 0; j < seen; j++) {
        sum += p[j] = exp(p[j] - max);
        squares += p[j] * p[j];
    }
    double weight_step = fmax(1.0 / 32767, sqrt(squares) / 46000);
    double weight_error =
        expm1(2 * score_error) + 1e-6 * (1 + fabs(max)) + 0.5 * weight_step * (double)seen / sum;
    for (size_t x = 0; x < width; x++) {
        e->out[x] = 0;
        for (size_t j = 0; j < seen; j++)
            e->out[x] += p[j] / sum * t->v[j * t->ldv + x];
        e->limit[x] = 2 * weight_error * largest_of(t->v + x, seen, t->ldv) +
                      1.01 * half_step(t->v + x, t->n_keys, t->ldv) + 1e-6 * fabs(e->out[x]);
    }
}

static void check_query(const attention_f32_args *t, size_t i) {
    static expectation e;
    expect(t, i, &e);
    for (size_t x = 0; x < t->head_width; x++)
        CHECK_NEAR(t->out[i * t->ldo + x], e.out[x], e.limit[x],
                   "queries %zu keys %zu width %zu causal %d at %zu, %zu: ", t->n_queries,
                   t->n_keys, t->head_width, t->causal, i, x);
}

static void run_head(const kernels *k, head h) {
    for (h.side = 0; h.side < GUARD_SIDES; h.side++) {
        attention_f32_args t = head_args(&h);
        k->attention_s16(&t);
        for (size_t i = 0; i < t.n_queries; i++)
            check_query(&t, i);
        guard_free_all();
    }
}

/* ---- direction ---- */

/* Normally distributed, more or less. */
static float *normal_floats(size_t n, float scale) {
    float *x = guard_floats(GUARD_AFTER, n);
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < 12; j++)
            x[i] += random_float() * scale * 0.5f;
    }
    return x;
}

typedef struct outliers {
    size_t channel; /* of queries and keys, and of values */
    float qk, v;    /* added there; 0: none */
    size_t token;   /* whose values are multiplied with */
    float factor;
} outliers;

/* 1 - cosine of all queries' results side by side. */
static double lost_direction(const kernels *k, size_t n, size_t width, const outliers *o) {
    head h = {.n_queries = n, .n_keys = n, .width = width};
    attention_f32_args t = head_args(&h);
    float *q = normal_floats(n * width, 1.0f / sqrtf((float)width));
    float *keys = normal_floats(n * width, 1), *v = normal_floats(n * width, 1);
    for (size_t i = 0; i < n; i++) {
        q[i * width + o->channel] += o->qk / sqrtf((float)width);
        keys[i * width + o->channel] += o->qk;
        v[i * width + o->channel] += o->v;
        for (size_t x = 0; i == o->token && x < width; x++)
            v[i * width + x] *= o->factor;
    }
    t.q = q;
    t.k = keys;
    t.v = v;
    k->attention_s16(&t);
    static expectation e;
    double both = 0, ours = 0, theirs = 0;
    for (size_t i = 0; i < n; i++) {
        expect(&t, i, &e);
        for (size_t x = 0; x < width; x++) {
            double found = t.out[i * t.ldo + x];
            both += found * e.out[x];
            ours += found * found;
            theirs += e.out[x] * e.out[x];
        }
    }
    guard_free_all();
    return 1 - both / sqrt(ours * theirs);
}

static void check_direction(const kernels *k) {
    const struct {
        size_t n, width;
        outliers outliers;
    } cases[] = {
        {50, 64, {0}},
        {197, 64, {0}},
        {300, 72, {0}},
        {197, 64, {.channel = 5, .qk = 12}},
        {197, 64, {.channel = 5, .v = 100}},
        {197, 64, {.token = 3, .factor = 60}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outliers o = cases[i].outliers;
        if (o.factor == 0)
            o.factor = 1;
        double lost = lost_direction(k, cases[i].n, cases[i].width, &o);
        CHECK_NEAR(lost, 0, 1e-6, "1 - cosine of case %zu: ", i);
    }
}

/* ---- extremes ---- */

/* Keys, queries and values that are all equal make the largest sums that there are. */
static void check_no_overflow(const kernels *k) {
    const size_t n_keys[] = {1, 9, 64, 1000, MAX_KEYS}, widths[] = {1, 64, 200};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 3; j++) {
            size_t n = n_keys[i], width = widths[j];
            head h = {.n_queries = 3, .n_keys = n, .width = width};
            attention_f32_args t = head_args(&h);
            float *q = guard_floats(GUARD_AFTER, 3 * width);
            float *keys = guard_floats(GUARD_AFTER, n * width);
            float *v = guard_floats(GUARD_AFTER, n * width);
            for (size_t x = 0; x < 3 * width; x++)
                q[x] = x % width % 2 ? 3.0f : -3.0f;
            for (size_t x = 0; x < n * width; x++) {
                keys[x] = x % width % 2 ? 1.7f : -1.7f;
                v[x] = x % 2 ? 100.0f : -100.0f;
            }
            for (size_t x = 0; x < n * width; x += width)
                v[x] = 1e10f;
            t.q = q;
            t.k = keys;
            t.v = v;
            k->attention_s16(&t);
            for (size_t x = 0; x < 3 * width; x++)
                if (x % width == 0)
                    CHECK_NEAR(t.out[x], 1e10, 5e6, "%zu keys of %zu: ", n, width);
                else if (width % 2 == 0)
                    CHECK_NEAR(t.out[x], x % 2 ? 100 : -100, 5e-2, "%zu keys of %zu: ", n, width);
            guard_free_all();
        }
}

/* Scores far apart: the softmax must not overflow, and picks the largest. */
static void check_large_scores(const kernels *k) {
    head h = {.n_queries = 5, .n_keys = 9, .width = 16};
    attention_f32_args t = head_args(&h);
    float *q = guard_floats(GUARD_AFTER, 5 * 16), *keys = guard_floats(GUARD_AFTER, 9 * 16);
    for (size_t i = 0; i < 5; i++)
        q[i * 16] = 1000;
    for (size_t j = 0; j < 9; j++)
        keys[j * 16] = (float)j - 4;
    t.q = q;
    t.k = keys;
    k->attention_s16(&t);
    for (size_t i = 0; i < 5; i++)
        for (size_t x = 0; x < 16; x++)
            CHECK_NEAR(t.out[i * t.ldo + x], t.v[8 * t.ldv + x],
                       1.01 * half_step(t.v + x, 9, t.ldv), "at %zu, %zu: ", i, x);
    guard_free_all();
}

static void check_not_finite(const kernels *k) {
    enum { N = 21, WIDTH = 24 };
    head h = {.n_queries = N, .n_keys = N, .width = WIDTH};
    for (int where = 0; where < 3; where++) {
        attention_f32_args t = head_args(&h);
        float *spoiled = random_floats(GUARD_AFTER, N * WIDTH, 1);
        spoiled[7 * WIDTH + 3] = where ? NAN : INFINITY;
        t.q = where == 0 ? spoiled : t.q;
        t.k = where == 1 ? spoiled : t.k;
        t.v = where == 2 ? spoiled : t.v;
        k->attention_s16(&t);
        for (size_t i = 0; i < N; i++)
            for (size_t x = 0; x < WIDTH; x++) {
                bool hit = where == 0 ? i == 7 : where == 1 || x == 3;
                assert_true(hit ? !isfinite(t.out[i * WIDTH + x]) : isfinite(t.out[i * WIDTH + x]));
            }
        guard_free_all();
    }
}

/* Each query alone gives the bits that all of them together give. */
static void check_splits(const kernels *k) {
    head h = {.n_queries = 21, .n_keys = 70, .width = 24, .spare = 3};
    attention_f32_args t = head_args(&h);
    k->attention_s16(&t);
    float alone[24];
    for (size_t i = 0; i < h.n_queries; i++) {
        attention_f32_args one = t;
        one.q += i * t.ldq;
        one.out = alone;
        one.n_queries = 1;
        k->attention_s16(&one);
        assert_memory_equal(alone, t.out + i * t.ldo, sizeof alone);
    }
    guard_free_all();
}

void check_attention_s16(const kernels *k) {
    for (size_t n = 1; n <= 110; n++) {
        run_head(k, (head){.n_queries = n % 11 + 1, .n_keys = n, .width = 16, .spare = n % 3});
        run_head(k, (head){.n_queries = 5, .n_keys = 13, .width = n, .spare = n % 3});
        run_head(k, (head){.n_queries = n, .n_keys = n, .width = 24, .causal = true});
        run_head(k, (head){.n_queries = n % 7, .n_keys = n + 7, .width = 20, .causal = true});
    }
    run_head(k, (head){.n_queries = 197, .n_keys = 197, .width = 64});
    run_head(k, (head){.n_queries = 19, .n_keys = 577, .width = 80, .spare = 176});
    run_head(k, (head){.n_queries = 9, .n_keys = 729, .width = 72});
    run_head(k, (head){.n_queries = 3, .n_keys = 600, .width = 300});
    run_head(k, (head){.n_queries = 77, .n_keys = 77, .width = 64, .causal = true});
    check_splits(k);
    check_large_scores(k);
    check_no_overflow(k);
    check_direction(k);
    check_not_finite(k);
}
