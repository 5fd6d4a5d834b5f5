/* Configurations: what is out of range or not supported is refused with its field and value; the
 * different spellings of the same thing give the same model. */
#include "fixture.h"

#include <math.h>
#include <string.h>

typedef struct bad_value {
    const char *path; /* of the JSON file */
    const char *json; /* NULL: removed */
    ken_status status;
    const char *text; /* in the message */
} bad_value;

/* The copy is made anew for each value. */
static void refuse_all(const char *model, const char *file, const bad_value *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *dir = fixture_copy(model);
        fixture_set(model, file, values[i].path, values[i].json);
        ken_error err;
        print_message("%s: %s = %s\n", model, values[i].path,
                      values[i].json ? values[i].json : "(removed)");
        fixture_refused(dir, values[i].status, values[i].text, &err);
        /* The field by name, without the sections before it. */
        const char *field = strrchr(values[i].path, '.');
        field = field ? field + 1 : values[i].path;
        if (!strstr(err.message, field) && !strstr(values[i].text, "tensor"))
            fail_msg("'%s' does not name '%s'", err.message, field);
    }
}
#define REFUSE_ALL(model, file, values)                                                            \
    refuse_all(model, file, values, sizeof(values) / sizeof *(values))

static void test_hf_clip_values(void **state) {
    (void)state;
    static const bad_value values[] = {
        {"vision_config.image_size", "0", KEN_BAD_FORMAT, "is 0, expected 1 to 4096"},
        {"vision_config.image_size", "2147483648", KEN_BAD_FORMAT, "is 2147483648, expected"},
        {"vision_config.image_size", "-24", KEN_BAD_FORMAT, "is -24"},
        {"vision_config.image_size", "\"24\"", KEN_BAD_FORMAT, "is a string"},
        {"vision_config.image_size", "24.5", KEN_BAD_FORMAT, "is a number"},
        {"vision_config.image_size", "[24, 30]", KEN_UNSUPPORTED, "must be square"},
        {"vision_config.image_size", "[24, 24, 24]", KEN_BAD_FORMAT, "[height, width]"},
        {"vision_config.image_size", "[24, \"24\"]", KEN_BAD_FORMAT, "[height, width]"},
        {"vision_config.image_size", "30", KEN_BAD_FORMAT, "expected the model's 'image_size'"},
        {"vision_config.patch_size", "0", KEN_BAD_FORMAT, "is 0, expected 1 to"},
        {"vision_config.patch_size", "25", KEN_BAD_FORMAT, "larger than 'image_size' 24 x 24"},
        {"vision_config.patch_size", "5", KEN_BAD_FORMAT, "tensor"},
        {"vision_config.hidden_size", "0", KEN_BAD_FORMAT, "is 0, expected 1 to 16384"},
        {"vision_config.hidden_size", "1000000000", KEN_BAD_FORMAT, "is 1000000000"},
        {"vision_config.hidden_size", "24", KEN_BAD_FORMAT, "tensor"},
        {"vision_config.num_attention_heads", "0", KEN_BAD_FORMAT, "is 0, expected 1 to 1024"},
        {"text_config.hidden_size", "21", KEN_BAD_FORMAT, "does not divide into 2"},
        {"vision_config.num_hidden_layers", "0", KEN_BAD_FORMAT, "is 0, expected 1 to 256"},
        {"vision_config.num_hidden_layers", "1000000000", KEN_BAD_FORMAT, "is 1000000000"},
        {"vision_config.num_hidden_layers", "3", KEN_BAD_FORMAT, "tensor"},
        {"vision_config.intermediate_size", "0", KEN_BAD_FORMAT, "is 0"},
        {"vision_config.intermediate_size", "9223372036854775807", KEN_BAD_FORMAT, "expected 1 to"},
        {"vision_config.layer_norm_eps", "0", KEN_BAD_FORMAT, "is 0, expected 1e-12 to 1"},
        {"vision_config.layer_norm_eps", "-1e-5", KEN_BAD_FORMAT, "is -1e-05"},
        {"vision_config.layer_norm_eps", "\"NaN\"", KEN_BAD_FORMAT, "is a string"},
        {"vision_config.hidden_act", "\"swish\"", KEN_UNSUPPORTED, "is 'swish'"},
        {"vision_config.hidden_act", "3", KEN_BAD_FORMAT, "is an integer, expected a string"},
        {"vision_config.num_channels", "1", KEN_UNSUPPORTED, "is 1, expected 3"},
        {"vision_config", "[]", KEN_BAD_FORMAT, "is an array, expected an object"},
        {"text_config.vocab_size", "0", KEN_BAD_FORMAT, "is 0"},
        {"text_config.vocab_size", "91", KEN_BAD_FORMAT, "tensor 'text_model.embeddings.token_emb"},
        {"text_config.vocab_size", "4294967386", KEN_BAD_FORMAT, "is 4294967386"},
        {"text_config.max_position_embeddings", "0", KEN_BAD_FORMAT, "is 0, expected 1 to 8192"},
        {"text_config.max_position_embeddings", "13", KEN_BAD_FORMAT, "tensor"},
        {"text_config.eos_token_id", "-1", KEN_BAD_FORMAT, "is -1"},
        {"text_config.eos_token_id", "[89]", KEN_UNSUPPORTED, "is a list"},
        {"projection_dim", "0", KEN_BAD_FORMAT, "is 0"},
        {"projection_dim", "21", KEN_BAD_FORMAT, "tensor 'visual_projection.weight'"},
        {"quantization_config", "{\"bits\": 4}", KEN_UNSUPPORTED, "quantized"},
        {"model_type", NULL, KEN_BAD_FORMAT, "is missing"},
        {"model_type", "7", KEN_BAD_FORMAT, "is an integer"},
    };
    REFUSE_ALL("hf_clip_classic", "config.json", values);
}

static void test_hf_image_processor_values(void **state) {
    (void)state;
    static const bad_value values[] = {
        {"size", "0", KEN_BAD_FORMAT, "is 0"},
        {"size", "{\"longest_edge\": 24}", KEN_BAD_FORMAT, "must hold 'shortest_edge'"},
        {"size", "{\"height\": 24}", KEN_BAD_FORMAT, "'height' and 'width'"},
        {"size.shortest_edge", "100000", KEN_BAD_FORMAT, "is 100000"},
        {"crop_size", "25", KEN_BAD_FORMAT, "gives images of 25 x 25"},
        {"crop_size", "\"24\"", KEN_BAD_FORMAT, "is a string"},
        {"do_center_crop", "false", KEN_UNSUPPORTED, "depends on the image"},
        {"do_center_crop", "1", KEN_BAD_FORMAT, "expected a boolean"},
        {"do_pad", "true", KEN_UNSUPPORTED, "padding"},
        {"resample", "6", KEN_BAD_FORMAT, "is 6, expected 0 to 5"},
        {"rescale_factor", "0", KEN_BAD_FORMAT, "is 0"},
        {"image_mean", "[0.5, 0.5]", KEN_BAD_FORMAT, "three numbers"},
        {"image_mean", "[0.5, 0.5, \"x\"]", KEN_BAD_FORMAT, "three numbers"},
        {"image_std", "[0.5, 0, 0.5]", KEN_BAD_FORMAT, "three numbers"},
    };
    REFUSE_ALL("hf_clip_classic", "preprocessor_config.json", values);
    fixture_copy("hf_clip_classic");
    fixture_set("hf_clip_classic", "preprocessor_config.json", "size",
                "{\"shortest_edge\": 24, \"longest_edge\": 30}");
    ken_error err;
    fixture_refused(scratch_path("hf_clip_classic"), KEN_UNSUPPORTED, "longest_edge", &err);
}

static void test_hf_siglip_values(void **state) {
    (void)state;
    static const bad_value values[] = {
        {"vision_config.vision_use_head", "false", KEN_UNSUPPORTED, "no embedding"},
        {"text_config.projection_size", "21", KEN_BAD_FORMAT, "is 21, but"},
        {"vision_config.hidden_size", "21", KEN_BAD_FORMAT, "does not divide into 2"},
        {"vision_config.patch_size", "6", KEN_BAD_FORMAT, "tensor"},
        {"text_config.layer_norm_eps", "2", KEN_BAD_FORMAT, "is 2"},
    };
    REFUSE_ALL("hf_siglip", "config.json", values);
}

static void test_open_clip_values(void **state) {
    (void)state;
    static const bad_value values[] = {
        {"model_cfg", NULL, KEN_BAD_FORMAT, "is missing"},
        {"model_cfg.embed_dim", NULL, KEN_BAD_FORMAT, "is missing"},
        {"model_cfg.embed_dim", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.embed_dim", "23", KEN_BAD_FORMAT, "tensor 'visual.proj'"},
        {"model_cfg.rope", "true", KEN_UNSUPPORTED, "not a setting that ken knows"},
        {"model_cfg.multimodal_cfg", "{}", KEN_UNSUPPORTED, "CoCa"},
        {"model_cfg.quick_gelu", "1", KEN_BAD_FORMAT, "expected a boolean"},
        {"model_cfg.vision_cfg.width", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.width", "1000000000", KEN_BAD_FORMAT, "is 1000000000"},
        {"model_cfg.vision_cfg.layers", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.layers", "[1, 2]", KEN_BAD_FORMAT, "4 numbers"},
        {"model_cfg.vision_cfg.head_width", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.head_width", "21", KEN_BAD_FORMAT, "a width of 20"},
        {"model_cfg.vision_cfg.patch_size", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.patch_size", "[7, 6]", KEN_UNSUPPORTED, "is 7 x 6"},
        {"model_cfg.vision_cfg.image_size", "2147483648", KEN_BAD_FORMAT, "is 2147483648"},
        {"model_cfg.vision_cfg.mlp_ratio", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.mlp_ratio", "0.02", KEN_BAD_FORMAT, "an MLP of 0"},
        {"model_cfg.vision_cfg.pool_type", "\"none\"", KEN_UNSUPPORTED, "is 'none'"},
        {"model_cfg.vision_cfg.attentional_pool", "true", KEN_UNSUPPORTED, "does not have"},
        {"model_cfg.vision_cfg.attentional_pool", "\"parallel\"", KEN_UNSUPPORTED, "'parallel'"},
        {"model_cfg.vision_cfg.timm_model_name", "\"vit_base\"", KEN_UNSUPPORTED, "'vit_base'"},
        {"model_cfg.vision_cfg.qk_norm", "true", KEN_UNSUPPORTED, "is set"},
        {"model_cfg.vision_cfg.scaled_cosine_attn", "true", KEN_UNSUPPORTED, "is set"},
        {"model_cfg.vision_cfg.scale_fc", "true", KEN_UNSUPPORTED, "is set"},
        {"model_cfg.vision_cfg.unheard_of", "1", KEN_UNSUPPORTED, "not a setting"},
        {"model_cfg.vision_cfg.norm_kwargs.eps", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.vision_cfg.norm_kwargs.bias", "false", KEN_UNSUPPORTED, "not a setting"},
        {"model_cfg.vision_cfg.act_kwargs.approximate", "\"erf\"", KEN_UNSUPPORTED, "is 'erf'"},
        {"model_cfg.vision_cfg.ls_init_value", "0.1", KEN_BAD_FORMAT, "tensor"},
        {"model_cfg.vision_cfg", "7", KEN_BAD_FORMAT, "expected an object"},
        {"model_cfg.text_cfg.context_length", "0", KEN_BAD_FORMAT, "is 0"},
        {"model_cfg.text_cfg.context_length", "13", KEN_BAD_FORMAT, "tensor"},
        {"model_cfg.text_cfg.vocab_size", "89", KEN_BAD_FORMAT, "tensor"},
        {"model_cfg.text_cfg.width", "21", KEN_BAD_FORMAT, "divide into 2"},
        {"model_cfg.text_cfg.pool_type", "\"none\"", KEN_UNSUPPORTED, "is 'none'"},
        {"model_cfg.text_cfg.proj_type", "\"mlp\"", KEN_UNSUPPORTED, "is 'mlp'"},
        {"model_cfg.text_cfg.proj_type", "\"none\"", KEN_BAD_FORMAT, "expected 'embed_dim' 22"},
        {"model_cfg.text_cfg.proj_bias", "true", KEN_BAD_FORMAT, "tensor 'text_projection.bias'"},
        {"model_cfg.text_cfg.embed_cls", "true", KEN_UNSUPPORTED, "is set"},
        {"model_cfg.text_cfg.hf_model_name", "\"roberta\"", KEN_UNSUPPORTED, "is 'roberta'"},
        {"model_cfg.text_cfg.tokenizer_mode", "\"clips\"", KEN_UNSUPPORTED, "is 'clips'"},
        {"model_cfg.text_cfg.tokenizer_kwargs.clean", "\"x\"", KEN_UNSUPPORTED, "is 'x'"},
        {"model_cfg.text_cfg.tokenizer_kwargs.strip", "1", KEN_UNSUPPORTED, "not a setting"},
        {"preprocess_cfg.resize_mode", "\"fit\"", KEN_UNSUPPORTED, "is 'fit'"},
        {"preprocess_cfg.interpolation", "\"lanczos\"", KEN_UNSUPPORTED, "is 'lanczos'"},
        {"preprocess_cfg.mode", "\"L\"", KEN_UNSUPPORTED, "is 'L'"},
        {"preprocess_cfg.fill_color", "256", KEN_BAD_FORMAT, "is 256"},
        {"preprocess_cfg.mean", "[]", KEN_BAD_FORMAT, "three numbers"},
        {"preprocess_cfg.std", "[1, 1, -1]", KEN_BAD_FORMAT, "three numbers"},
    };
    REFUSE_ALL("open_clip_vit", "open_clip_config.json", values);
}

static void test_open_clip_resnet_values(void **state) {
    (void)state;
    static const bad_value values[] = {
        {"model_cfg.vision_cfg.layers", "[1, 1, 1]", KEN_BAD_FORMAT, "4 numbers"},
        {"model_cfg.vision_cfg.layers", "[1, 1, 1, 0]", KEN_BAD_FORMAT, "each 1 to 256"},
        {"model_cfg.vision_cfg.layers", "[1, 1, 1, 2]", KEN_BAD_FORMAT, "tensor"},
        {"model_cfg.vision_cfg.width", "1", KEN_BAD_FORMAT, "expected at least 2"},
        {"model_cfg.vision_cfg.width", "600", KEN_BAD_FORMAT, "is 600"},
        {"model_cfg.vision_cfg.width", "4", KEN_BAD_FORMAT, "tensor"},
        {"model_cfg.vision_cfg.image_size", "31", KEN_BAD_FORMAT, "halve five times"},
        {"model_cfg.vision_cfg.image_size", "63", KEN_BAD_FORMAT, "halve five times"},
        {"model_cfg.vision_cfg.image_size", "[64, 32]", KEN_BAD_FORMAT, "a square"},
        {"model_cfg.vision_cfg.head_width", "1000", KEN_BAD_FORMAT, "a width of 64"},
    };
    REFUSE_ALL("open_clip_rn", "open_clip_config.json", values);
}

/* ---- not a model that ken can load ---- */

static void test_unknown_architectures(void **state) {
    (void)state;
    const char *dir = fixture_copy("hf_clip_classic");
    ken_error err;
    fixture_set("hf_clip_classic", "config.json", "model_type", "\"bert\"");
    fixture_refused(dir, KEN_UNSUPPORTED, "'model_type' is 'bert'", &err);
    assert_non_null(strstr(err.hint, "'clip' and 'siglip'"));
    assert_non_null(strstr(err.hint, "open_clip_config.json"));
    fixture_set("hf_clip_classic", "config.json", "model_type", "\"siglip2\"");
    fixture_refused(dir, KEN_UNSUPPORTED, "NaFlex", &err);
    assert_non_null(strstr(err.hint, "fixed-resolution"));
    fixture_copy("open_clip_vit");
    fixture_set("open_clip_vit", "open_clip_config.json", "model_cfg.vision_cfg.timm_model_name",
                "\"vit_base_patch16_siglip_224\"");
    fixture_refused(scratch_path("open_clip_vit"), KEN_UNSUPPORTED,
                    "'timm_model_name' is 'vit_base_patch16_siglip_224'", &err);
    assert_non_null(strstr(err.hint, "Hugging Face repositories"));
    size_t n = 0;
    while (model_architecture_name(n))
        n++;
    assert_int_equal(n, 3);
    assert_string_equal(model_architecture_name(0), "clip");
    assert_string_equal(model_architecture_name(2), "open_clip");
    assert_null(model_architecture_name(99));
}

static void test_directories(void **state) {
    (void)state;
    ken_error err;
    fixture_refused(scratch_path("nowhere"), KEN_NOT_FOUND, "does not exist", &err);
    fixture_refused(scratch_text("a_file", "x"), KEN_BAD_FORMAT, "is not a directory", &err);
    scratch_text("empty/.hidden", "");
    fixture_refused(scratch_path("empty"), KEN_NOT_FOUND,
                    "neither config.json nor open_clip_config.json", &err);
    scratch_text("broken/config.json", "{\"model_type\": \"clip\",}");
    fixture_refused(scratch_path("broken"), KEN_BAD_FORMAT, "is not valid JSON: line 1", &err);
    scratch_text("array/config.json", "[1]");
    fixture_refused(scratch_path("array"), KEN_BAD_FORMAT, "is not a JSON object", &err);
    scratch_text("no_weights/config.json", "{\"model_type\": \"clip\"}");
    fixture_refused(scratch_path("no_weights"), KEN_NOT_FOUND, "model.safetensors", &err);
    fixture_copy("hf_clip_classic");
    assert_int_equal(remove(scratch_path("hf_clip_classic/preprocessor_config.json")), 0);
    fixture_refused(scratch_path("hf_clip_classic"), KEN_NOT_FOUND, "preprocessor_config.json",
                    &err);
}

static void test_options(void **state) {
    (void)state;
    const char *dir = fixture_dir("hf_clip_classic");
    ken_model *model;
    ken_error err;
    assert_error(ken_model_load(dir, &(ken_model_options){.vision_only = true, .text_only = true},
                                &model, &err),
                 KEN_BAD_ARGUMENT, err, "exclude each other");
    assert_error(
        ken_model_load(dir, &(ken_model_options){.precision = (ken_precision)99}, &model, &err),
        KEN_UNSUPPORTED, err, "precision 'unknown' cannot be computed");
    assert_error(ken_model_load(dir, &(ken_model_options){.cpu_tier = "sse9"}, &model, &err),
                 KEN_BAD_ARGUMENT, err, "CPU tier 'sse9'");
    assert_int_equal(ken_model_load(dir, &(ken_model_options){.cpu_tier = "sse9"}, &model, NULL),
                     KEN_BAD_ARGUMENT);
    ken_model_free(NULL);
}

/* ---- the same model, spelt differently ---- */

static void embed_first(const char *dir, float out[32], int *width) {
    ken_model *model = fixture_load(dir, NULL);
    ken_model_info info;
    ken_model_get_info(model, &info);
    *width = info.embedding_width;
    uint8_t pixels[24 * 24 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7 % 251);
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    assert_ok(ken_session_encode_pixels(session, pixels, 1, out, &err), err);
    ken_session_free(session);
    ken_model_free(model);
}

static void test_spellings(void **state) {
    (void)state;
    static const struct {
        const char *file, *path, *json;
    } spellings[] = {
        {"preprocessor_config.json", "size", "{\"shortest_edge\": 24}"},
        {"preprocessor_config.json", "crop_size", "{\"height\": 24, \"width\": 24}"},
        {"preprocessor_config.json", "crop_size", "[24, 24]"},
        {"preprocessor_config.json", "do_rescale", "true"},
        {"preprocessor_config.json", "processor_class", "\"CLIPProcessor\""},
        {"config.json", "vision_config.image_size", "[24]"},
        {"config.json", "vision_config.patch_size", "[6, 6]"},
        {"config.json", "dtype", "\"float32\""},
        {"config.json", "vision_config.num_channels", NULL},
        {"config.json", "vision_config.hidden_act", NULL},
        {"config.json", "vision_config.layer_norm_eps", NULL},
        {"config.json", "unknown_words", "{\"of\": \"an exporter\"}"},
    };
    float expected[32], found[32];
    int width, n;
    const char *dir = fixture_copy("hf_clip_classic");
    embed_first(dir, expected, &width);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        fixture_copy("hf_clip_classic");
        fixture_set("hf_clip_classic", spellings[i].file, spellings[i].path, spellings[i].json);
        embed_first(scratch_path("hf_clip_classic"), found, &n);
        assert_int_equal(n, width);
        assert_memory_equal(found, expected, (size_t)n * sizeof *found);
    }
}

/* "vision_config_dict", where it is there, stands for "vision_config". */
static void test_old_section_names(void **state) {
    (void)state;
    fixture_copy("hf_clip_classic");
    fixture_set("hf_clip_classic", "config.json", "vision_config_dict.num_hidden_layers", "0");
    ken_error err;
    fixture_refused(scratch_path("hf_clip_classic"), KEN_BAD_FORMAT,
                    "vision_config_dict': 'num_hidden_layers' is 0", &err);
}

static void test_processor_config_comes_first(void **state) {
    (void)state;
    fixture_copy("hf_clip_classic");
    scratch_text("hf_clip_classic/processor_config.json",
                 "{\"image_processor\": {\"crop_size\": 24, \"size\": 24, \"resample\": 2}}");
    ken_model *model = fixture_load(scratch_path("hf_clip_classic"), NULL);
    const preprocess *p = model_preprocess(model);
    assert_int_equal(p->filter, RESIZE_BILINEAR);
    assert_int_equal(p->mode, RESIZE_SHORTEST);
    assert_int_equal(p->resize_size[0], 24);
    assert_true(p->crop);
    assert_true(fabs(p->mean[0] - 0.48145466) < 1e-9);
    ken_model_free(model);
    scratch_text("hf_clip_classic/processor_config.json", "{\"processor_class\": \"CLIP\"}");
    model = fixture_load(scratch_path("hf_clip_classic"), NULL);
    assert_int_equal(model_preprocess(model)->filter, RESIZE_BICUBIC);
    ken_model_free(model);
}

static void test_recipes(void **state) {
    (void)state;
    ken_model *model = fixture_load(fixture_dir("hf_siglip"), NULL);
    const preprocess *p = model_preprocess(model);
    assert_int_equal(p->layout, PREPROCESS_HUGGING_FACE);
    assert_int_equal(p->mode, RESIZE_SQUASH);
    assert_false(p->crop);
    assert_int_equal(p->crop_size[1], 30);
    assert_true(p->std[2] > 0.499 && p->std[2] < 0.501);
    ken_model_free(model);

    fixture_copy("open_clip_vit");
    fixture_set("open_clip_vit", "open_clip_config.json", "preprocess_cfg",
                "{\"mean\": 0.5, \"std\": [0.25, 0.5, 1], \"interpolation\": \"bilinear\", "
                "\"resize_mode\": \"longest\", \"fill_color\": 7, \"size\": 999}");
    model = fixture_load(scratch_path("open_clip_vit"), NULL);
    p = model_preprocess(model);
    assert_int_equal(p->layout, PREPROCESS_OPEN_CLIP);
    assert_int_equal(p->mode, RESIZE_LONGEST);
    assert_int_equal(p->filter, RESIZE_BILINEAR);
    assert_int_equal(p->fill, 7);
    assert_int_equal(p->crop_size[0], 30);
    assert_true(p->mean[2] > 0.499 && p->std[0] < 0.251);
    ken_model_free(model);
}

/* A directory of both layouts is an OpenCLIP one when OpenCLIP's weights are there. */
static void test_both_layouts(void **state) {
    (void)state;
    fixture_copy("open_clip_vit");
    scratch_text("open_clip_vit/config.json", "{\"model_type\": \"clip\"}");
    ken_model *model = fixture_load(scratch_path("open_clip_vit/"), NULL);
    ken_model_info info;
    ken_model_get_info(model, &info);
    assert_string_equal(info.architecture, "open_clip");
    assert_string_equal(info.id, "open_clip_vit");
    ken_model_free(model);
    assert_int_equal(remove(scratch_path("open_clip_vit/open_clip_model.safetensors")), 0);
    ken_error err;
    fixture_refused(scratch_path("open_clip_vit"), KEN_NOT_FOUND, "'model.safetensors'", &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hf_clip_values),
        cmocka_unit_test(test_hf_image_processor_values),
        cmocka_unit_test(test_hf_siglip_values),
        cmocka_unit_test(test_open_clip_values),
        cmocka_unit_test(test_open_clip_resnet_values),
        cmocka_unit_test(test_unknown_architectures),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_old_section_names),
        cmocka_unit_test(test_processor_config_comes_first),
        cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_both_layouts),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
