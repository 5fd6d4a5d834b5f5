/* Models in s16 beside the same models in f32: how near they are, also with activations that dwarf
 * all others. */
#include "fixture.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

static const float promised_cosine = 0.99999f;
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

/* s16 on every tier beside f32 on the scalar one. */
static void near_f32(const char *dir) {
    embeddings exact, found;
    encode(dir, &(ken_model_options){.cpu_tier = "scalar", .precision = KEN_PRECISION_F32}, NULL,
           &exact);
    for (size_t tier = 0; kernels_tier_name(tier); tier++) {
        const char *name = kernels_tier_name(tier);
        if (!kernels_find(name, NULL))
            continue;
        encode(dir, &(ken_model_options){.cpu_tier = name, .precision = KEN_PRECISION_S16}, NULL,
               &found);
        size_t width = (size_t)exact.width;
        for (size_t i = 0; i < n_items; i++) {
            float picture = ken_dot(exact.images + i * width, found.images + i * width, width);
            float text = ken_dot(exact.texts + i * width, found.texts + i * width, width);
            if (!(picture >= promised_cosine && text >= promised_cosine))
                fail_msg("%s on %s: cosines of item %zu are %.7f and %.7f", dir, name, i,
                         (double)picture, (double)text);
        }
    }
}

/* ---- massive activations ---- */

/* Multiplies the elements `first`, `first` + `step`, ... of a tensor of the copy. */
static void multiply(const char *model, const char *tensor, size_t first, size_t step,
                     float factor) {
    fixture_tensors tensors;
    fixture_read_tensors(model, "model.safetensors", &tensors);
    const json_t *entry = json_object_get(tensors.header, tensor);
    assert_non_null(entry);
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    for (size_t at = begin + first * sizeof(float); at < end; at += step * sizeof(float)) {
        float x;
        memcpy(&x, tensors.data + at, sizeof x);
        x = x * factor + (x < 0 ? -factor : factor) / 10;
        memcpy(tensors.data + at, &x, sizeof x);
    }
    fixture_write_tensors(model, "model.safetensors", tensors.header, tensors.data,
                          tensors.data_bytes);
    fixture_free_tensors(&tensors);
}

/* As trained towers have them: a few channels of the residual stream that are large in all tokens,
 * large in one token only, and a hidden unit of an MLP that is always on. */
static void test_massive_outliers(void **state) {
    (void)state;
    enum { width = 20 };
    static const char name[] = "hf_clip_classic";
    const char *dir = fixture_copy(name);
    multiply(name, "vision_model.embeddings.position_embedding.weight", 3, width, 100);
    multiply(name, "vision_model.embeddings.class_embedding", 7, width, 300);
    multiply(name, "vision_model.encoder.layers.0.mlp.fc1.bias", 5, 1000, 100);
    multiply(name, "text_model.embeddings.position_embedding.weight", 4, width, 100);
    multiply(name, "text_model.encoder.layers.0.mlp.fc1.bias", 2, 1000, 100);
    multiply(name, "text_model.encoder.layers.0.mlp.fc2.weight", 9, 1000, 50);
    near_f32(dir);
}

static void test_near_f32(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic", "hf_clip_bf16",
                                        "hf_siglip",       "open_clip_vit_layer_scale",
                                        "open_clip_rn",    "open_clip_rn_odd_width"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        near_f32(fixture_dir(names[i]));
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
    assert_string_equal(ken_precision_name((ken_precision)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_f32),
        cmocka_unit_test(test_massive_outliers),
        cmocka_unit_test(test_other_bits),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
