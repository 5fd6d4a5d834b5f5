/* The report: whatever ids, labels and rules say, it stays text. */
#include "fixture.h"

#include "tasks/report/template.h"

static const classifier_options by_rules = {.mode = CLASSIFY_RULES};

static const char hostile[] = "</script><script>alert(1)</script>\" onerror='x' <b>&amp;{{title}}";

static void put(const fixture *f, const report_options *options, buf *out) {
    ken_error err;
    buf_init(out, (size_t)64 << 20);
    if (report_put(&f->results, options, out, &err) != KEN_OK)
        fail_msg("%s", err.message);
}

static size_t count(const char *text, const char *what) {
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void hostile_text_stays_text(void **state) {
    (void)state;
    fixture f;
    buf yaml, page;
    buf_init(&yaml, 1 << 16);
    buf_puts(&yaml, "version: 1\nnone_label: ");
    buf_put_json(&yaml, hostile, strlen(hostile) - 1);
    buf_puts(&yaml, "\ncategories:\n  ");
    buf_put_json(&yaml, hostile, strlen(hostile));
    buf_puts(&yaml, ":\n    positive: [\"0 </style><script>\"]\n    threshold: 0.5\n");
    fixture_classifier(&f, yaml.data, &by_rules);
    fixture_image(&f, hostile, 0);
    fixture_image(&f, "</title><img src=x onerror=alert(1)>", 180);
    sample_failure failure = {hostile, hostile, hostile, hostile, hostile};
    f.samples.failures = &failure;
    f.samples.n_failures = 1;
    f.samples.meta.model_id = hostile;
    f.samples.meta.preprocess = hostile;
    fixture_results(&f);
    buf table;
    buf_init(&table, 1 << 16);
    buf_puts(&table, "id,label\n");
    for (int i = 0; i < 2; i++) {
        buf_put_csv(&table, f.ids[i], strlen(f.ids[i]));
        buf_putc(&table, ',');
        buf_put_csv(&table, i ? "</script>" : hostile, strlen(i ? "</script>" : hostile));
        buf_putc(&table, '\n');
    }
    labels *l = fixture_labels(table.data);
    evaluation *e;
    assert_int_equal(
        evaluation_of_results(&f.results, l, &(evaluation_options){.n_resamples = 10}, &e, NULL),
        KEN_OK);
    put(&f, &(report_options){.evaluation = e, .labels = l, .max_thumbnails = 100}, &page);

    assert_null(strstr(page.data, "alert(1)</script>"));
    assert_null(strstr(page.data, "<img src=x"));
    assert_null(strstr(page.data, "<b>&amp;{{"));
    assert_null(strstr(page.data, "&gt;\" onerror"));
    /* The page's own script elements: the data, the scores and the program. */
    assert_int_equal(count(page.data, "<script"), 3);
    assert_int_equal(count(page.data, "</script>"), 3);
    assert_int_equal(count(page.data, "<style>"), 1);
    assert_int_equal(count(page.data, "</style>"), 1);
    /* And the text is there, as text. */
    assert_non_null(strstr(page.data, "&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert_non_null(strstr(page.data, "\\u003c/script>\\u003cscript>alert(1)"));
    evaluation_free(e);
    labels_free(l);
    buf_free(&table);
    buf_free(&page);
    buf_free(&yaml);
    fixture_free(&f);
}

static void nothing_is_asked_of_the_network(void **state) {
    (void)state;
    fixture f;
    buf page;
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0], threshold: 0.5}}\n",
                       &by_rules);
    fixture_image(&f, "x.jpg", 0);
    fixture_results(&f);
    put(&f, &(report_options){.max_thumbnails = 10}, &page);
    assert_non_null(strstr(page.data, "default-src 'none'"));
    assert_null(strstr(page.data, "http://"));
    assert_null(strstr(page.data, "https://"));
    assert_null(strstr(page.data, "url("));
    assert_null(strstr(page.data, "@import"));
    assert_null(strstr(page.data, " style=\"")); /* the policy would forbid it */
    assert_null(strstr(page.data, "{{"));
    assert_non_null(strstr(page.data, "1 picture in 1 category"));
    buf_free(&page);
    fixture_free(&f);
}

static void cards_are_shared_between_groups(void **state) {
    (void)state;
    fixture f;
    buf page;
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0], threshold: 0.5}}\n",
                       &by_rules);
    for (int i = 0; i < 10; i++)
        fixture_image(&f, "match", i);
    fixture_image(&f, "miss", 180);
    fixture_image(&f, "miss", 181);
    fixture_results(&f);
    put(&f, &(report_options){.max_thumbnails = 6}, &page);
    /* 4 + 2: the small group is whole, the large one gives its best. */
    assert_int_equal(count(page.data, "<li class=\"card"), 6);
    assert_non_null(strstr(page.data, "6 more can be seen with JavaScript"));
    buf_free(&page);
    put(&f, &(report_options){.max_thumbnails = 0}, &page);
    assert_int_equal(count(page.data, "<li class=\"card"), 0);
    buf_free(&page);
    fixture_free(&f);
}

static void no_images_make_a_page_too(void **state) {
    (void)state;
    fixture f;
    buf page;
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0]}, b: {positive: [9]}}\n",
                       &by_rules);
    fixture_results(&f);
    put(&f, &(report_options){.max_thumbnails = 10}, &page);
    assert_non_null(strstr(page.data, "0 pictures in 2 categories"));
    assert_null(strstr(page.data, ">nan"));
    assert_null(strstr(page.data, "\"nan"));
    assert_null(strstr(page.data, "\"-nan"));
    buf_free(&page);
    fixture_free(&f);
}

static void out_of_memory_is_an_error(void **state) {
    (void)state;
    fixture f;
    fixture_classifier(&f, "version: 1\ncategories: {a: {positive: [0], threshold: 0.5}}\n",
                       &by_rules);
    fixture_image(&f, "x.jpg", 0);
    fixture_image(&f, "y.jpg", 180);
    fixture_results(&f);
    ken_status status = KEN_INTERNAL;
    for (uint64_t n = 1; status != KEN_OK; n++) {
        buf page;
        ken_error err = {0};
        buf_init(&page, (size_t)64 << 20);
        mem_fail_after(n, false);
        status = report_put(&f.results, &(report_options){.max_thumbnails = 10}, &page, &err);
        mem_fail_after(0, false);
        buf_free(&page);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY || status == KEN_TOO_LARGE);
        assert_true(n < 10000);
    }
    fixture_free(&f);
}

static void a_template_escapes_unless_told_otherwise(void **state) {
    (void)state;
    static const char text[] = "[one]\n<p>{{a}} {{{a}}} {{n}}</p>\n[two]\nx\n";
    const slot slots[] = {slot_text("a", "<&>\"'"), slot_count("n", 7)};
    buf out;
    ken_error err;
    buf_init(&out, 4096);
    assert_int_equal(template_put(&out, text, "one", slots, 2, &err), KEN_OK);
    assert_string_equal(out.data, "<p>&lt;&amp;&gt;&quot;&#39; <&>\"' 7</p>\n");
    assert_int_equal(template_put(&out, text, "three", slots, 2, &err), KEN_INTERNAL);
    assert_string_equal(err.message, "the page has no fragment 'three'");
    assert_int_equal(template_put(&out, text, "one", slots, 1, &err), KEN_INTERNAL);
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(nothing_is_asked_of_the_network),
        cmocka_unit_test(cards_are_shared_between_groups),
        cmocka_unit_test(no_images_make_a_page_too),
        cmocka_unit_test(out_of_memory_is_an_error),
        cmocka_unit_test(a_template_escapes_unless_told_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
