/* Every checkpoint of tests/data/models, layer by layer, on every CPU tier that can run here; and
 * the demonstration model from its photos' files on. */
#include "testing.h"

#include "tasks/verify/verify.h"

#include <dirent.h>
#include <string.h>

static const char models_dir[] = KEN_TEST_DATA "/models";

/* Which rows differ, and the first of them in the order of computation: everything after it usually
 * follows from it. */
static void print_differences(const char *name, const char *tier, const verify_report *report) {
    bool first = true;
    for (size_t i = 0; i < report->n_rows; i++) {
        const verify_row *row = &report->rows[i];
        if (row->ok)
            continue;
        print_error("%s on %s: %s%s: max abs diff %.3g, min cosine %.9f %s\n", name, tier,
                    first ? "first difference at " : "", row->name, row->max_abs_diff,
                    row->min_cosine, row->problem);
        first = false;
    }
}

static void verify_directory(const char *name, const char *tier, ken_precision precision,
                             ken_pool *pool) {
    char dir[512], goldens[600];
    snprintf(dir, sizeof dir, "%s/%s", models_dir, name);
    snprintf(goldens, sizeof goldens, "%s/goldens.safetensors", dir);
    ken_error err;
    ken_model *model;
    if (ken_model_load(dir, &(ken_model_options){.cpu_tier = tier, .precision = precision}, &model,
                       &err) != KEN_OK)
        fail_msg("%s on %s: %s", name, tier, err.message);
    verify_report report;
    ken_status status = verify_run(model, goldens, &(verify_options){.pool = pool}, &report, &err);
    if (status != KEN_OK)
        fail_msg("%s on %s: %s", name, tier, err.message);
    print_differences(name, tier, &report);
    assert_int_equal(report.n_failed, 0);
    assert_int_equal(report.n_without_reference, 0);
    assert_true(report.n_rows >= 10);
    verify_report_free(&report);
    ken_model_free(model);
}

/* Every directory on one tier; how many there were. */
static int verify_all(const char *tier, ken_precision precision, ken_pool *pool) {
    DIR *dir = opendir(models_dir);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.'))
            continue;
        verify_directory(entry->d_name, tier, precision, pool);
        n++;
    }
    closedir(dir);
    return n;
}

static void test_every_model_on_every_tier(void **state) {
    (void)state;
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const char *tier = kernels_tier_name(i), *reason = NULL;
        if (!kernels_find(tier, &reason)) {
            print_message("tier %s cannot run here: %s\n", tier, reason);
            continue;
        }
        for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_AUTO; p++)
            assert_int_equal(verify_all(tier, p, NULL), 20);
    }
}

static void test_every_model_with_threads(void **state) {
    (void)state;
    ken_error err;
    ken_pool *pool;
    assert_int_equal(ken_pool_new(3, &pool, &err), KEN_OK);
    for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_AUTO; p++)
        assert_int_equal(verify_all(NULL, p, pool), 20);
    ken_pool_free(pool);
}

/* Trained weights, from JPEG files and texts to embeddings. */
static void demo_model_from_photos(ken_precision precision) {
    ken_error err;
    ken_model *model;
    if (ken_model_load(KEN_SOURCE_DIR "/models/demo", &(ken_model_options){.precision = precision},
                       &model, &err) != KEN_OK)
        fail_msg("%s", err.message);
    verify_report report;
    const verify_options options = {.photos = KEN_SOURCE_DIR "/examples/photos"};
    if (verify_run(model, KEN_SOURCE_DIR "/models/demo/goldens.json", &options, &report, &err) !=
        KEN_OK)
        fail_msg("%s", err.message);
    print_differences("demo", "the best tier", &report);
    assert_int_equal(report.n_failed, 0);
    assert_int_equal(report.n_rows, 4); /* ids, texts, images, scale */
    assert_int_equal(report.n_embeddings, 37);
    verify_report_free(&report);
    ken_model_free(model);
}

static void test_demo_model_from_photos(void **state) {
    (void)state;
    demo_model_from_photos(KEN_PRECISION_F32);
    demo_model_from_photos(KEN_PRECISION_S16);
    demo_model_from_photos(KEN_PRECISION_INT8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_model_on_every_tier),
        cmocka_unit_test(test_every_model_with_threads),
        cmocka_unit_test(test_demo_model_from_photos),
    };
    return cmocka_run_group_tests_name("goldens", tests, NULL, NULL);
}
