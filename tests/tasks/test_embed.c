/* The whole job in one process: every allocation fails in turn, once and for good, and afterwards
 * the same job ends with the same bytes. Also what only the library's caller can see: a sink's
 * failure, cancelling, decoders that misbehave in the middle of a run. */
#include "testing.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tasks/embed/embed.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { n_photos = 5 };

static ken_model *model;
static char dir[] = "/tmp/ken-test-embed-XXXXXX";
static char output[256], parts_dir[256];

static const char *const photos[] = {
    KEN_SOURCE_DIR "/examples/photos/dress",
    KEN_SOURCE_DIR "/examples/photos/hat",
};

static int set_up(void **state) {
    (void)state;
    ken_error err;
    ken_model_options options = {.vision_only = true};
    if (!mkdtemp(dir))
        return -1;
    snprintf(output, sizeof output, "%s/out.parquet", dir);
    snprintf(parts_dir, sizeof parts_dir, "%s/out.parquet.parts", dir);
    return ken_model_load(KEN_SOURCE_DIR "/models/demo", &options, &model, &err) == KEN_OK ? 0 : -1;
}

/* Removes a folder that a job left, and the output. */
static void clear(void) {
    unlink(output);
    DIR *stream = opendir(parts_dir);
    struct dirent *entry;
    char path[600];
    while (stream && (entry = readdir(stream)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", parts_dir, entry->d_name);
        unlink(path);
    }
    if (stream)
        closedir(stream);
    rmdir(parts_dir);
    snprintf(path, sizeof path, "%s/out.errors.csv", dir);
    unlink(path);
}

static int tear_down(void **state) {
    (void)state;
    clear();
    rmdir(dir);
    ken_model_free(model);
    return 0;
}

static ken_status open_inputs(inputs **in, ken_error *err) {
    inputs_options options = {.args = photos, .n_args = 2, .limit = n_photos};
    return inputs_open(&options, in, err);
}

static ken_status embed(embed_report *report, ken_error *err) {
    inputs *in;
    ken_status status = open_inputs(&in, err);
    if (status != KEN_OK)
        return status;
    embed_options options = {
        .output = output, .part_rows = 2, .pipeline = {.n_threads = 1, .n_decoders = 1}};
    status = embed_run(model, in, &options, report, err);
    inputs_close(in);
    return status;
}

static void hash_output(char out[HASH_XXH128_HEX]) {
    file_map map;
    ken_error err;
    if (file_map_open(output, &map, &err) != KEN_OK)
        fail_msg("%s", err.message);
    hash_xxh128(map.data, map.size, out);
    file_map_close(&map);
}

/* Allocations fail from the n-th on; then the job is given memory again. Returns whether the
 * failure was met at all. */
static bool fail_and_resume(uint64_t n, bool forever, const char *wanted) {
    embed_report report;
    ken_error err = {0};
    char found[HASH_XXH128_HEX];
    mem_fail_after(n, forever);
    uint64_t before = mem_count();
    ken_status status = embed(&report, &err);
    bool met = mem_count() - before >= n;
    mem_fail_after(0, false);
    if (status != KEN_OK && status != KEN_NO_MEMORY)
        fail_msg("allocation %d: %s: %s", (int)n, ken_status_name(status), err.message);
    if (status == KEN_OK &&
        report.n_failed) /* the decoder had no memory: a failed item, as promised */
        clear();
    if (embed(&report, &err) != KEN_OK)
        fail_msg("after allocation %d: %s", (int)n, err.message);
    assert_int_equal(report.n_rows, n_photos);
    hash_output(found);
    assert_string_equal(found, wanted);
    clear();
    return met;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    embed_report report;
    ken_error err;
    char wanted[HASH_XXH128_HEX];
    if (embed(&report, &err) != KEN_OK)
        fail_msg("%s", err.message);
    hash_output(wanted);
    clear();
    /* All of the first ones, then a sample: the later ones repeat for each part and picture. */
    for (uint64_t n = 1; fail_and_resume(n, false, wanted); n += n < 8 ? 1 : 1 + n / 3)
        ;
    for (uint64_t n = 3; fail_and_resume(n, true, wanted); n += 2 + n / 2)
        ;
}

/* ---- the pipeline alone ---------------------------------------------------------------------- */

typedef struct seen {
    uint64_t n, n_failed, stop_at;
    const char *reasons[n_photos];
} seen;

static ken_status look(void *context, const embed_item *item, ken_error *err) {
    static const char *const known[] = {"crashed", "timeout", "out_of_memory"};
    seen *s = context;
    assert_int_equal(item->index, s->n);
    s->reasons[s->n] = NULL;
    for (size_t i = 0; item->reason && i < sizeof known / sizeof *known; i++)
        if (strcmp(item->reason, known[i]) == 0)
            s->reasons[s->n] = known[i];
    s->n_failed += item->stage != NULL;
    assert_int_equal(item->stage == NULL, item->embedding != NULL);
    s->n++;
    return s->n == s->stop_at ? error_set(err, KEN_IO, "the sink is full") : KEN_OK;
}

static ken_status run(const pipeline_options *options, seen *s, ken_error *err) {
    inputs *in;
    assert_int_equal(open_inputs(&in, err), KEN_OK);
    pipeline_stats stats;
    ken_status status = pipeline_run(model, in, 0, options, look, s, &stats, err);
    assert_int_equal(stats.n_failed, s->n_failed);
    inputs_close(in);
    return status;
}

static void test_failure_of_the_sink_ends_the_run(void **state) {
    (void)state;
    seen s = {.stop_at = 3};
    ken_error err;
    pipeline_options options = {.n_threads = 2};
    assert_int_equal(run(&options, &s, &err), KEN_IO);
    assert_string_equal(err.message, "the sink is full");
    assert_int_equal(s.n, 3);
}

static void test_cancel(void **state) {
    (void)state;
    seen s = {0};
    ken_error err;
    volatile sig_atomic_t cancel = 1;
    pipeline_options options = {.n_threads = 2, .cancel = &cancel};
    assert_int_equal(run(&options, &s, &err), KEN_CANCELLED);
    assert_int_equal(s.n, 0);
}

static void test_count(void **state) {
    (void)state;
    seen s = {0};
    ken_error err;
    pipeline_options options = {.n_threads = 2, .count = 2};
    assert_int_equal(run(&options, &s, &err), KEN_OK);
    assert_int_equal(s.n, 2);
}

/* The second of the pictures that a worker gets ends it, or keeps it busy for ever. */
static ken_status die_at_second(const preprocess *p, const kernels *k, const uint8_t *bytes,
                                size_t size, const image_limits *limits, uint8_t *out,
                                image_facts *facts, image_stage *stage, ken_error *err) {
    static int n;
    if (++n == 2)
        _exit(9);
    return preprocess_bytes(p, k, bytes, size, limits, out, facts, stage, err);
}

static ken_status hang_at_second(const preprocess *p, const kernels *k, const uint8_t *bytes,
                                 size_t size, const image_limits *limits, uint8_t *out,
                                 image_facts *facts, image_stage *stage, ken_error *err) {
    static int n;
    while (++n == 2)
        for (;;)
            pause();
    return preprocess_bytes(p, k, bytes, size, limits, out, facts, stage, err);
}

static void test_decoders_that_misbehave(void **state) {
    (void)state;
    seen s = {0};
    ken_error err;
    pipeline_options options = {.n_threads = 2, .n_decoders = 1, .decode = die_at_second};
    assert_int_equal(run(&options, &s, &err), KEN_OK);
    assert_int_equal(s.n, n_photos);
    for (int i = 0; i < n_photos; i++) /* each new worker dies at its second picture */
        assert_true((i % 2 == 1) == (s.reasons[i] && strcmp(s.reasons[i], "crashed") == 0));
    s = (seen){0};
    options.decode = hang_at_second;
    options.item_timeout = 2;
    assert_int_equal(run(&options, &s, &err), KEN_OK);
    for (int i = 0; i < n_photos; i++)
        assert_true((i % 2 == 1) == (s.reasons[i] && strcmp(s.reasons[i], "timeout") == 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_of_the_sink_ends_the_run),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_decoders_that_misbehave),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
