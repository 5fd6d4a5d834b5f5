/* tests/kernels/check_attention.c: one head of attention against double. */
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
    t.scratch = guard_floats(h->side, attention_f32_scratch(h->n_queries, h->n_keys, h->width));
    return t;
}

static void check_query(const attention_f32_args *t, size_t i) {
    size_t seen = t->causal ? i + t->n_keys - t->n_queries + 1 : t->n_keys;
    double p[1024], sum = 0, max = -INFINITY;
    for (size_t j = 0; j < seen; j++) {
        p[j] = 0;
        for (size_t x = 0; x < t->head_width; x++)
            p[j] += (double)t->q[i * t->ldq + x] * t->k[j * t->ldk + x];
        max = fmax(max, p[j]);
    }
    for (size_t j = 0; j < seen; j++)
        sum += p[j] = exp(p[j] - max);
    for (size_t x = 0; x < t->head_width; x++) {
        double expected = 0;
        for (size_t j = 0; j < seen; j++)
            expected += p[j] / sum * t->v[j * t->ldv + x];
        double limit = ROUNDING * (16 + 2 * sqrt((double)(t->head_width + seen)));
        CHECK_NEAR(t->out[i * t->ldo + x], expected, limit,
                   "queries %zu keys %zu width %zu causal %d at %zu, %zu: ", t->n_queries,
                   t->n_keys, t->head_width, t->causal, i, x);
    }
}

static void run_head(const kernels *k, head h) {
    for (h.side = 0; h.side < GUARD_SIDES; h.side++) {
        attention_f32_args t = head_args(&h);
        k->attention_f32(&t);
        for (size_t i = 0; i < t.n_queries; i++)
            check_query(&t, i);
        guard_free_all();
    }
}

/* Each query alone gives the bits that all of them together give. With a causal mask the call for
 * the first queries must leave out the keys that they do not see. */
static void check_splits(const kernels *k, bool causal) {
    head h = {.n_queries = 21, .n_keys = 70, .width = 24, .spare = 3, .causal = causal};
    attention_f32_args t = head_args(&h);
    k->attention_f32(&t);
    float alone[24];
    for (size_t i = 0; i < h.n_queries; i++) {
        attention_f32_args one = t;
        one.q += i * t.ldq;
        one.out = alone;
        one.n_queries = 1;
        one.n_keys = causal ? h.n_keys - h.n_queries + i + 1 : h.n_keys;
        k->attention_f32(&one);
        assert_memory_equal(alone, t.out + i * t.ldo, sizeof alone);
    }
    guard_free_all();
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
    k->attention_f32(&t);
    for (size_t i = 0; i < 5; i++)
        assert_memory_equal(t.out + i * t.ldo, t.v + 8 * t.ldv, 16 * sizeof(float));
    guard_free_all();
}

void check_attention_f32(const kernels *k) {
    for (size_t n = 1; n <= 110; n++) {
        run_head(k, (head){.n_queries = n % 11 + 1, .n_keys = n, .width = 16, .spare = n % 3});
        run_head(k, (head){.n_queries = 5, .n_keys = 13, .width = n, .spare = n % 3});
        run_head(k, (head){.n_queries = n, .n_keys = n, .width = 24, .causal = true});
        run_head(k, (head){.n_queries = n % 7, .n_keys = n + 7, .width = 20, .causal = true});
    }
    run_head(k, (head){.n_queries = 197, .n_keys = 197, .width = 64});
    run_head(k, (head){.n_queries = 19, .n_keys = 577, .width = 80, .spare = 176});
    run_head(k, (head){.n_queries = 3, .n_keys = 600, .width = 300});
    run_head(k, (head){.n_queries = 77, .n_keys = 77, .width = 64, .causal = true});
    check_splits(k, false);
    check_splits(k, true);
    check_large_scores(k);
}
