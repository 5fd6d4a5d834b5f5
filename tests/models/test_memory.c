/* No allocation while encoding; a load that runs out of memory anywhere says so and leaks nothing
 * (the sanitizer build looks). */
#include "fixture.h"

#include "base/mem.h"

#include <string.h>

static void encode_without_allocating(const char *name, ken_precision precision, ken_pool *pool) {
    ken_model *model =
        fixture_load(fixture_dir(name), &(ken_model_options){.precision = precision});
    ken_model_info info;
    ken_model_get_info(model, &info);
    enum { n = 5 };
    uint8_t *pixels = mem_zalloc(n, preprocess_size(model_preprocess(model)));
    int32_t *ids = mem_zalloc(n, (size_t)info.context_length * sizeof *ids);
    float out[n * 64];
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(model, &(ken_session_options){.max_batch = n, .pool = pool}, &session,
                              &err),
              err);
    uint64_t before = mem_count();
    for (int i = 1; i <= n; i++) {
        assert_ok(ken_session_encode_pixels(session, pixels, i, out, &err), err);
        assert_ok(ken_session_encode_tokens(session, ids, i, out, &err), err);
    }
    assert_int_equal(mem_count(), before);
    ken_session_free(session);
    ken_model_free(model);
    mem_free(pixels);
    mem_free(ids);
}

static void test_no_allocation_while_encoding(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic", "hf_siglip", "open_clip_rn",
                                        "open_clip_vit_avg_ln_after"};
    ken_pool *pool;
    assert_int_equal(ken_pool_new(2, &pool, NULL), KEN_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_AUTO; p++) {
            encode_without_allocating(names[i], p, NULL);
            encode_without_allocating(names[i], p, pool);
        }
    }
    ken_pool_free(pool);
}

/* The workspace that is announced is what a session takes: one block and itself. */
static void test_session_allocates_twice(void **state) {
    (void)state;
    ken_model *model = fixture_load(fixture_dir("hf_clip_classic"), NULL);
    uint64_t before = mem_count();
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    assert_int_equal(mem_count() - before, 2);
    ken_session_free(session);
    ken_model_free(model);
}

static ken_status load_and_make_session(const char *dir, const ken_model_options *options,
                                        ken_error *err) {
    ken_model *model;
    ken_status status = ken_model_load(dir, options, &model, err);
    if (status != KEN_OK)
        return status;
    ken_session *session;
    status = ken_session_new(model, NULL, &session, err);
    ken_session_free(session);
    ken_model_free(model);
    return status;
}

/* Makes the first, second, third... allocation fail, until all succeed. `step` skips some. */
static void run_out_of_memory(const char *name, const ken_model_options *options, uint64_t step) {
    const char *dir = fixture_dir(name);
    for (uint64_t failing = 1; failing < 100000; failing += step) {
        ken_error err = {0};
        mem_fail_after(failing, failing % 2);
        ken_status status = load_and_make_session(dir, options, &err);
        mem_fail_after(0, false);
        if (status == KEN_OK) {
            assert_true(failing > 5);
            return;
        }
        if (status != KEN_NO_MEMORY || err.message[0] == '\0')
            fail_msg("%s, allocation %d: %s '%s'", name, (int)failing, ken_status_name(status),
                     err.message);
    }
    fail_msg("%s never succeeded", name);
}

static void test_out_of_memory(void **state) {
    (void)state;
    run_out_of_memory("hf_clip_classic", NULL, 1);
    run_out_of_memory("hf_clip_classic", &(ken_model_options){.precision = KEN_PRECISION_S16}, 1);
    run_out_of_memory("hf_clip_sharded", NULL, 1);
    run_out_of_memory("hf_siglip", NULL, 1);
    run_out_of_memory("open_clip_rn", &(ken_model_options){.vision_only = true}, 1);
    run_out_of_memory("open_clip_vit_layer_scale", &(ken_model_options){.vision_only = true}, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation_while_encoding),
        cmocka_unit_test(test_session_allocates_twice),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
