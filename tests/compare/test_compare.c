/* McNemar's test, Holm's correction, and comparisons of rules over vectors in the plane. */
#include "classify/fixture.h"

#include "tasks/compare/compare.h"

/* The two-sided binomial test, term by term in long double. */
static long double slow_exact(size_t b, size_t c) {
    size_t n = b + c, k = b < c ? b : c;
    long double sum = 0;
    for (size_t i = 0; i <= k; i++) {
        long double term = 1;
        for (size_t j = 0; j < i; j++)
            term *= (long double)(n - j) / (long double)(j + 1);
        sum += term / powl(2, (long double)n);
    }
    return fminl(1, 2 * sum);
}

static void test_mcnemar(void **state) {
    (void)state;
    for (size_t b = 0; b <= 40; b++) {
        for (size_t c = 0; c <= 40; c++) {
            mcnemar got = mcnemar_test(b, c);
            assert_float_equal(got.p_exact, (double)slow_exact(b, c), 1e-12);
            assert_true(got.p_mid <= got.p_exact && got.p_mid > 0);
            assert_float_equal(got.p_mid, mcnemar_test(c, b).p_mid, 0);
        }
    }
    /* scipy.stats.binomtest(k, n).pvalue, and that less scipy.stats.binom.pmf(k, n, 0.5). */
    assert_float_equal(mcnemar_test(1, 8).p_exact, 0.0390625, 1e-12);
    assert_float_equal(mcnemar_test(1, 8).p_mid, 0.021484375, 1e-12);
    assert_float_equal(mcnemar_test(4000, 4200).p_exact, 0.0279724235713, 1e-10);
    assert_float_equal(mcnemar_test(0, 0).p_exact, 1, 0);
    assert_float_equal(mcnemar_test(7, 7).p_mid, 1, 1e-12);
    assert_true(mcnemar_test(0, 5000).p_exact < 1e-300);
}

static void test_holm(void **state) {
    (void)state;
    /* statsmodels.stats.multitest.multipletests(method="holm") */
    double p[] = {0.01, 0.04, 0.03, 0.005, 0.6};
    const double adjusted[] = {0.04, 0.09, 0.09, 0.025, 0.6};
    holm_adjust(p, 5);
    for (size_t i = 0; i < 5; i++)
        assert_float_equal(p[i], adjusted[i], 1e-12);
    double high[] = {0.9, 0.5, 0};
    holm_adjust(high, 3);
    assert_float_equal(high[0], 1, 0);
    assert_float_equal(high[1], 1, 0);
    assert_float_equal(high[2], 0, 0);
}

/* Two categories at 0 and 90 degrees; the second rules want more of a lead. */
static const char loose[] = "version: 1\nmultiple: false\ncategories:\n  east: {positive: ['0']}\n"
                            "  north: {positive: ['90']}\n";
static const char strict[] = "version: 1\nmultiple: false\nthreshold: 0.9\ncategories:\n"
                             "  east: {positive: ['0']}\n  north: {positive: ['90']}\n";

static void make(fixture *f, const char *yaml) {
    const classifier_options by_rules = {.mode = CLASSIFY_RULES};
    fixture_classifier(f, yaml, &by_rules);
    fixture_image(f, "a", 5);
    fixture_image(f, "b", 40);
    fixture_image(f, "c", 85);
    fixture_image(f, "d", 50);
}

static compare_entry entry_of(const char *name, const fixture *f) {
    return (compare_entry){.name = name,
                           .samples = &f->samples,
                           .classifier = f->classifier,
                           .cost = {.embed_seconds = NAN}};
}

static void test_same_images(void **state) {
    (void)state;
    fixture a, b;
    make(&a, loose);
    make(&b, strict);
    fixture_image(&b, "only b", 0);
    fixture_image(&a, "no label", 0);
    fixture_image(&b, "no label", 0);
    labels *l =
        fixture_labels("id,label\na,east\nb,east\nc,north\nd,north\nonly b,east\nnobody,east\n");
    compare_entry entries[] = {entry_of("strict", &b), entry_of("loose", &a)};
    const compare_options how = {.n_resamples = 200, .seed = 3};
    comparison *c;
    ken_error err;
    assert_int_equal(compare(entries, 2, l, &how, &c, &err), KEN_OK);
    assert_int_equal(c->n_compared, 4);
    assert_int_equal(c->n_left_out, 1);
    assert_int_equal(c->n_unlabelled, 1);
    assert_int_equal(c->rows[1].n_lacking, 1);
    assert_int_equal(c->reference, 1);
    assert_float_equal(c->rows[0].evaluation->figures[FIGURE_ACCURACY], 0.5, 0);
    assert_float_equal(c->rows[0].difference, -0.5, 0);
    assert_int_equal(c->rows[0].n_only_ref, 2);
    assert_int_equal(c->rows[0].n_only_this, 0);
    assert_float_equal(c->rows[0].test.p_exact, 0.5, 1e-12);
    assert_true(c->rows[0].interval.low >= -1 && c->rows[0].interval.high <= 0);
    buf text;
    buf_init(&text, 1 << 16);
    assert_int_equal(comparison_put_text(c, &text, &err), KEN_OK);
    assert_non_null(strstr(text.data, "'loose' is right most often: 0 of the 1 others are worse"));
    buf_clear(&text);
    assert_int_equal(comparison_put_warnings(c, &text, &err), KEN_OK);
    assert_string_equal(text.data, "1 labelled id is not among the images, such as 'nobody'\n");
    buf_free(&text);
    comparison_free(c);
    labels_free(l);
    fixture_free(&a);
    fixture_free(&b);
}

static void test_nothing_in_common(void **state) {
    (void)state;
    fixture a, b;
    const classifier_options by_rules = {.mode = CLASSIFY_RULES};
    make(&a, loose);
    fixture_classifier(&b, loose, &by_rules);
    fixture_image(&b, "other", 0);
    labels *l = fixture_labels("id,label\na,east\n");
    compare_entry entries[] = {entry_of("a", &a), entry_of("b", &b)};
    comparison *c;
    ken_error err;
    assert_int_equal(compare(entries, 2, l, &(compare_options){0}, &c, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "none of the 5 images (1 of them labelled) is in all of the 2 "
                                     "sets to compare");
    assert_non_null(strstr(err.hint, "'a' in the first and 'other' in the last"));
    labels_free(l);
    l = fixture_labels("id,label\nnobody,east\n");
    entries[1] = entry_of("again", &a);
    assert_int_equal(compare(entries, 2, l, &(compare_options){0}, &c, &err), KEN_BAD_FORMAT);
    assert_non_null(strstr(err.message, "labels none of the 4 images"));
    labels_free(l);
    fixture_free(&a);
    fixture_free(&b);
}

static void test_out_of_memory(void **state) {
    (void)state;
    fixture a;
    make(&a, loose);
    labels *l = fixture_labels("id,label\na,east\nb,north\n");
    compare_entry entries[] = {entry_of("x", &a), entry_of("y", &a)};
    const compare_options how = {.n_resamples = 5};
    for (uint64_t n = 1;; n++) {
        comparison *c;
        mem_fail_after(n, true);
        ken_status status = compare(entries, 2, l, &how, &c, NULL);
        mem_fail_after(0, false);
        if (status == KEN_OK) {
            assert_true(n > 10);
            comparison_free(c);
            break;
        }
        assert_int_equal(status, KEN_NO_MEMORY);
        assert_null(c);
    }
    labels_free(l);
    fixture_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mcnemar),       cmocka_unit_test(test_holm),
        cmocka_unit_test(test_same_images),   cmocka_unit_test(test_nothing_in_common),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
