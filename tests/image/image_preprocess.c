/* Preprocessing against what transformers' Pil processors and open_clip's transforms make of the
 * same files (tests/data/image/preprocess.tsv), and the float tensors that a published project
 * stored (clip-retrieval): equal bit for bit. */
#include "testing.h"

#include "image/fixture.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073};
static const double clip_std[3] = {0.26862954, 0.26130258, 0.27577711};

static int index_of(const char *name, const char *const names[], int n) {
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    fail_msg("'%s' is not in the list", name);
    return -1;
}

static void pair(const char *text, int out[2]) {
    char *end;
    out[0] = (int)strtol(text, &end, 10);
    out[1] = (int)strtol(end + 1, NULL, 10);
}

enum { FILE_NAME, LAYOUT, RESIZE, FILTER, RESIZE_SIZE, CROP, CROP_SIZE, FILL, ALPHA, EXPECTED };

static preprocess parse_recipe(char *fields[MAX_FIELDS]) {
    static const char *const layouts[] = {"hugging_face", "open_clip"};
    static const char *const modes[] = {"shortest", "squash", "longest", "none"};
    static const char *const filters[] = {"nearest", "bilinear", "bicubic",
                                          "lanczos", "box",      "hamming"};
    static const char *const alphas[] = {"layout", "drop", "composite"};
    preprocess p = {.layout = (preprocess_layout)index_of(fields[LAYOUT], layouts, 2),
                    .mode = (resize_mode)index_of(fields[RESIZE], modes, 4),
                    .filter = (resize_filter)index_of(fields[FILTER], filters, 6),
                    .crop = strcmp(fields[CROP], "1") == 0,
                    .fill = (int)strtol(fields[FILL], NULL, 10),
                    .alpha = (preprocess_alpha)index_of(fields[ALPHA], alphas, 3),
                    .background = {255, 255, 255},
                    .rescale = true,
                    .rescale_factor = 1 / 255.0,
                    .normalize = true};
    pair(fields[RESIZE_SIZE], p.resize_size);
    pair(fields[CROP_SIZE], p.crop_size);
    memcpy(p.mean, clip_mean, sizeof clip_mean);
    memcpy(p.std, clip_std, sizeof clip_std);
    return p;
}

typedef struct checker {
    const kernels *k;
    int n_wrong;
} checker;

static void check_row(char *fields[MAX_FIELDS], int n_fields, void *context) {
    checker *c = context;
    assert_int_equal(n_fields, EXPECTED + 1);
    preprocess p = parse_recipe(fields);
    file_map map = fixture_file(fields[FILE_NAME]);
    uint8_t *out = mem_alloc(preprocess_size(&p));
    assert_non_null(out);
    ken_error err = {0};
    image_facts facts;
    image_stage stage;
    char found[DIGEST_SIZE] = "-";
    ken_status status =
        preprocess_bytes(&p, c->k, map.data, map.size, NULL, out, &facts, &stage, &err);
    if (status == KEN_OK)
        digest(out, preprocess_size(&p), found);
    else
        snprintf(found, sizeof found, "%s", ken_status_name(status));
    if (strcmp(found, fields[EXPECTED]) != 0) {
        print_error("%s %s %s %s %s -> %s, tier %s: expected %s, found %s %s\n", fields[FILE_NAME],
                    fields[LAYOUT], fields[RESIZE], fields[FILTER], fields[RESIZE_SIZE],
                    fields[CROP_SIZE], c->k->tier, fields[EXPECTED], found, err.message);
        c->n_wrong++;
    }
    mem_free(out);
    file_map_close(&map);
}

/* Integer kernels give the same bytes on every tier. */
static void test_goldens(void **state) {
    (void)state;
    const char *tier;
    for (size_t i = 0; (tier = kernels_tier_name(i)) != NULL; i++) {
        checker c = {.k = kernels_find(tier, NULL)};
        if (!c.k)
            continue;
        int n_rows = each_row(IMAGE_DATA "/preprocess.tsv", check_row, &c);
        assert_true(n_rows >= 400);
        if (c.n_wrong > 0)
            fail_msg("%d of %d results differ from the reference", c.n_wrong, n_rows);
    }
}

static void check_tensor(char *fields[MAX_FIELDS], int n_fields, void *context) {
    enum { SIDE = 224 };
    const kernels *k = context;
    assert_int_equal(n_fields, 2);
    preprocess p = {.layout = PREPROCESS_OPEN_CLIP,
                    .filter = RESIZE_BICUBIC,
                    .resize_size = {SIDE, SIDE},
                    .crop = true,
                    .crop_size = {SIDE, SIDE}};
    memcpy(p.mean, clip_mean, sizeof clip_mean);
    memcpy(p.std, clip_std, sizeof clip_std);
    static uint8_t pixels[SIDE * SIDE * 3];
    static float tensor[3][SIDE * SIDE], table[3][256];
    file_map map = fixture_file(fields[0]);
    ken_error err = {0};
    assert_int_equal(preprocess_bytes(&p, k, map.data, map.size, NULL, pixels, NULL, NULL, &err),
                     KEN_OK);
    preprocess_table(&p, table);
    for (int i = 0; i < SIDE * SIDE; i++)
        for (int c = 0; c < 3; c++)
            tensor[c][i] = table[c][pixels[3 * i + c]];
    char found[DIGEST_SIZE];
    digest(tensor, sizeof tensor, found);
    assert_string_equal(found, fields[1]);
    file_map_close(&map);
}

static void test_published_tensors(void **state) {
    (void)state;
    int n = each_row(IMAGE_DATA "/tensors.tsv", check_tensor, (void *)(uintptr_t)kernels_best());
    assert_int_equal(n, 7);
}

/* The table's floats are those of preprocess_range, but for their rounding. */
static void check_range(const preprocess *p, float table[3][256]) {
    double gain[3], offset[3];
    preprocess_range(p, gain, offset);
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) {
            double expected = v * gain[c] + offset[c];
            double size = v * gain[c] + fabs(offset[c]);
            assert_true(fabs(table[c][v] - expected) <= 4e-7 * size);
        }
}

static void check_table_row(char *fields[MAX_FIELDS], int n_fields, void *context) {
    int *n_seen = context;
    assert_int_equal(n_fields, 9);
    preprocess p = {.layout = strcmp(fields[0], "open_clip") == 0 ? PREPROCESS_OPEN_CLIP
                                                                  : PREPROCESS_HUGGING_FACE,
                    .rescale = true,
                    .rescale_factor = strtod(fields[1], NULL),
                    .normalize = true};
    for (int c = 0; c < 3; c++) {
        p.mean[c] = strtod(fields[2 + c], NULL);
        p.std[c] = strtod(fields[5 + c], NULL);
    }
    float table[3][256];
    preprocess_table(&p, table);
    check_range(&p, table);
    char found[DIGEST_SIZE];
    digest(table, sizeof table, found);
    assert_string_equal(found, fields[8]);
    ++*n_seen;
}

static void test_tables(void **state) {
    (void)state;
    int n_seen = 0;
    each_row(IMAGE_DATA "/tables.tsv", check_table_row, &n_seen);
    assert_true(n_seen >= 6);
}

static void test_table_without_steps(void **state) {
    (void)state;
    preprocess p = {.layout = PREPROCESS_HUGGING_FACE, .rescale_factor = 2, .std = {1, 1, 1}};
    float table[3][256];
    preprocess_table(&p, table);
    check_range(&p, table);
    assert_true(table[0][7] == 7.0F);
    p.rescale = true;
    preprocess_table(&p, table);
    check_range(&p, table);
    assert_true(table[2][7] == 14.0F);
}

static preprocess clip_recipe(void) {
    preprocess p = {.layout = PREPROCESS_HUGGING_FACE,
                    .filter = RESIZE_BICUBIC,
                    .resize_size = {224, 224},
                    .crop = true,
                    .crop_size = {224, 224},
                    .rescale = true,
                    .rescale_factor = 1 / 255.0,
                    .normalize = true};
    memcpy(p.mean, clip_mean, sizeof clip_mean);
    memcpy(p.std, clip_std, sizeof clip_std);
    return p;
}

static void test_describe(void **state) {
    (void)state;
    preprocess p = clip_recipe();
    buf text;
    buf_init(&text, 4096);
    assert_true(preprocess_describe(&p, &text));
    assert_string_equal(
        text.data, "{\"alpha\":\"layout\",\"crop\":true,\"crop_size\":[224,224],\"fill\":0,"
                   "\"filter\":\"bicubic\",\"layout\":\"hugging_face\","
                   "\"mean\":[0.48145465999999998,0.4578275,0.40821073000000002],"
                   "\"normalize\":true,\"rescale\":true,\"rescale_factor\":0.0039215686274509803,"
                   "\"resize_mode\":\"shortest\",\"resize_size\":[224,224],"
                   "\"std\":[0.26862954,0.26130258000000001,0.27577710999999999]}");
    buf_clear(&text);
    p.alpha = ALPHA_COMPOSITE;
    p.background[1] = 128;
    assert_true(preprocess_describe(&p, &text));
    assert_non_null(strstr(text.data, "\"alpha\":\"composite\",\"background\":[0,128,0],"));
    assert_null(strstr(text.data, "fast"));
    buf_clear(&text);
    p.fast = true;
    assert_true(preprocess_describe(&p, &text));
    assert_non_null(strstr(text.data, "\"resize\":\"fast\",\"resize_mode\":"));
    buf_free(&text);
    buf_init(&text, 16);
    assert_false(preprocess_describe(&p, &text));
    buf_free(&text);
}

static void test_impossible_sizes(void **state) {
    (void)state;
    uint8_t pixels[3 * 400] = {0};
    static uint8_t out[224 * 224 * 3];
    image thin = {.width = 400,
                  .height = 1,
                  .channels = 3,
                  .mode = IMAGE_RGB,
                  .stride = 1200,
                  .pixels = pixels};
    ken_error err = {0};
    preprocess p = clip_recipe();
    p.layout = PREPROCESS_OPEN_CLIP;
    p.mode = RESIZE_LONGEST;
    p.crop_size[0] = p.crop_size[1] = 100;
    assert_int_equal(preprocess_image(&p, kernels_best(), &thin, out, &err), KEN_UNSUPPORTED);
    assert_string_equal(err.message, "picture of 400x1 is too narrow: resized it would be 100x0");
    p = clip_recipe();
    p.mode = RESIZE_NONE;
    p.crop = false;
    assert_int_equal(preprocess_image(&p, kernels_best(), &thin, out, &err), KEN_UNSUPPORTED);
    assert_string_equal(err.message, "picture of 400x1 does not fit: the model takes 224x224 and "
                                     "its configuration neither resizes to that nor crops");
}

/* Only the window is computed: a strip whose resized picture would take gigabytes is cheap. */
static void test_extreme_ratio(void **state) {
    (void)state;
    enum { LENGTH = 60000 };
    static uint8_t pixels[LENGTH], out[224 * 224 * 3];
    for (int i = 0; i < LENGTH; i++)
        pixels[i] = (uint8_t)(i < LENGTH / 2 ? 40 : 200);
    image strip = {.width = LENGTH,
                   .height = 1,
                   .channels = 1,
                   .mode = IMAGE_L,
                   .stride = LENGTH,
                   .pixels = pixels};
    preprocess p = clip_recipe();
    ken_error err = {0};
    assert_int_equal(preprocess_image(&p, kernels_best(), &strip, out, &err), KEN_OK);
    assert_int_equal(out[0], 40);
    assert_int_equal(out[3 * 223], 200);
    strip.width = strip.height = 1;
    strip.stride = 1;
    assert_int_equal(preprocess_image(&p, kernels_best(), &strip, out, &err), KEN_OK);
    assert_int_equal(out[3 * 5000], 40);
    assert_int_equal(preprocess_size(&p), sizeof out);
}

/* Every allocation that fails gives KEN_NO_MEMORY, and nothing leaks. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const char *const names[] = {"generated/rgba-61x37.png", "generated/p-61x37.png",
                                        "generated/rgb-61x37.jpg"};
    static uint8_t out[224 * 224 * 3];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        file_map map = fixture_file(names[i]);
        for (int layout = 0; layout < 2; layout++) {
            preprocess p = clip_recipe();
            p.layout = (preprocess_layout)layout;
            ken_status status = KEN_NO_MEMORY;
            uint64_t n = 0;
            while (status == KEN_NO_MEMORY) {
                n++;
                mem_fail_after(n, n % 2 == 0);
                ken_error err = {0};
                status = preprocess_bytes(&p, kernels_best(), map.data, map.size, NULL, out, NULL,
                                          NULL, &err);
                mem_fail_after(0, false);
                assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
                if (status != KEN_OK)
                    assert_non_null(strstr(err.message, "out of memory"));
            }
            assert_true(n > 3);
        }
        file_map_close(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),       cmocka_unit_test(test_published_tensors),
        cmocka_unit_test(test_tables),        cmocka_unit_test(test_table_without_steps),
        cmocka_unit_test(test_describe),      cmocka_unit_test(test_impossible_sizes),
        cmocka_unit_test(test_extreme_ratio), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
