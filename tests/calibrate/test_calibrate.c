/* Thresholds, probabilities and the editing of rules files, on cases that can be done by hand. */
#include "testing.h"

#include "tasks/calibrate/calibrate.h"
#include "tasks/calibrate/rules_edit.h"

#include <math.h>
#include <string.h>

/* ---- thresholds -------------------------------------------------------------------------------
 */

static const candidate items[] = {{0.9f, true},  {0.8f, true},  {0.7f, false}, {0.6f, true},
                                  {0.5f, false}, {0.4f, false}, {0.3f, true},  {0.2f, false}};
enum { n_items = sizeof items / sizeof *items };

static void goals_choose_their_cut(void **state) {
    (void)state;
    static const struct {
        threshold_goal goal;
        size_t n_right, n_matched;
    } cases[] = {
        {{.kind = GOAL_F1}, 3, 4},
        {{.kind = GOAL_PRECISION, .precision = 0.9}, 2, 2},
        {{.kind = GOAL_PRECISION, .precision = 0.7}, 3, 4},
        {{.kind = GOAL_PRECISION, .precision = 0.5}, 4, 7},
        {{.kind = GOAL_COST, .cost_fp = 10, .cost_fn = 1}, 2, 2},
        {{.kind = GOAL_COST, .cost_fp = 1, .cost_fn = 10}, 4, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        threshold_fit f = threshold_find(items, n_items, 4, &cases[i].goal);
        assert_true(f.reached);
        assert_int_equal(f.n_right, cases[i].n_right);
        assert_int_equal(f.n_matched, cases[i].n_matched);
        assert_true(f.high == (double)items[f.n_matched - 1].score);
        assert_true(f.low == (double)items[f.n_matched].score);
    }
    static const candidate wrong[] = {{0.5f, false}, {0.4f, true}};
    threshold_fit none =
        threshold_find(wrong, 2, 1, &(threshold_goal){.kind = GOAL_PRECISION, .precision = 0.9});
    assert_false(none.reached);
    assert_true(none.best_precision == 0.5);
    /* A wrong match is so dear that nothing should match. */
    threshold_fit nothing = threshold_find(
        wrong, 2, 1, &(threshold_goal){.kind = GOAL_COST, .cost_fp = 9, .cost_fn = 1});
    assert_true(nothing.reached && nothing.n_matched == 0 && nothing.low == 0.5);
    assert_false(threshold_find(wrong, 0, 1, &(threshold_goal){.kind = GOAL_COST}).reached);
}

static void equal_scores_are_never_parted(void **state) {
    (void)state;
    static const candidate same[] = {{0.5f, true}, {0.5f, false}, {0.5f, true}, {0.1f, false}};
    threshold_fit f = threshold_find(same, 4, 2, &(threshold_goal){.kind = GOAL_F1});
    assert_int_equal(f.n_matched, 3);
}

static void thresholds_are_short_and_lie_in_their_range(void **state) {
    (void)state;
    static const struct {
        double low, high;
        const char *text;
    } cases[] = {
        {0.1, 0.2, "0.15"},        {0.12341, 0.12349, "0.12345"}, {-0.02, 0.02, "0"},
        {-INFINITY, 0.25, "0.24"}, {0.25, INFINITY, "0.26"},      {-3, -2.5, "-2"},
        {0.0999, 0.1011, "0.101"},
    };
    char text[THRESHOLD_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const threshold_fit f = {.low = cases[i].low, .high = cases[i].high};
        threshold_choose(&f, text);
        assert_string_equal(text, cases[i].text);
    }
    /* Two neighbouring floats: only the upper one decides right. */
    const threshold_fit f = {.low = (double)0.1f, .high = (double)nextafterf(0.1f, 1)};
    assert_true((float)threshold_choose(&f, text) == nextafterf(0.1f, 1));
}

static void shares_have_their_intervals(void **state) {
    (void)state;
    assert_true(share_low(0, 10) == 0 && share_high(10, 10) == 1);
    assert_true(fabs(share_low(10, 10) - pow(0.025, 0.1)) < 1e-9);
    assert_true(fabs(share_low(8, 10) - 0.443904537692) < 1e-9); /* SciPy's beta.ppf */
    assert_true(fabs(share_high(8, 10) - 0.974789273673) < 1e-9);
    size_t n = share_needed(0.95);
    assert_int_equal(n, 72);
    assert_true(share_low(n, n) >= 0.95 && share_low(n - 1, n - 1) < 0.95);
}

/* ---- probabilities ----------------------------------------------------------------------------
 */

static void isotonic_pools_what_falls(void **state) {
    (void)state;
    static const labelled_score s[] = {{0, false}, {1, true}, {2, false}, {2, true}, {3, true}};
    isotonic r;
    assert_int_equal(isotonic_fit(s, 5, &r, NULL), KEN_OK);
    /* 0 -> 0; 1 and the two at 2 share 2/3; 3 -> 1 */
    assert_true(isotonic_at(&r, -1) == 0 && isotonic_at(&r, 0) == 0);
    assert_true(fabs(isotonic_at(&r, 1.5) - 2.0 / 3) < 1e-12);
    assert_true(fabs(isotonic_at(&r, 0.5) - 1.0 / 3) < 1e-12);
    assert_true(isotonic_at(&r, 9) == 1);
    isotonic_reset(&r);
    mem_fail_after(2, false);
    assert_int_equal(isotonic_fit(s, 5, &r, NULL), KEN_NO_MEMORY);
    mem_fail_after(0, false);
}

static void platt_stays_finite_when_classes_are_apart(void **state) {
    (void)state;
    static const labelled_score s[] = {{0, false}, {0.1f, false}, {0.9f, true}, {1, true}};
    platt p = platt_fit(s, 4);
    assert_true(isfinite(p.slope) && p.slope > 0);
    assert_true(platt_at(&p, 0) < 0.3 && platt_at(&p, 1) > 0.7);
    static const labelled_score flat[] = {{0.5f, false}, {0.5f, true}};
    p = platt_fit(flat, 2);
    assert_true(fabs(platt_at(&p, 0.5) - 0.5) < 1e-6);
}

/* ---- editing ----------------------------------------------------------------------------------
 */

static ken_status edit(const char *source, const char *const *thresholds, buf *out,
                       ken_error *err) {
    rules *r;
    assert_int_equal(rules_parse(source, strlen(source), "r.yaml", ".", &r, err), KEN_OK);
    buf_init(out, 1 << 20);
    ken_status status = rules_edit_thresholds(r, thresholds, out, err);
    rules_free(r);
    return status;
}

static void only_thresholds_change(void **state) {
    (void)state;
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"# top\nversion: 1\nthreshold: 0.5 # all\ncategories:\n  a: # the first\n"
         "    # why\n    positive: [x]\n  \"b\":\n      threshold:   0.25   # mine\n"
         "      positive:\n      - 'y'\n# end\n",
         "# top\nversion: 1\nthreshold: 0.5 # all\ncategories:\n  a: # the first\n"
         "    # why\n    threshold: 0.125\n    positive: [x]\n  \"b\":\n"
         "      threshold:   -1   # mine\n      positive:\n      - 'y'\n# end\n"},
        {"version: 1\r\ncategories:\r\n  a:\r\n    positive: [x]\r\n  b: {positive: [\xC3\xA4]}",
         "version: 1\r\ncategories:\r\n  a:\r\n    threshold: 0.125\r\n    positive: [x]\r\n"
         "  b: {threshold: -1, positive: [\xC3\xA4]}"},
        {"\xEF\xBB\xBF{\"version\": 1, \"neutral\": [\"\xE2\x82\xAC \xF0\x9F\x98\x80\"],\n"
         " \"categories\": {\"\xC3\xA4\": {\"positive\": [\"x\"]},\n  \"b\": {\"positive\": "
         "[\"y\"], \"threshold\": 1e-1}}}\n",
         "\xEF\xBB\xBF{\"version\": 1, \"neutral\": [\"\xE2\x82\xAC \xF0\x9F\x98\x80\"],\n"
         " \"categories\": {\"\xC3\xA4\": {\"threshold\": 0.125, \"positive\": [\"x\"]},\n"
         "  \"b\": {\"positive\": [\"y\"], \"threshold\": -1}}}\n"},
    };
    static const char *const thresholds[] = {"0.125", "-1"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf out;
        ken_error err;
        assert_int_equal(edit(cases[i].before, thresholds, &out, &err), KEN_OK);
        assert_string_equal(out.data, cases[i].after);
        buf_free(&out);
        static const char *const nothing[] = {NULL, NULL};
        assert_int_equal(edit(cases[i].before, nothing, &out, &err), KEN_OK);
        assert_string_equal(out.data, cases[i].before);
        buf_free(&out);
    }
}

static void what_has_no_place_is_refused(void **state) {
    (void)state;
    buf out;
    ken_error err;
    static const char *const thresholds[] = {"0.125"};
    assert_int_equal(
        edit("version: 1\ncategories:\n  a:\n    ? positive\n    : [x]\n", thresholds, &out, &err),
        KEN_UNSUPPORTED);
    assert_string_equal(err.message, "'r.yaml' has no place where thresholds could be put");
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goals_choose_their_cut),
        cmocka_unit_test(equal_scores_are_never_parted),
        cmocka_unit_test(thresholds_are_short_and_lie_in_their_range),
        cmocka_unit_test(shares_have_their_intervals),
        cmocka_unit_test(isotonic_pools_what_falls),
        cmocka_unit_test(platt_stays_finite_when_classes_are_apart),
        cmocka_unit_test(only_thresholds_change),
        cmocka_unit_test(what_has_no_place_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
