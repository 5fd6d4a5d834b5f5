/* Models in integers beside the same models in f32: how near they are, also with activations that
 * dwarf all others, and what the models say about it themselves. */
#include "fixture.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* By precision. */
static const float promised_cosine[] = {
    [KEN_PRECISION_S16] = 0.99999f, [KEN_PRECISION_INT8] = 0.995f, [KEN_PRECISION_AUTO] = 0.999f};
enum { n_items = 5, most_floats = n_items * 64 };

typedef struct embeddings {
    float images[most_floats], texts[most_floats];
    int width;
} embeddings;

/* Everything on all threads of `pool`, in one call. */
static void encode(const char *dir, const ken_model_options *options, ken_pool *pool,
                   embeddings *out) {
    ken_model *model = fixture_load(dir, options);
    ken_model_info info;
    ken_model_get_info(model, &info);
    assert_int_equal(info.precision, options->precision);
    out->width = info.embedding_width;
    size_t image_bytes = preprocess_size(model_preprocess(model)), t = (size_t)info.context_length;
    uint8_t *pixels = mem_alloc(n_items * image_bytes);
    int32_t *ids = mem_zalloc(n_items * t, sizeof *ids);
    for (size_t i = 0; i < n_items * image_bytes; i++)
        pixels[i] = (uint8_t)(i * i * 31 % 253);
    for (size_t i = 0; i < n_items * t; i++)
        ids[i] = i % t < 2 + i / t ? (int32_t)(5 + (i / t + 3 * i) % 40) : info.vocab_size - 1;
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(model, &(ken_session_options){.max_batch = n_items, .pool = pool},
                              &session, &err),
              err);
    assert_ok(ken_session_encode_pixels(session, pixels, n_items, out->images, &err), err);
    assert_ok(ken_session_encode_tokens(session, ids, n_items, out->texts, &err), err);
    ken_session_free(session);
    ken_model_free(model);
    mem_free(pixels);
    mem_free(ids);
}

static float smallest(float a, float b) {
    return a < b ? a : b;
}

/* A precision on every tier beside f32 on the scalar one; returns the smallest cosine found. */
static float near_f32(const char *dir, ken_precision precision, float least) {
    embeddings exact, found;
    float worst = 1;
    encode(dir, &(ken_model_options){.cpu_tier = "scalar", .precision = KEN_PRECISION_F32}, NULL,
           &exact);
    for (size_t tier = 0; kernels_tier_name(tier); tier++) {
        const char *name = kernels_tier_name(tier);
        if (!kernels_find(name, NULL))
            continue;
        encode(dir, &(ken_model_options){.cpu_tier = name, .precision = precision}, NULL, &found);
        size_t width = (size_t)exact.width;
        for (size_t i = 0; i < n_items; i++) {
            float picture = ken_dot(exact.images + i * width, found.images + i * width, width);
            float text = ken_dot(exact.texts + i * width, found.texts + i * width, width);
            if (!(picture >= least && text >= least))
                fail_msg("%s in %s on %s: cosines of item %zu are %.7f and %.7f", dir,
                         ken_precision_name(precision), name, i, (double)picture, (double)text);
            worst = smallest(worst, smallest(picture, text));
        }
    }
    return worst;
}

/* ---- massive activations ---- */

static const char changed_name[] = "hf_clip_classic";

/* Multiplies the elements `first`, `first` + `step`, ... of a tensor. */
static void multiply(const fixture_tensors *tensors, const char *tensor, size_t first, size_t step,
                     float factor) {
    const json_t *entry = json_object_get(tensors->header, tensor);
    assert_non_null(entry);
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    for (size_t at = begin + first * sizeof(float); at < end; at += step * sizeof(float)) {
        float x;
        memcpy(&x, tensors->data + at, sizeof x);
        x = x * factor + (x < 0 ? -factor : factor) / 10;
        memcpy(tensors->data + at, &x, sizeof x);
    }
}

/* Begins a copy of the model, its tensors in memory. */
static void change_begin(fixture_tensors *tensors) {
    fixture_copy(changed_name);
    fixture_read_tensors(changed_name, "model.safetensors", tensors);
}

static const char *change_end(fixture_tensors *tensors) {
    fixture_write_tensors(changed_name, "model.safetensors", tensors->header, tensors->data,
                          tensors->data_bytes);
    fixture_free_tensors(tensors);
    static char dir[512]; /* scratch paths do not last */
    snprintf(dir, sizeof dir, "%s", scratch_path(changed_name));
    return dir;
}

/* As trained towers have them: a few channels of the residual stream that are large in all tokens,
 * large in one token only, and a hidden unit of an MLP that is always on. */
static const char *with_massive_outliers(void) {
    enum { width = 20 };
    fixture_tensors t;
    change_begin(&t);
    multiply(&t, "vision_model.embeddings.position_embedding.weight", 3, width, 100);
    multiply(&t, "vision_model.embeddings.class_embedding", 7, width, 300);
    multiply(&t, "vision_model.encoder.layers.0.mlp.fc1.bias", 5, 1000, 100);
    multiply(&t, "text_model.embeddings.position_embedding.weight", 4, width, 100);
    multiply(&t, "text_model.encoder.layers.0.mlp.fc1.bias", 2, 1000, 100);
    multiply(&t, "text_model.encoder.layers.0.mlp.fc2.weight", 9, 1000, 50);
    return change_end(&t);
}

/* A hidden unit of an MLP that is always on and hardly looked at: in 8 bits it hides all others of
 * its row. */
static const char *with_hiding_units(void) {
    enum { vision_hidden = 51, text_hidden = 37 };
    fixture_tensors t;
    change_begin(&t);
    multiply(&t, "vision_model.encoder.layers.0.mlp.fc1.bias", 5, 1000, -300);
    multiply(&t, "vision_model.encoder.layers.0.mlp.fc2.weight", 5, vision_hidden, 1e-3f);
    multiply(&t, "text_model.encoder.layers.0.mlp.fc1.bias", 2, 1000, 300);
    multiply(&t, "text_model.encoder.layers.0.mlp.fc2.weight", 2, text_hidden, 1e-3f);
    return change_end(&t);
}

static void test_massive_outliers(void **state) {
    (void)state;
    const char *dir = with_massive_outliers();
    near_f32(dir, KEN_PRECISION_S16, promised_cosine[KEN_PRECISION_S16]);
    near_f32(dir, KEN_PRECISION_AUTO, promised_cosine[KEN_PRECISION_AUTO]);
}

/* int8 cannot keep what it keeps elsewhere, s16 can, and auto finds out where s16 is needed. */
static void test_hiding_units(void **state) {
    (void)state;
    const char *dir = with_hiding_units();
    near_f32(dir, KEN_PRECISION_S16, promised_cosine[KEN_PRECISION_S16]);
    assert_true(near_f32(dir, KEN_PRECISION_INT8, -1) < promised_cosine[KEN_PRECISION_AUTO]);
    near_f32(dir, KEN_PRECISION_AUTO, promised_cosine[KEN_PRECISION_AUTO]);
}

static void test_near_f32(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic", "hf_clip_bf16",
                                        "hf_siglip",       "open_clip_vit_layer_scale",
                                        "open_clip_rn",    "open_clip_rn_odd_width"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (ken_precision p = KEN_PRECISION_S16; p <= KEN_PRECISION_AUTO; p++)
            near_f32(fixture_dir(names[i]), p, promised_cosine[p]);
}

/* ---- what a model says of itself ---- */

static double cosine_said(const char *dir, const ken_model_options *options, bool images) {
    ken_model *model = fixture_load(dir, options);
    double min, mean, again, mean_again;
    ken_error err;
    assert_ok(model_cosines(model, images, &min, &mean, &err), err);
    assert_true(min <= mean && mean <= 1);
    uint64_t before = mem_count();
    assert_ok(model_cosines(model, images, &again, &mean_again, &err), err);
    assert_true(again == min && mean_again == mean && mem_count() == before); /* found out once */
    ken_model_free(model);
    return min;
}

static void test_cosines(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic", "hf_siglip", "open_clip_rn"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int images = 0; images < 2; images++) {
            const char *dir = fixture_dir(names[i]);
            ken_model_options options = {.precision = KEN_PRECISION_F32};
            assert_true(cosine_said(dir, &options, images) == 1);
            for (options.precision = KEN_PRECISION_S16; options.precision <= KEN_PRECISION_AUTO;
                 options.precision++) {
                double min = cosine_said(dir, &options, images);
                assert_true(min >= (double)promised_cosine[options.precision] && min < 1);
            }
        }
}

static void test_cosines_of_a_tower_that_is_not_there(void **state) {
    (void)state;
    const ken_model_options options = {.vision_only = true};
    ken_model *model = fixture_load(fixture_dir("hf_clip_classic"), &options);
    double min, mean;
    ken_error err;
    assert_error(model_cosines(model, false, &min, &mean, &err), KEN_BAD_ARGUMENT, err,
                 "without its text tower");
    ken_model_free(model);
}

/* An answer that is kept is taken, whatever it says: the cache is trusted as the weights are. */
static void test_cosines_are_kept(void **state) {
    (void)state;
    char cache_dir[512];
    snprintf(cache_dir, sizeof cache_dir, "%s", scratch_path("cosines"));
    ken_model_options options = {.precision = KEN_PRECISION_INT8, .cache_dir = cache_dir};
    const char *dir = fixture_dir("hf_clip_classic");
    double min = cosine_said(dir, &options, true);
    ken_model *model = fixture_load(dir, &options);
    char answer[MODEL_ANSWER_BYTES];
    assert_true(model_recall(model, "cosines of the vision tower", answer));
    assert_true(fabs(strtod(answer, NULL) - min) < 1e-8);
    model_remember(model, "cosines of the vision tower", "0.5 0.75");
    ken_model_free(model);
    assert_true(cosine_said(dir, &options, true) == 0.5);
    model = fixture_load(dir, &options);
    model_remember(model, "cosines of the vision tower", "7");
    ken_model_free(model);
    assert_true(fabs(cosine_said(dir, &options, true) - min) < 1e-8); /* not a cosine */
}

/* ---- auto ---- */

static char *layers_in_s16(const char *dir, const ken_model_options *options, bool images,
                           size_t *n_int8) {
    ken_model *model = fixture_load(dir, options);
    size_t n = model_layer_count(model, images, n_int8);
    assert_in_range(n, 8, 30);
    ken_error err;
    buf names;
    buf_init(&names, 1 << 16);
    assert_ok(model_put_s16_layers(model, images, &names, &err), err);
    char *copy = mem_strdup(names.size ? names.data : "");
    buf_free(&names);
    ken_model_free(model);
    return copy;
}

/* Healthy weights keep int8 but for the last projection; a hiding unit costs layers, and the same
 * ones each time. */
static void test_plans(void **state) {
    (void)state;
    const char *healthy = fixture_dir("hf_clip_classic"), *outliers = with_hiding_units();
    const ken_model_options options = {.precision = KEN_PRECISION_AUTO};
    for (int images = 0; images < 2; images++) {
        size_t n_healthy, n_outliers, n_again;
        char *names = layers_in_s16(healthy, &options, images, &n_healthy);
        assert_string_equal(names, images ? "visual_projection" : "text_projection");
        mem_free(names);
        names = layers_in_s16(outliers, &options, images, &n_outliers);
        char *again = layers_in_s16(outliers, &options, images, &n_again);
        assert_in_range(n_outliers, 1, n_healthy - 1);
        assert_string_equal(names, again);
        assert_int_equal(n_outliers, n_again);
        mem_free(names);
        mem_free(again);
    }
}

/* A kept plan is followed; one that cannot be is made anew. */
static void test_plans_are_kept(void **state) {
    (void)state;
    char cache_dir[512];
    snprintf(cache_dir, sizeof cache_dir, "%s", scratch_path("plans"));
    const ken_model_options options = {.precision = KEN_PRECISION_AUTO, .cache_dir = cache_dir};
    const char *dir = fixture_dir("hf_siglip"), *question = "plan of the vision tower";
    size_t n_int8, n_kept;
    mem_free(layers_in_s16(dir, &options, true, &n_int8));
    ken_model *model = fixture_load(dir, &options);
    char answer[MODEL_ANSWER_BYTES];
    assert_true(model_recall(model, question, answer));
    model_remember(model, question, "0.9995 0.9997 ssss");
    ken_model_free(model);
    mem_free(layers_in_s16(dir, &options, true, &n_kept));
    assert_int_equal(n_kept, n_int8 - 4);
    static const char *const bad[] = {"0.9995 0.9997 six", "0.9995", "", "x y ssss"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        model = fixture_load(dir, &options);
        model_remember(model, question, bad[i]);
        ken_model_free(model);
        mem_free(layers_in_s16(dir, &options, true, &n_kept));
        assert_int_equal(n_kept, n_int8);
    }
}

/* The comparisons are not empty: s16 gives other bits. */
static void test_other_bits(void **state) {
    (void)state;
    embeddings exact, found;
    const char *dir = fixture_dir("hf_clip_classic");
    encode(dir, &(ken_model_options){.precision = KEN_PRECISION_F32}, NULL, &exact);
    encode(dir, &(ken_model_options){.precision = KEN_PRECISION_S16}, NULL, &found);
    assert_memory_not_equal(exact.images, found.images, sizeof(float) * (size_t)exact.width);
    assert_memory_not_equal(exact.texts, found.texts, sizeof(float) * (size_t)exact.width);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(ken_precision_name(KEN_PRECISION_DEFAULT), "default");
    assert_string_equal(ken_precision_name(KEN_PRECISION_F32), "f32");
    assert_string_equal(ken_precision_name(KEN_PRECISION_S16), "s16");
    assert_string_equal(ken_precision_name(KEN_PRECISION_INT8), "int8");
    assert_string_equal(ken_precision_name(KEN_PRECISION_AUTO), "auto");
    assert_string_equal(ken_precision_name((ken_precision)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_f32),
        cmocka_unit_test(test_massive_outliers),
        cmocka_unit_test(test_hiding_units),
        cmocka_unit_test(test_other_bits),
        cmocka_unit_test(test_cosines),
        cmocka_unit_test(test_cosines_of_a_tower_that_is_not_there),
        cmocka_unit_test(test_cosines_are_kept),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_plans_are_kept),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
