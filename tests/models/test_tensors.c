/* Every tensor of several checkpoints deleted, reshaped, retyped and poisoned: each time the error
 * names it, and what was expected and found. */
#include "fixture.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Tensors that older exports hold and nothing needs. */
static bool is_unused(const char *tensor) {
    return strstr(tensor, "num_batches_tracked") || strstr(tensor, "position_ids");
}

typedef struct span {
    size_t begin, end;
} span;

static span offsets(const json_t *info) {
    const json_t *pair = json_object_get(info, "data_offsets");
    return (span){(size_t)json_integer_value(json_array_get(pair, 0)),
                  (size_t)json_integer_value(json_array_get(pair, 1))};
}

typedef struct tensor_case {
    const char *model, *file, *tensor;
    const char *dir;
    const fixture_tensors *whole;
} tensor_case;

static void expect(const tensor_case *c, ken_status expected, const char *text) {
    /* OpenCLIP starts from 0 when a file has no logit_bias. */
    bool optional = strcmp(c->tensor, "logit_bias") == 0 && strstr(c->model, "open_clip") &&
                    strcmp(text, "missing") == 0;
    if (is_unused(c->tensor) || optional) {
        ken_model_free(fixture_load(c->dir, &(ken_model_options){.vision_only = true}));
        return;
    }
    char quoted[300];
    snprintf(quoted, sizeof quoted, "'%s'", c->tensor);
    ken_error err;
    fixture_refused(c->dir, expected, quoted, &err);
    if (!strstr(err.message, text))
        fail_msg("'%s' does not say '%s'", err.message, text);
}

/* The format allows no holes: what comes after the tensor moves up. */
static void deleted(const tensor_case *c) {
    json_t *header = json_deep_copy(c->whole->header);
    span gone = offsets(json_object_get(header, c->tensor));
    json_object_del(header, c->tensor);
    const char *name;
    json_t *info;
    json_object_foreach(header, name, info) {
        span s = offsets(info);
        if (strcmp(name, "__metadata__") == 0 || s.begin < gone.end)
            continue;
        size_t shift = gone.end - gone.begin;
        json_object_set_new(
            info, "data_offsets",
            json_pack("[I,I]", (json_int_t)(s.begin - shift), (json_int_t)(s.end - shift)));
    }
    size_t size = c->whole->data_bytes - (gone.end - gone.begin);
    uint8_t *data = mem_alloc(size);
    memcpy(data, c->whole->data, gone.begin);
    memcpy(data + gone.begin, c->whole->data + gone.end, c->whole->data_bytes - gone.end);
    fixture_write_tensors(c->model, c->file, header, data, size);
    mem_free(data);
    json_decref(header);
    expect(c, KEN_BAD_FORMAT, "missing");
}

/* The shape from back to front; or, where that is the same, with a dimension of 1 before it. */
static void reshaped(const tensor_case *c) {
    json_t *header = json_deep_copy(c->whole->header);
    json_t *info = json_object_get(header, c->tensor);
    const json_t *shape = json_object_get(info, "shape");
    json_t *other = json_array();
    for (size_t i = json_array_size(shape); i-- > 0;)
        json_array_append(other, json_array_get(shape, i));
    if (json_equal(shape, other)) {
        json_array_insert_new(other, 0, json_integer(1));
        if (json_array_size(shape) == 0) /* a number may be stored as [1] */
            json_array_insert_new(other, 0, json_integer(1));
    }
    json_object_set_new(info, "shape", other);
    fixture_write_tensors(c->model, c->file, header, c->whole->data, c->whole->data_bytes);
    json_decref(header);
    expect(c, KEN_BAD_FORMAT, "expected [");
}

static void retyped(const tensor_case *c) {
    json_t *header = json_deep_copy(c->whole->header);
    json_t *info = json_object_get(header, c->tensor);
    bool wide = strcmp(json_string_value(json_object_get(info, "dtype")), "F32") == 0;
    if (!is_unused(c->tensor))
        json_object_set_new(info, "dtype", json_string(wide ? "I32" : "I16"));
    fixture_write_tensors(c->model, c->file, header, c->whole->data, c->whole->data_bytes);
    json_decref(header);
    expect(c, KEN_UNSUPPORTED, wide ? "type I32, expected F32, F16 or BF16" : "type I16");
}

/* The tensor's last element becomes NaN or infinity. */
static void poisoned(const tensor_case *c, bool nan) {
    const json_t *info = json_object_get(c->whole->header, c->tensor);
    const char *type = json_string_value(json_object_get(info, "dtype"));
    bool f16 = strcmp(type, "F16") == 0;
    uint8_t *data = mem_alloc(c->whole->data_bytes);
    memcpy(data, c->whole->data, c->whole->data_bytes);
    uint8_t *last = data + offsets(info).end;
    last[-1] = f16 ? 0x7C : 0x7F;
    last[-2] = (uint8_t)((f16 ? 0 : 0x80) + nan);
    if (strcmp(type, "F32") == 0)
        last[-3] = last[-4] = 0;
    fixture_write_tensors(c->model, c->file, c->whole->header, data, c->whole->data_bytes);
    mem_free(data);
    expect(c, KEN_BAD_FORMAT, "NaN or infinity");
}

static void every_tensor_of(const char *model, const char *file) {
    fixture_tensors whole;
    fixture_read_tensors(model, file, &whole);
    tensor_case c = {model, file, NULL, fixture_copy(model), &whole};
    char dir[600];
    snprintf(dir, sizeof dir, "%s", c.dir);
    c.dir = dir;
    int n = 0;
    json_t *info;
    json_object_foreach(whole.header, c.tensor, info) {
        if (strcmp(c.tensor, "__metadata__") == 0)
            continue;
        deleted(&c);
        reshaped(&c);
        retyped(&c);
        poisoned(&c, n++ % 2);
    }
    assert_true(n > 40);
    fixture_free_tensors(&whole);
}

static void test_hf_clip(void **state) {
    (void)state;
    every_tensor_of("hf_clip_classic", "model.safetensors");
}

static void test_hf_clip_half(void **state) {
    (void)state;
    every_tensor_of("hf_clip_f16", "model.safetensors");
    every_tensor_of("hf_clip_bf16", "model.safetensors");
}

static void test_hf_siglip(void **state) {
    (void)state;
    every_tensor_of("hf_siglip", "model.safetensors");
}

static void test_open_clip_vit(void **state) {
    (void)state;
    every_tensor_of("open_clip_vit", "open_clip_model.safetensors");
    every_tensor_of("open_clip_vit_layer_scale", "open_clip_model.safetensors");
    every_tensor_of("open_clip_vit_custom_text", "open_clip_model.safetensors");
}

static void test_open_clip_resnet(void **state) {
    (void)state;
    every_tensor_of("open_clip_rn", "open_clip_model.safetensors");
}

/* A variance below 0 would become NaN inside the folded weights. */
static void test_negative_variance(void **state) {
    (void)state;
    fixture_tensors whole;
    fixture_read_tensors("open_clip_rn", "open_clip_model.safetensors", &whole);
    const char *dir = fixture_copy("open_clip_rn");
    const json_t *info = json_object_get(whole.header, "visual.bn1.running_var");
    size_t n = (size_t)json_integer_value(json_array_get(json_object_get(info, "shape"), 0));
    span s = offsets(info);
    whole.data[s.begin + (s.end - s.begin) / n - 1] |= 0x80; /* the first element's sign */
    fixture_write_tensors("open_clip_rn", "open_clip_model.safetensors", whole.header, whole.data,
                          whole.data_bytes);
    ken_error err;
    fixture_refused(dir, KEN_BAD_FORMAT, "'visual.bn1.running_var' holds -", &err);
    fixture_free_tensors(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hf_clip),          cmocka_unit_test(test_hf_clip_half),
        cmocka_unit_test(test_hf_siglip),        cmocka_unit_test(test_open_clip_vit),
        cmocka_unit_test(test_open_clip_resnet), cmocka_unit_test(test_negative_variance),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
