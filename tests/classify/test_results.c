/* Rows, labels and figures, on vectors whose scores are known. */
#include "fixture.h"

#include "base/file.h"
#include "tasks/classify/csv.h"

#include <unistd.h>

static const classifier_options by_rules = {.mode = CLASSIFY_RULES};

#define COMPASS                                                                                    \
    "version: 1\n"                                                                                 \
    "threshold: 0.75\n"                                                                            \
    "none_label: nowhere\n"                                                                        \
    "categories:\n"                                                                                \
    "  \"east, \\\"E\\\"\": {positive: [0]}\n"                                                     \
    "  north: {positive: [90]}\n"

static void compass(fixture *f, const char *yaml) {
    fixture_classifier(f, yaml, &by_rules);
    fixture_image(f, "a/0.jpg", 0);
    fixture_image(f, "a/\"q\",\n.jpg", 90);
    fixture_image(f, "b/45.jpg", 45);
    fixture_image(f, "b/170.jpg", 170);
    fixture_results(f);
}

static void check_text(const fixture *f, results_format format, const char *expected) {
    buf out;
    ken_error err;
    buf_init(&out, 1 << 20);
    assert_int_equal(results_put(&f->results, format, &out, &err), KEN_OK);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void csv_quotes_what_it_must(void **state) {
    (void)state;
    fixture f;
    compass(&f, COMPASS);
    check_text(&f, RESULTS_CSV,
               "id,path,category,score,pos_sim,neg_sim,neutral_sim,threshold,rank,reason\n"
               "a/0.jpg,a/0.jpg,\"east, \"\"E\"\"\",1,1,,,0.75,1,score 1.0000 is 0.2500 above "
               "threshold 0.75\n"
               "\"a/\"\"q\"\",\n.jpg\",\"a/\"\"q\"\",\n.jpg\",north,1,1,,,0.75,1,score 1.0000 is "
               "0.2500 above threshold 0.75\n"
               "b/45.jpg,b/45.jpg,nowhere,,,,,,0,\"closest is 'east, \"\"E\"\"': score 0.7071 is "
               "0.0429 below threshold 0.75\"\n"
               "b/170.jpg,b/170.jpg,nowhere,,,,,,0,closest is 'north': score 0.1736 is 0.5764 "
               "below threshold 0.75\n");
    fixture_free(&f);
}

static void json_has_label_and_nulls(void **state) {
    (void)state;
    fixture f;
    fixture_classifier(&f, COMPASS, &by_rules);
    fixture_image(&f, "<x>\x01", 0);
    fixture_image(&f, "y", 170);
    fixture_results(&f);
    check_text(&f, RESULTS_JSON,
               "[\n {\"id\":\"<x>\\u0001\",\"path\":\"<x>\\u0001\",\"label\":\"east, "
               "\\\"E\\\"\",\"score\":1,\"pos_sim\":1,\"neg_sim\":null,\"neutral_sim\":null,"
               "\"threshold\":0.75,\"rank\":1,\"reason\":\"score 1.0000 is 0.2500 above threshold "
               "0.75\"},\n {\"id\":\"y\",\"path\":\"y\",\"label\":\"nowhere\",\"score\":null,"
               "\"pos_sim\":null,\"neg_sim\":null,\"neutral_sim\":null,\"threshold\":null,"
               "\"rank\":0,\"reason\":\"closest is 'north': score 0.1736 is 0.5764 below "
               "threshold 0.75\"}\n]\n");
    fixture_free(&f);
}

static void the_table_is_aligned(void **state) {
    (void)state;
    fixture f;
    fixture_classifier(&f, COMPASS, &by_rules);
    fixture_image(&f, "\xc3\xa9t\xc3\xa9.jpg", 0);
    fixture_image(&f, "w", 170);
    fixture_results(&f);
    f.results.all = true;
    f.results.top_k = 1;
    check_text(&f, RESULTS_TABLE,
               "id       category     score  reason\n"
               "\xc3\xa9t\xc3\xa9.jpg  east, \"E\"   1.0000  score 1.0000 is 0.2500 above "
               "threshold 0.75\n"
               "w        nowhere          -  closest is 'north': score 0.1736 is 0.5764 below "
               "threshold 0.75\n"
               "w        north       0.1736  score 0.1736 is 0.5764 below threshold 0.75\n");
    fixture_free(&f);
}

static ken_status count_row(void *context, const result_row *row, ken_error *err) {
    (void)row;
    (void)err;
    ++*(size_t *)context;
    return KEN_OK;
}

static void all_and_top_k_choose_rows(void **state) {
    (void)state;
    fixture f;
    size_t n = 0;
    compass(&f, COMPASS);
    assert_int_equal(results_each(&f.results, count_row, &n, NULL), KEN_OK);
    assert_int_equal(n, 4);
    f.results.all = true;
    n = 0;
    assert_int_equal(results_each(&f.results, count_row, &n, NULL), KEN_OK);
    assert_int_equal(n, 4 * 2 + 2); /* two images matched nothing and say so */
    f.results.top_k = 1;
    n = 0;
    assert_int_equal(results_each(&f.results, count_row, &n, NULL), KEN_OK);
    assert_int_equal(n, 4 + 2);
    fixture_free(&f);
}

static void numbers_read_back_exactly(void **state) {
    (void)state;
    char text[32];
    assert_string_equal(results_number(0.02f, text), "0.02");
    assert_string_equal(results_number(-1, text), "-1");
    assert_string_equal(results_number(NAN, text), "");
    uint32_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            assert_true(strtof(results_number(value, text), NULL) == value);
    }
}

static void explains_one_image(void **state) {
    (void)state;
    fixture f;
    buf out;
    ken_error err;
    buf_init(&out, 1 << 16);
    compass(&f, COMPASS);
    assert_int_equal(results_explain(&f.results, "b/45.jpg", &out, &err), KEN_OK);
    assert_string_equal(out.data,
                        "b/45.jpg: nowhere\n"
                        "  1. no  east, \"E\"\n"
                        "    score  0.7071  positive 0.7071  negative      -  neutral      -\n"
                        "    because  score 0.7071 is 0.0429 below threshold 0.75\n"
                        "    positive 0\n"
                        "  2. no  north\n"
                        "    score  0.7071  positive 0.7071  negative      -  neutral      -\n"
                        "    because  score 0.7071 is 0.0429 below threshold 0.75\n"
                        "    positive 90\n");
    assert_int_equal(results_explain(&f.results, "b/46.jpg", &out, &err), KEN_NOT_FOUND);
    assert_string_equal(err.message, "no image has the id 'b/46.jpg' among 4");
    assert_string_equal(err.hint, "did you mean 'b/45.jpg'?");
    buf_free(&out);
    fixture_free(&f);
}

/* ---- labels -----------------------------------------------------------------------------------
 */

static const char *write_labels(const char *text) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/ken-labels-%ld.csv", (long)getpid());
    assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), KEN_OK);
    return path;
}

static void labels_come_from_a_table(void **state) {
    (void)state;
    fixture f;
    labels *l;
    ken_error err;
    compass(&f, COMPASS);
    const char *path = write_labels("\xEF\xBB\xBFlabel,other,id\r\n"
                                    "north,x,\"a/\"\"q\"\",\n.jpg\"\r\n"
                                    "\r\n"
                                    "east,x,a/0.jpg\r\n"
                                    "east,x,a/0.jpg\r\n"
                                    ",x,b/45.jpg\r\n"
                                    "west,x,elsewhere.jpg");
    assert_int_equal(labels_read(path, &f.samples, &l, &err), KEN_OK);
    assert_string_equal(l->of_sample[0], "east");
    assert_string_equal(l->of_sample[1], "north");
    assert_null(l->of_sample[2]);
    assert_null(l->of_sample[3]);
    assert_int_equal(l->n_labelled, 2);
    assert_int_equal(l->n_unused, 1);
    labels_free(l);
    unlink(path);
    fixture_free(&f);
}

static void wrong_labels_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "is empty, expected a header with 'id'"},
        {"id,lable\na/0.jpg,x\n", ":1: the header has no column 'label'"},
        {"id,label\na/0.jpg,x\na/0.jpg,y\n",
         ":3: 'a/0.jpg' has the label 'y', an earlier line says 'x'"},
        {"id,label\n\"a/0.jpg,x\n", ":2: a quoted field does not end"},
        {"id,label\n\"a\"b,x\n", ":2: expected ',' after a quoted field, found 'b'"},
        {"id,label\nz,x\n", "labels none of the 4 images"},
    };
    fixture f;
    compass(&f, COMPASS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        labels *l;
        ken_error err;
        const char *path = write_labels(cases[i].text);
        assert_int_equal(labels_read(path, &f.samples, &l, &err), KEN_BAD_FORMAT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        assert_null(l);
        unlink(path);
    }
    labels *l;
    ken_error err;
    assert_int_equal(labels_read("/nonexistent.csv", &f.samples, &l, &err), KEN_NOT_FOUND);
    fixture_free(&f);
}

static void folders_name_their_images(void **state) {
    (void)state;
    fixture f;
    labels *l;
    ken_error err;
    compass(&f, COMPASS);
    assert_int_equal(labels_from_folders(&f.samples, &l, &err), KEN_OK);
    assert_string_equal(l->of_sample[0], "a");
    assert_string_equal(l->of_sample[3], "b");
    labels_free(l);
    f.ids[0] = "0.jpg"; /* embedded from inside the folder: then the path knows */
    f.paths[0] = "photos/c/0.jpg";
    assert_int_equal(labels_from_folders(&f.samples, &l, &err), KEN_OK);
    assert_string_equal(l->of_sample[0], "c");
    labels_free(l);
    for (int i = 0; i < 4; i++)
        f.ids[i] = f.paths[i] = "plain.jpg";
    assert_int_equal(labels_from_folders(&f.samples, &l, &err), KEN_BAD_ARGUMENT);
    assert_string_equal(err.message,
                        "none of the 4 images lies in a folder that could be its label");
    fixture_free(&f);
}

/* ---- evaluation -------------------------------------------------------------------------------
 */

static void figures_are_those_counted_by_hand(void **state) {
    (void)state;
    fixture f;
    fixture_classifier(&f,
                       "version: 1\nthreshold: 0.75\nnone_label: nowhere\n"
                       "categories: {east: {positive: [0]}, north: {positive: [90]}}\n",
                       &by_rules);
    static const struct {
        double degrees;
        const char *label;
    } images[] = {
        {0, "east"},   /* right */
        {10, "east"},  /* right */
        {85, "east"},  /* answers north */
        {90, "north"}, /* right */
        {45, "north"}, /* answers nothing */
        {180, "west"}, /* no category: right, nothing */
        {-80, "west"}, /* likewise */
        {5, "west"},   /* answers east */
        {200, NULL},   /* does not count */
    };
    enum { n = sizeof images / sizeof *images };
    for (size_t i = 0; i < n; i++)
        fixture_image(&f, "x", images[i].degrees);
    fixture_results(&f);
    const char *of_sample[n];
    for (size_t i = 0; i < n; i++)
        of_sample[i] = images[i].label;
    const labels l = {.of_sample = of_sample, .n_labelled = n - 1};
    evaluation *e;
    assert_int_equal(evaluation_new(&f.results, &l, &e, NULL), KEN_OK);
    assert_int_equal(e->n_classes, 4);
    assert_int_equal(e->n_answers, 3);
    assert_string_equal(e->classes[3].name, "west");
    static const size_t confusion[4][3] = {{2, 1, 0}, {0, 1, 1}, {0, 0, 0}, {1, 0, 2}};
    assert_memory_equal(e->confusion, confusion, sizeof confusion);
    assert_int_equal(e->n_right, 5);
    assert_true(e->accuracy == 5.0 / 8);
    assert_true(e->classes[0].precision == 2.0 / 3);
    assert_true(e->classes[0].recall == 2.0 / 3);
    assert_true(e->classes[1].precision == 0.5);
    assert_true(e->classes[1].recall == 0.5);
    assert_true(e->classes[2].precision == 2.0 / 3); /* nothing: two of three rightly */
    assert_true(isnan(e->classes[3].precision) && isnan(e->classes[3].f1));
    assert_true(e->classes[3].recall == 2.0 / 3);
    assert_true(e->classes[2].f1 == 2.0 / 3);
    assert_true(e->macro_f1 == (2.0 / 3 + 0.5) / 2);
    /* east by cosine to 0: 0(e) 5 10(e) 45 -80 85(e) 90 180 */
    double east = (1.0 + 2.0 / 3 + 3.0 / 6) / 3;
    assert_true(fabs(e->classes[0].average_precision - east) < 1e-12);
    /* north by cosine to 90: 90(n) 85 45(n) ... */
    double north = (1.0 + 2.0 / 3) / 2;
    assert_true(fabs(e->classes[1].average_precision - north) < 1e-12);
    assert_true(fabs(e->mean_average_precision - (east + north) / 2) < 1e-12);

    buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(evaluation_put_text(e, &out, NULL), KEN_OK);
    assert_non_null(strstr(out.data, "accuracy 62.5% (5 of 8 labelled images)"));
    buf_clear(&out);
    assert_int_equal(evaluation_put_json(e, &out, NULL), KEN_OK);
    assert_non_null(strstr(out.data, "\"confusion\":[[2,1,0],[0,1,1],[0,0,0],[1,0,2]]"));
    buf_free(&out);
    evaluation_free(e);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_what_it_must),
        cmocka_unit_test(json_has_label_and_nulls),
        cmocka_unit_test(the_table_is_aligned),
        cmocka_unit_test(all_and_top_k_choose_rows),
        cmocka_unit_test(numbers_read_back_exactly),
        cmocka_unit_test(explains_one_image),
        cmocka_unit_test(labels_come_from_a_table),
        cmocka_unit_test(wrong_labels_are_refused),
        cmocka_unit_test(folders_name_their_images),
        cmocka_unit_test(figures_are_those_counted_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
