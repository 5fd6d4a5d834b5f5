/* Rows, labels and figures, on vectors whose scores are known. */
#include "fixture.h"

#include "base/file.h"
#include "tasks/classify/csv.h"

static const classifier_options by_rules = {.mode = CLASSIFY_RULES};
static const evaluation_options no_intervals = {0};

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
    char text[256];
    labels *l = fixture_labels("\xEF\xBB\xBFlabel,other,id\r\n"
                               "north,x,\"a/\"\"q\"\",\n.jpg\"\r\n"
                               "\r\n"
                               "east,x,a/0.jpg\r\n"
                               "east,x,a/0.jpg\r\n"
                               ",x,b/45.jpg\r\n"
                               "west,x,elsewhere.jpg");
    assert_false(l->several);
    assert_string_equal(fixture_labels_of(l, "a/0.jpg", "", text), "east");
    assert_string_equal(fixture_labels_of(l, "a/\"q\",\n.jpg", "", text), "north");
    assert_string_equal(fixture_labels_of(l, "b/45.jpg", "", text), "");
    assert_string_equal(fixture_labels_of(l, "nowhere", "", text), "");
    const char *names[3];
    assert_int_equal(labels_unused(l, names, 3), 1);
    assert_string_equal(names[0], "elsewhere.jpg");
    assert_null(names[1]);
    labels_free(l);
}

static void an_image_may_have_several_labels(void **state) {
    (void)state;
    char text[256];
    labels *l = fixture_labels("id,label\na,east\nb,north\na,north\na,east\n");
    assert_true(l->several);
    assert_string_equal(fixture_labels_of(l, "a", "", text), "east; north");
    assert_string_equal(fixture_labels_of(l, "b", "", text), "north");
    label_set set;
    labels_of(l, "a", "", &set);
    assert_true(label_set_has(&set, "north"));
    assert_false(label_set_has(&set, "nort"));
    labels_free(l);
}

static void wrong_labels_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "is empty, expected a header with 'id'"},
        {"id,lable\na/0.jpg,x\n", ":1: the header has no column 'label'"},
        {"id,label\n\"a/0.jpg,x\n", ":2: a quoted field does not end"},
        {"id,label\n\"a\"b,x\n", ":2: expected ',' after a quoted field, found 'b'"},
    };
    labels *l;
    ken_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_labels(cases[i].text);
        assert_int_equal(labels_read(path, &l, &err), KEN_BAD_FORMAT);
        if (!strstr(err.message, cases[i].message))
            fail_msg("'%s' does not say '%s'", err.message, cases[i].message);
        assert_null(l);
        unlink(path);
    }
    assert_int_equal(labels_read("/nonexistent.csv", &l, &err), KEN_NOT_FOUND);
}

static void labels_survive_failing_allocations(void **state) {
    (void)state;
    const char *path = write_labels("id,label\na,east\nb,north\na,north\n");
    bool failed = true;
    for (uint64_t i = 1; failed; i++) {
        labels *l;
        mem_fail_after(i, false);
        ken_status status = labels_read(path, &l, NULL);
        mem_fail_after(0, false);
        failed = status != KEN_OK;
        assert_true(!failed || status == KEN_NO_MEMORY);
        labels_free(l);
        assert_true(i < 1000);
    }
    unlink(path);
}

static void folders_name_their_images(void **state) {
    (void)state;
    char text[256];
    labels *l;
    assert_int_equal(labels_from_folders(&l, NULL), KEN_OK);
    assert_string_equal(fixture_labels_of(l, "a/0.jpg", "a/0.jpg", text), "a");
    assert_string_equal(fixture_labels_of(l, "x/b/0.jpg", "", text), "b");
    /* Embedded from inside the folder: then the path knows. */
    assert_string_equal(fixture_labels_of(l, "0.jpg", "photos/c/0.jpg", text), "c");
    assert_string_equal(fixture_labels_of(l, "plain.jpg", "plain.jpg", text), "");
    labels_free(l);
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
    /* 0 and 10 are right; 85 answers north; 90 is right; 45 answers nothing; 180 and -80 are of no
     * category and rightly answer nothing, 5 answers east; 200 has no label and does not count. */
    static const char *const images[] = {"0", "10", "85", "90", "45", "180", "-80", "5", "200"};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        fixture_image(&f, images[i], strtod(images[i], NULL));
    fixture_results(&f);
    labels *l = fixture_labels("id,label\n0,east\n10,east\n85,east\n90,north\n45,north\n"
                               "180,west\n-80,west\n5,west\n");
    evaluation *e;
    assert_int_equal(evaluation_of_results(&f.results, l, &no_intervals, &e, NULL), KEN_OK);
    assert_int_equal(e->n_classes, 4);
    assert_int_equal(e->n_answers, 3);
    assert_string_equal(e->classes[3].name, "west");
    static const size_t confusion[4][3] = {{2, 1, 0}, {0, 1, 1}, {0, 0, 0}, {1, 0, 2}};
    assert_memory_equal(e->confusion, confusion, sizeof confusion);
    assert_int_equal(e->n_right, 5);
    assert_true(e->figures[FIGURE_ACCURACY] == 5.0 / 8);
    assert_true(e->classes[0].precision == 2.0 / 3);
    assert_true(e->classes[0].recall == 2.0 / 3);
    assert_true(e->classes[1].precision == 0.5);
    assert_true(e->classes[1].recall == 0.5);
    assert_true(e->classes[2].precision == 2.0 / 3); /* nothing: two of three rightly */
    assert_true(isnan(e->classes[3].precision) && isnan(e->classes[3].f1));
    assert_true(e->classes[3].recall == 2.0 / 3);
    assert_true(e->classes[2].f1 == 2.0 / 3);
    assert_true(e->figures[FIGURE_MACRO_F1] == (2.0 / 3 + 0.5) / 2);
    /* east by cosine to 0: 0(e) 5 10(e) 45 -80 85(e) 90 180 */
    double east = (1.0 + 2.0 / 3 + 3.0 / 6) / 3;
    assert_true(fabs(e->classes[0].average_precision - east) < 1e-12);
    /* north by cosine to 90: 90(n) 85 45(n) ... */
    double north = (1.0 + 2.0 / 3) / 2;
    assert_true(fabs(e->classes[1].average_precision - north) < 1e-12);
    assert_true(fabs(e->figures[FIGURE_MEAN_AVERAGE_PRECISION] - (east + north) / 2) < 1e-12);
    /* By score, of the five whose label is a category: 45 is a hair's breadth nearer to one. */
    assert_true(e->figures[FIGURE_ACC1] >= 3.0 / 5 && e->figures[FIGURE_ACC1] <= 4.0 / 5);
    assert_true(isnan(e->figures[FIGURE_ACC5]));
    assert_true(isnan(e->intervals[FIGURE_ACCURACY].low));

    buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(evaluation_put_text(e, &out, NULL), KEN_OK);
    assert_non_null(strstr(out.data, "accuracy 62.5% (5 of 8 labelled images)"));
    buf_clear(&out);
    assert_int_equal(evaluation_put_json(e, &out, NULL), KEN_OK);
    assert_non_null(strstr(out.data, "\"confusion\":[[2,1,0],[0,1,1],[0,0,0],[1,0,2]]"));
    buf_free(&out);
    evaluation_free(e);
    labels_free(l);
    fixture_free(&f);
}

/* Several labels: every match is an answer, and all must be right. */
static void several_labels_count_every_match(void **state) {
    (void)state;
    fixture f;
    fixture_classifier(&f,
                       "version: 1\nthreshold: 0.5\n"
                       "categories: {east: {positive: [0]}, north: {positive: [90]}}\n",
                       &by_rules);
    /* 45 matches both, 0 east, 180 nothing, 50 both. */
    static const char *const images[] = {"45", "0", "180", "50"};
    for (size_t i = 0; i < 4; i++)
        fixture_image(&f, images[i], strtod(images[i], NULL));
    fixture_results(&f);
    labels *l = fixture_labels("id,label\n45,east\n45,north\n0,east\n180,west\n50,north\n");
    evaluation *e;
    assert_int_equal(evaluation_of_results(&f.results, l, &no_intervals, &e, NULL), KEN_OK);
    assert_int_equal(e->n_labelled, 4);
    assert_int_equal(e->n_right, 3); /* 50 is no east */
    assert_int_equal(e->classes[0].n_predicted, 3);
    assert_true(e->classes[0].precision == 2.0 / 3 && e->classes[0].recall == 1);
    assert_true(e->classes[1].precision == 1 && e->classes[1].recall == 1);
    assert_true(e->classes[2].precision == 1 && e->classes[2].recall == 1);
    assert_true(e->figures[FIGURE_MICRO_F1] == 8.0 / 9);
    assert_true(isnan(e->figures[FIGURE_ACC1]));
    assert_null(e->confusion);
    evaluation_free(e);
    labels_free(l);
    fixture_free(&f);
}

static void intervals_do_not_depend_on_threads(void **state) {
    (void)state;
    fixture f;
    compass(&f, COMPASS);
    labels *l = fixture_labels("id,label\na/0.jpg,\"east, \"\"E\"\"\"\nb/45.jpg,north\n"
                               "b/170.jpg,west\n");
    evaluation *e[3];
    for (int i = 0; i < 3; i++) {
        ken_pool *pool;
        assert_int_equal(ken_pool_new(i + 1, &pool, NULL), KEN_OK);
        const evaluation_options how = {.n_resamples = 300, .seed = i < 2 ? 7 : 8, .pool = pool};
        assert_int_equal(evaluation_of_results(&f.results, l, &how, &e[i], NULL), KEN_OK);
        ken_pool_free(pool);
    }
    assert_memory_equal(e[0]->intervals, e[1]->intervals, sizeof e[0]->intervals);
    assert_true(e[0]->intervals[FIGURE_ACCURACY].low < e[0]->figures[FIGURE_ACCURACY]);
    assert_true(e[0]->intervals[FIGURE_ACCURACY].high > e[0]->figures[FIGURE_ACCURACY]);
    for (int i = 0; i < 3; i++)
        evaluation_free(e[i]);
    labels_free(l);
    fixture_free(&f);
}

static void evaluations_survive_failing_allocations(void **state) {
    (void)state;
    fixture f;
    compass(&f, COMPASS);
    labels *l = fixture_labels("id,label\na/0.jpg,north\nb/45.jpg,west\n");
    const evaluation_options how = {.n_resamples = 5};
    bool failed = true;
    for (uint64_t i = 1; failed; i++) {
        evaluation *e;
        mem_fail_after(i, false);
        ken_status status = evaluation_of_results(&f.results, l, &how, &e, NULL);
        mem_fail_after(0, false);
        failed = status != KEN_OK;
        assert_true(!failed || status == KEN_NO_MEMORY);
        assert_true(failed == (e == NULL));
        evaluation_free(e);
        assert_true(i < 1000);
    }
    labels_free(l);
    fixture_free(&f);
}

static void odd_labels_are_told(void **state) {
    (void)state;
    fixture f;
    compass(&f, COMPASS);
    labels *l = fixture_labels("id,label\na/0.jpg,nort\nb/45.jpg,nort\nz1,x\nz2,x\nz3,x\nz4,x\n");
    evaluation *e;
    buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(evaluation_of_results(&f.results, l, &no_intervals, &e, NULL), KEN_OK);
    assert_int_equal(evaluation_put_warnings(e, &out, NULL), KEN_OK);
    assert_string_equal(
        out.data, "4 labelled ids are not among the images: 'z1', 'z2', 'z3' and more\n"
                  "1 label is no category, and right when nothing matches: 'nort' (2 images; did "
                  "you mean 'north'?)\n"
                  "every labelled image has the label 'nort': precision and average precision say "
                  "nothing\n");
    evaluation_free(e);
    labels_free(l);
    l = fixture_labels("id,label\nz,x\n");
    ken_error err;
    assert_int_equal(evaluation_of_results(&f.results, l, &no_intervals, &e, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "labels none of the 4 images");
    assert_string_equal(err.hint, "their ids must be those of the images, such as 'a/0.jpg'");
    labels_free(l);
    assert_int_equal(labels_from_folders(&l, NULL), KEN_OK);
    for (int i = 0; i < 4; i++)
        f.ids[i] = f.paths[i] = "plain.jpg";
    assert_int_equal(evaluation_of_results(&f.results, l, &no_intervals, &e, &err),
                     KEN_BAD_ARGUMENT);
    assert_string_equal(err.message,
                        "none of the 4 images lies in a folder that could be its label");
    labels_free(l);
    buf_free(&out);
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
        cmocka_unit_test(an_image_may_have_several_labels),
        cmocka_unit_test(labels_survive_failing_allocations),
        cmocka_unit_test(wrong_labels_are_refused),
        cmocka_unit_test(folders_name_their_images),
        cmocka_unit_test(figures_are_those_counted_by_hand),
        cmocka_unit_test(several_labels_count_every_match),
        cmocka_unit_test(intervals_do_not_depend_on_threads),
        cmocka_unit_test(evaluations_survive_failing_allocations),
        cmocka_unit_test(odd_labels_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
