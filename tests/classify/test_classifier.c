/* Scores and decisions on vectors whose cosines are known. */
#include "fixture.h"

#include "base/random.h"

static const classifier_options by_rules = {.mode = CLASSIFY_RULES};

static float cosine(double degrees) {
    return (float)cos(degrees * 3.14159265358979323846 / 180);
}

static void decide(const fixture *f, double degrees, verdict *out) {
    float vector[fixture_dim], similarities[64];
    fixture_point(degrees, vector);
    assert_true(f->classifier->n_sets <= 64);
    classifier_similarities(f->classifier, vector, 1, NULL, similarities);
    classifier_decide(f->classifier, similarities, out);
}

static void near(float a, double b) {
    if (fabs((double)a - b) > 1e-6)
        fail_msg("%.9g is not %.9g", (double)a, b);
}

#define EAST_NORTH                                                                                 \
    "version: 1\n"                                                                                 \
    "categories:\n"                                                                                \
    "  east: {positive: [0], negative: [90], threshold: 0.5}\n"                                    \
    "  north: {positive: [90], threshold: 0.5}\n"

static void scores_are_differences_of_cosines(void **state) {
    (void)state;
    fixture f;
    verdict v[2];
    fixture_classifier(&f, EAST_NORTH, &by_rules);
    decide(&f, 10, v);
    assert_int_equal(v[0].category, 0);
    assert_int_equal(v[0].rank, 1);
    assert_int_equal(v[0].test, VERDICT_MATCHED);
    near(v[0].pos_sim, cosine(10));
    near(v[0].neg_sim, cosine(80));
    near(v[0].score, (double)cosine(10) - (double)cosine(80));
    assert_true(isnan(v[0].neutral_sim));
    /* Without negatives and neutral prompts the score is the similarity itself. */
    assert_int_equal(v[1].category, 1);
    assert_int_equal(v[1].test, VERDICT_BELOW_THRESHOLD);
    near(v[1].score, cosine(80));
    assert_true(isnan(v[1].neg_sim));
    fixture_free(&f);
}

static void a_set_is_the_normalised_mean(void **state) {
    (void)state;
    fixture f;
    verdict v[1];
    /* The mean of 0 and 60 degrees points to 30 degrees; 0 counted twice pulls it back. */
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0, 60]}}\n", &by_rules);
    decide(&f, 30, v);
    near(v[0].score, 1);
    fixture_free(&f);
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0, 90, 0]}}\n", &by_rules);
    decide(&f, atan2(1, 2) * 180 / 3.14159265358979323846, v);
    near(v[0].score, 1);
    fixture_free(&f);
}

static void opposite_prompts_are_refused(void **state) {
    (void)state;
    rules *r;
    prompts *p;
    classifier *c;
    ken_error err;
    const char text[] = "version: 1\ncategories: {a: {positive: [x, y]}}\n";
    const float vectors[] = {1, 0, -1, 0};
    assert_int_equal(rules_parse(text, strlen(text), "r", ".", &r, &err), KEN_OK);
    assert_int_equal(prompts_new(r, &p, &err), KEN_OK);
    assert_int_equal(classifier_new(r, p, vectors, NULL, 2, kernels_best(), &by_rules, &c, &err),
                     KEN_BAD_FORMAT);
    assert_string_equal(err.message, "the positive prompts of 'a' cancel each other out");
    assert_null(c);
    prompts_free(p);
    rules_free(r);
}

static void examples_are_mixed_in_by_weight(void **state) {
    (void)state;
    rules *r;
    prompts *p;
    classifier *c;
    ken_error err;
    const char text[] = "version: 1\n"
                        "categories:\n"
                        "  a: {positive: [x], examples: [y], examples_weight: 0.25}\n"
                        "  b: {examples: [y]}\n";
    const float vectors[] = {1, 0}, means[] = {0, 1, 0, 1};
    assert_int_equal(rules_parse(text, strlen(text), "r", ".", &r, &err), KEN_OK);
    assert_int_equal(prompts_new(r, &p, &err), KEN_OK);
    assert_int_equal(classifier_new(r, p, vectors, means, 2, kernels_best(), &by_rules, &c, &err),
                     KEN_OK);
    double norm = sqrt(0.75 * 0.75 + 0.25 * 0.25);
    near(c->sets[0], 0.75 / norm);
    near(c->sets[1], 0.25 / norm);
    near(c->sets[2], 0);
    near(c->sets[3], 1);
    classifier_free(c);
    prompts_free(p);
    rules_free(r);
}

#define NEUTRAL                                                                                    \
    "version: 1\n"                                                                                 \
    "neutral: [45]\n"                                                                              \
    "neutral_margin: 0.1\n"                                                                        \
    "threshold: -1\n"                                                                              \
    "categories:\n"                                                                                \
    "  east: {positive: [0], threshold: 0.2}\n"                                                    \
    "  west: {positive: [180], negative: [0]}\n"

static void neutral_prompts_must_be_beaten(void **state) {
    (void)state;
    fixture f;
    verdict v[2];
    buf reason;
    buf_init(&reason, 4096);
    fixture_classifier(&f, NEUTRAL, &by_rules);
    decide(&f, -20, v); /* 0.940 to the east, 0.423 to neutral */
    assert_int_equal(v[0].category, 0);
    assert_int_equal(v[0].test, VERDICT_MATCHED);
    near(v[0].score, (double)cosine(20) - (double)cosine(65));
    classifier_reason(f.classifier, v, &v[0], &reason);
    assert_string_equal(reason.data, "score 0.5171 is 0.3171 above threshold 0.2; ahead of neutral "
                                     "by 0.5171, needs 0.1");
    decide(&f, 100, v); /* -0.174 east, 0.174 west, 0.574 neutral */
    assert_int_equal(v[0].category, 1);
    assert_int_equal(v[0].test, VERDICT_BELOW_NEUTRAL);
    buf_clear(&reason);
    classifier_reason(f.classifier, v, &v[0], &reason);
    assert_string_equal(reason.data, "score 0.3473 is 1.3473 above threshold -1, but behind "
                                     "neutral by 0.3999, needs 0.1");
    buf_clear(&reason);
    classifier_none_reason(f.classifier, v, &reason);
    assert_string_equal(reason.data,
                        "closest is 'west': score 0.3473 is 1.3473 above threshold -1, but behind "
                        "neutral by 0.3999, needs 0.1");
    buf_free(&reason);
    fixture_free(&f);
}

static void the_threshold_itself_matches(void **state) {
    (void)state;
    fixture f;
    verdict v[1];
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0], threshold: 1}}\n",
                       &by_rules);
    decide(&f, 0, v);
    assert_int_equal(v[0].test, VERDICT_MATCHED);
    fixture_free(&f);
}

#define THREE                                                                                      \
    "categories:\n"                                                                                \
    "  a: {positive: [0], threshold: 0.99}\n"                                                      \
    "  b: {positive: [40]}\n"                                                                      \
    "  c: {positive: [40]}\n"

static void rank_puts_matches_first_and_keeps_the_order_of_equals(void **state) {
    (void)state;
    fixture f;
    verdict v[3];
    fixture_classifier(&f, "version: 1\n" THREE, &by_rules);
    decide(&f, 15, v);
    /* a has the highest score, but misses its threshold. */
    assert_int_equal(v[0].category, 1);
    assert_int_equal(v[1].category, 2);
    assert_int_equal(v[2].category, 0);
    assert_int_equal(v[1].test, VERDICT_MATCHED);
    assert_int_equal(v[2].test, VERDICT_BELOW_THRESHOLD);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(v[i].rank, i + 1);
    fixture_free(&f);

    buf reason;
    buf_init(&reason, 4096);
    fixture_classifier(&f, "version: 1\nmultiple: false\n" THREE, &by_rules);
    decide(&f, 30, v);
    assert_int_equal(v[0].test, VERDICT_MATCHED);
    assert_int_equal(v[1].test, VERDICT_NOT_BEST);
    classifier_reason(f.classifier, v, &v[1], &reason);
    assert_string_equal(reason.data, "0.0000 behind 'b'");
    buf_free(&reason);
    fixture_free(&f);
}

static void argmax_ignores_thresholds(void **state) {
    (void)state;
    fixture f;
    verdict v[3];
    fixture_classifier(&f, "version: 1\n" THREE, &(classifier_options){.mode = CLASSIFY_ARGMAX});
    decide(&f, 15, v);
    assert_int_equal(v[0].category, 0);
    assert_int_equal(v[0].test, VERDICT_MATCHED);
    assert_int_equal(v[1].test, VERDICT_NOT_BEST);
    fixture_free(&f);
}

static void softmax_is_over_scaled_cosines(void **state) {
    (void)state;
    fixture f;
    verdict v[3];
    const classifier_options options = {.mode = CLASSIFY_SOFTMAX, .logit_scale = 10};
    fixture_classifier(&f, "version: 1\n" THREE, &options);
    decide(&f, 15, v);
    double a = exp(10 * (double)cosine(15)), b = exp(10 * (double)cosine(25));
    assert_int_equal(v[0].category, 0);
    near(v[0].score, a / (a + 2 * b));
    near(v[1].score, b / (a + 2 * b));
    near(v[0].pos_sim, cosine(15));
    fixture_free(&f);
}

static void sigmoid_models_give_each_its_own_probability(void **state) {
    (void)state;
    fixture f;
    verdict v[3];
    const classifier_options options = {
        .mode = CLASSIFY_SOFTMAX, .logit_scale = 100, .logit_bias = -95, .sigmoid = true};
    fixture_classifier(&f, "version: 1\n" THREE, &options);
    decide(&f, 15, v);
    near(v[0].score, 1 / (1 + exp(95 - 100 * (double)cosine(15))));
    near(v[2].score, 1 / (1 + exp(95 - 100 * (double)cosine(25))));
    fixture_free(&f);
}

/* Nothing depends on how rows are split over calls and threads. */
static void similarities_are_the_same_for_any_split(void **state) {
    (void)state;
    enum { n = 1000 };
    fixture f;
    fixture_classifier(&f, NEUTRAL, &by_rules);
    size_t n_sets = f.classifier->n_sets;
    float *images = calloc(n * fixture_dim, sizeof *images);
    float *once = calloc(n * n_sets, sizeof *once), *split = calloc(n * n_sets, sizeof *split);
    assert_true(images && once && split);
    for (size_t i = 0; i < n; i++)
        fixture_point((double)i * 0.37, images + i * fixture_dim);
    classifier_similarities(f.classifier, images, n, NULL, once);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        ken_pool *pool;
        assert_int_equal(ken_pool_new(n_threads, &pool, NULL), KEN_OK);
        classifier_similarities(f.classifier, images, 7, pool, split);
        classifier_similarities(f.classifier, images + 7 * fixture_dim, n - 7, pool,
                                split + 7 * n_sets);
        assert_memory_equal(once, split, n * n_sets * sizeof *once);
        ken_pool_free(pool);
    }
    free(images);
    free(once);
    free(split);
    fixture_free(&f);
}

/* 5,000 rows of made-up similarities, with many ties, in every mode. */
static void matches_are_those_of_a_full_decision(void **state) {
    (void)state;
    static const char *const yaml =
        "version: 1\nneutral: [45]\nneutral_margin: 0.1\nmultiple: %s\ncategories:\n"
        "  a: {positive: [0], negative: [90], threshold: 0.2}\n  b: {positive: [10]}\n"
        "  c: {positive: [20], threshold: 0.4}\n  d: {positive: [30], negative: [5]}\n"
        "  e: {positive: [40], threshold: -0.3}\n";
    uint64_t random = 1;
    for (int i = 0; i < 4; i++) {
        fixture f;
        char text[512];
        snprintf(text, sizeof text, yaml, i == 1 ? "false" : "true");
        const classifier_options how = {.mode = i < 2 ? CLASSIFY_RULES : (classify_mode)(i - 1),
                                        .logit_scale = 5};
        fixture_classifier(&f, text, &how);
        for (int row = 0; row < 5000; row++) {
            float similarities[16];
            verdict whole[5], part[5];
            for (size_t k = 0; k < f.classifier->n_sets; k++)
                similarities[k] = (float)random_below(&random, 9) / 8 - 0.5f;
            classifier_decide(f.classifier, similarities, whole);
            size_t n = classifier_matches(f.classifier, similarities, part), n_matched = 0;
            while (n_matched < 5 && whole[n_matched].test == VERDICT_MATCHED)
                n_matched++;
            assert_int_equal(n, n_matched);
            assert_memory_equal(whole, part, n * sizeof *whole);
            if (n == 0) {
                float a, b;
                assert_int_equal(classifier_closest(f.classifier, whole, &a)->category,
                                 classifier_closest(f.classifier, part, &b)->category);
                assert_true(a == b);
            } else if (i >= 1) {
                assert_int_equal(part[1].test == VERDICT_NOT_BEST,
                                 whole[1].test == VERDICT_NOT_BEST);
                if (part[1].test == VERDICT_NOT_BEST)
                    assert_int_equal(part[1].category, whole[1].category);
            }
        }
        fixture_free(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_differences_of_cosines),
        cmocka_unit_test(matches_are_those_of_a_full_decision),
        cmocka_unit_test(a_set_is_the_normalised_mean),
        cmocka_unit_test(opposite_prompts_are_refused),
        cmocka_unit_test(examples_are_mixed_in_by_weight),
        cmocka_unit_test(neutral_prompts_must_be_beaten),
        cmocka_unit_test(the_threshold_itself_matches),
        cmocka_unit_test(rank_puts_matches_first_and_keeps_the_order_of_equals),
        cmocka_unit_test(argmax_ignores_thresholds),
        cmocka_unit_test(softmax_is_over_scaled_cosines),
        cmocka_unit_test(sigmoid_models_give_each_its_own_probability),
        cmocka_unit_test(similarities_are_the_same_for_any_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
