/* `ken verify` itself: what must be noticed, and what is refused. */
#include "testing.h"

#include "base/file.h"
#include "formats/weights.h"
#include "tasks/verify/verify_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char model_path[] = KEN_TEST_DATA "/models/open_clip_vit";
static const char goldens_path[] = KEN_TEST_DATA "/models/open_clip_vit/goldens.safetensors";
static const char demo_path[] = KEN_SOURCE_DIR "/models/demo";
static const char photos_path[] = KEN_SOURCE_DIR "/examples/photos";

static ken_model *model, *demo;
static char scratch[64];

static int setup(void **state) {
    (void)state;
    ken_error err;
    memcpy(scratch, "/tmp/ken-verify-XXXXXX", 23);
    const ken_model_options f32 = {.precision = KEN_PRECISION_F32};
    return ken_model_load(model_path, &f32, &model, &err) != KEN_OK ||
           ken_model_load(demo_path, &f32, &demo, &err) != KEN_OK || !mkdtemp(scratch);
}

static int teardown(void **state) {
    (void)state;
    ken_model_free(model);
    ken_model_free(demo);
    char path[128];
    snprintf(path, sizeof path, "%s/goldens.safetensors", scratch);
    unlink(path);
    snprintf(path, sizeof path, "%s/goldens.json", scratch);
    unlink(path);
    return rmdir(scratch);
}

static const char *write_scratch(const char *name, const void *data, size_t size) {
    static char path[128];
    ken_error err;
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    assert_int_equal(file_write_atomic(path, data, size, &err), KEN_OK);
    return path;
}

static buf read_goldens(void) {
    buf bytes;
    ken_error err;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(file_read(goldens_path, &bytes, &err), KEN_OK);
    return bytes;
}

/* Where a tensor's name stands in the header. */
static char *find_name(const buf *bytes, const char *name) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    char *at = memmem(bytes->data, bytes->size, quoted, strlen(quoted));
    assert_non_null(at);
    return at + 1;
}

/* Where a tensor's bytes lie. */
static char *find_data(const buf *bytes, const char *name) {
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes->data, sizeof header_bytes);
    const char *offsets = strstr(find_name(bytes, name), "\"data_offsets\":[");
    assert_non_null(offsets);
    return bytes->data + 8 + header_bytes + strtoull(offsets + 16, NULL, 10);
}

static ken_status verify_bytes(const buf *bytes, verify_report *report, ken_error *err) {
    return verify_run(model, write_scratch("goldens.safetensors", bytes->data, bytes->size), NULL,
                      report, err);
}

static const verify_row *find_row(const verify_report *report, const char *name) {
    for (size_t i = 0; i < report->n_rows; i++)
        if (strcmp(report->rows[i].name, name) == 0)
            return &report->rows[i];
    fail_msg("no row '%s'", name);
    return NULL;
}

static void test_rows_in_the_order_of_computation(void **state) {
    (void)state;
    static const char *const names[] = {"vision.embeddings", "vision.ln_pre",   "vision.blocks.0",
                                        "vision.blocks.1",   "vision.pooled",   "vision.embedding",
                                        "image_embeddings",  "text.embeddings", "text.blocks.0",
                                        "text.blocks.1",     "text.pooled",     "text.embedding",
                                        "text_embeddings",   "logit_scale"};
    ken_error err;
    verify_report report;
    assert_int_equal(verify_run(model, goldens_path, NULL, &report, &err), KEN_OK);
    assert_int_equal(report.n_failed, 0);
    assert_int_equal(report.n_rows, sizeof names / sizeof *names);
    for (size_t i = 0; i < report.n_rows; i++)
        assert_string_equal(report.rows[i].name, names[i]);
    assert_int_equal(report.n_embeddings, 6);
    assert_true(report.cosine_min >= 0.999999 && report.cosine_mean >= report.cosine_min);
    verify_report_free(&report);
}

/* Adds `delta` to one number of the reference: that row differs by it, and no other. */
static void check_changed(const char *name, float delta) {
    buf bytes = read_goldens();
    float value;
    char *at = find_data(&bytes, name);
    memcpy(&value, at, sizeof value);
    value += delta;
    memcpy(at, &value, sizeof value);
    ken_error err;
    verify_report report;
    assert_int_equal(verify_bytes(&bytes, &report, &err), KEN_OK);
    assert_int_equal(report.n_failed, 1);
    const verify_row *row = find_row(&report, name);
    assert_false(row->ok);
    if (isfinite(delta))
        assert_true(fabs(row->max_abs_diff - (double)fabsf(delta)) < 2e-5);
    verify_report_free(&report);
    buf_free(&bytes);
}

static void test_a_changed_number_differs(void **state) {
    (void)state;
    check_changed("vision.embeddings", 2e-4f);
    check_changed("vision.blocks.0", -2e-4f);
    check_changed("vision.blocks.1", 1.0f);
    check_changed("text.embeddings", 2e-4f);
    check_changed("text.pooled", 2e-4f);
    check_changed("text_embeddings", 2e-4f);
    check_changed("logit_scale", 2e-4f);
}

static void test_a_bad_number_differs(void **state) {
    (void)state;
    check_changed("vision.blocks.0", NAN);
    check_changed("image_embeddings", INFINITY);
}

static void test_what_is_not_computed_differs(void **state) {
    (void)state;
    buf bytes = read_goldens();
    memcpy(find_name(&bytes, "vision.pooled"), "vision.qooled", 13);
    ken_error err;
    verify_report report;
    assert_int_equal(verify_bytes(&bytes, &report, &err), KEN_OK);
    assert_int_equal(report.n_failed, 1);
    assert_int_equal(report.n_without_reference, 1);
    const verify_row *row = find_row(&report, "vision.qooled");
    assert_false(row->ok);
    assert_string_equal(row->problem, "not computed");
    verify_report_free(&report);
    buf_free(&bytes);
}

static void test_limits_can_be_stated(void **state) {
    (void)state;
    ken_error err;
    verify_report report;
    const verify_options strict = {.max_abs_diff = 1e-12};
    assert_int_equal(verify_run(model, goldens_path, &strict, &report, &err), KEN_OK);
    assert_true(report.n_failed > 0);
    verify_report_free(&report);
}

static void check_refused(const char *path, ken_status expected, const char *text) {
    ken_error err;
    verify_report report;
    ken_status status =
        verify_run(model, path, &(verify_options){.photos = photos_path}, &report, &err);
    if (status != expected || err.status != expected || !strstr(err.message, text))
        fail_msg("got %s '%s', expected %s with '%s'", ken_status_name(status),
                 status ? err.message : "", ken_status_name(expected), text);
    verify_report_free(&report);
}

static void check_header_change(const char *from, const char *to, const char *text) {
    buf bytes = read_goldens();
    char *at = memmem(bytes.data, bytes.size, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    check_refused(write_scratch("goldens.safetensors", bytes.data, bytes.size), KEN_BAD_FORMAT,
                  text);
    buf_free(&bytes);
}

static void test_goldens_that_do_not_fit_are_refused(void **state) {
    (void)state;
    check_refused(KEN_TEST_DATA "/models/hf_clip_gelu/goldens.safetensors", KEN_BAD_FORMAT,
                  "'input.pixels'");
    check_refused("/nonexistent/goldens.safetensors", KEN_NOT_FOUND, "/nonexistent");
    check_header_change("\"input.pooled\"", "\"input.qooled\"", "'input.pooled'");
    check_header_change("\"input.ids\":{\"dtype\":\"I32\"", "\"input.ids\":{\"dtype\":\"F32\"",
                        "tensor 'input.ids' has type F32, expected I32");
    buf bytes = read_goldens();
    memset(find_data(&bytes, "input.n_tokens"), 0x7f, 4);
    check_refused(write_scratch("goldens.safetensors", bytes.data, bytes.size), KEN_BAD_FORMAT,
                  "text 0 has 2139062143 tokens");
    memcpy(find_name(&bytes, "input.ids"), "ignored.i", 9);
    memcpy(find_name(&bytes, "input.pixels"), "ignored.pixe", 12);
    check_refused(write_scratch("goldens.safetensors", bytes.data, bytes.size), KEN_BAD_FORMAT,
                  "neither 'input.pixels' nor 'input.ids'");
    buf_free(&bytes);
}

static const char *write_json(const char *text) {
    return write_scratch("goldens.json", text, strlen(text));
}

static void test_json_that_does_not_fit_is_refused(void **state) {
    (void)state;
    check_refused(write_json("{}"), KEN_BAD_FORMAT, "holds nothing to compare");
    check_refused(write_json("{\"files\": [\"a\"], \"image_embeddings\": []}"), KEN_BAD_FORMAT,
                  "'files' has 1 items, 'image_embeddings' 0");
    check_refused(write_json("{\"files\": [\"a\"], \"image_embeddings\": [[1, 2]]}"),
                  KEN_BAD_FORMAT, "'image_embeddings' item 0 is not an array of 22 numbers");
    check_refused(write_json("{\"prompts\": [7], \"ids\": [[1]]}"), KEN_BAD_FORMAT,
                  "'prompts' item 0 is not a string");
    check_refused(write_json("{\"files\": 3}"), KEN_BAD_FORMAT, "files");
    check_refused(write_json("{\"files\": "), KEN_BAD_FORMAT, "goldens.json");
}

/* goldens.json with one photo of this name and an embedding of zeros. */
static const char *write_photo_json(const char *name) {
    buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text, "{\"files\": [\"%s\"], \"image_embeddings\": [[0", name);
    for (int i = 1; i < 22; i++)
        buf_puts(&text, ",0");
    buf_puts(&text, "]]}");
    const char *path = write_json(text.data);
    buf_free(&text);
    return path;
}

static void test_photos_stay_in_their_folder(void **state) {
    (void)state;
    check_refused(write_photo_json("test/dress/none.jpg"), KEN_NOT_FOUND,
                  "photo 'test/dress/none.jpg'");
    check_refused(write_photo_json("../README.md"), KEN_REFUSED, "leads out of the directory");
    check_refused(write_photo_json("/etc/passwd"), KEN_REFUSED, "is not relative");
}

static void test_other_token_ids_differ(void **state) {
    (void)state;
    ken_error err;
    verify_report report;
    const char *path = write_json("{\"prompts\": [\"shoes\", \"a photo of a dress\"],"
                                  "\"ids\": [[49406, 4079, 49407], [49406, 320, 49407]],"
                                  "\"logit_scale\": 16.5197448}");
    assert_int_equal(verify_run(demo, path, NULL, &report, &err), KEN_OK);
    assert_int_equal(report.n_rows, 2);
    assert_int_equal(report.n_failed, 1);
    assert_string_equal(report.rows[0].name, "token_ids");
    assert_string_equal(report.rows[0].problem, "1 of 2 texts have other ids, the first is text 1");
    verify_report_free(&report);
}

/* A ResNet's layers come a few pictures at a time: one row, whose verdict is that of all. */
static void test_parts_make_one_row(void **state) {
    (void)state;
    ken_error err;
    verify_report report = {.min_cosine = 0.999999, .max_abs_diff = 1e-4};
    const float expected[4] = {1, 2, 3, 4}, wrong[2] = {3, 5};
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            report_compare(&report, "vision.stem", expected, expected, NULL, 1, 2, &err), KEN_OK);
    assert_int_equal(report.n_failed, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            report_compare(&report, "vision.stem", wrong, expected + 2, NULL, 1, 2, &err), KEN_OK);
        assert_int_equal(report.n_failed, 1);
    }
    assert_int_equal(report.n_rows, 1);
    assert_int_equal(report_find(&report, "vision.stem")->n_vectors, 4);
    assert_true(report.rows[0].max_abs_diff == 1);
    assert_null(report_find(&report, "vision.layer1.0"));
    verify_report_free(&report);
}

static void test_goldens_of_a_directory(void **state) {
    (void)state;
    ken_error err;
    buf path;
    buf_init(&path, 4096);
    assert_int_equal(verify_find_goldens(model_path, &path, &err), KEN_OK);
    assert_string_equal(path.data, goldens_path);
    assert_int_equal(verify_find_goldens(demo_path, &path, &err), KEN_OK);
    assert_non_null(strstr(path.data, "/demo/goldens.json"));
    assert_int_equal(verify_find_goldens(photos_path, &path, &err), KEN_NOT_FOUND);
    assert_non_null(strstr(err.message, "neither goldens.safetensors nor goldens.json"));
    assert_non_null(strstr(err.hint, "ken verify MODEL GOLDENS"));
    buf_free(&path);
}

/* Every allocation fails in turn: always the same clean failure, and nothing leaks (sanitizer). */
static void test_without_memory(void **state) {
    (void)state;
    ken_error err;
    ken_status status = KEN_NO_MEMORY;
    uint64_t n = 0;
    while (status != KEN_OK && n < 5000) {
        verify_report report;
        mem_fail_after(++n, false);
        status = verify_run(model, goldens_path, NULL, &report, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
        verify_report_free(&report);
    }
    assert_int_equal(status, KEN_OK);
    assert_true(n > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_in_the_order_of_computation),
        cmocka_unit_test(test_a_changed_number_differs),
        cmocka_unit_test(test_a_bad_number_differs),
        cmocka_unit_test(test_what_is_not_computed_differs),
        cmocka_unit_test(test_limits_can_be_stated),
        cmocka_unit_test(test_goldens_that_do_not_fit_are_refused),
        cmocka_unit_test(test_json_that_does_not_fit_is_refused),
        cmocka_unit_test(test_photos_stay_in_their_folder),
        cmocka_unit_test(test_other_token_ids_differ),
        cmocka_unit_test(test_parts_make_one_row),
        cmocka_unit_test(test_goldens_of_a_directory),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("verify", tests, setup, teardown);
}
