/* preprocess_bytes takes JPEG files strip by strip, and only the part of them that the crop needs.
 * The result must be that of decoding the whole picture first, to the last bit: over samplings,
 * sizes, orientations, restarts, progressive files and recipes, and for damaged files as well, with
 * the same words. */
#include "testing.h"

#include "base/mem.h"
#include "image/preprocess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct sample {
    int width, height;
    int h, v;         /* sampling of luma; 0: grey */
    int orientation;  /* 0: no EXIF */
    int restart_rows; /* MCU rows between restart markers; 0: none */
    bool progressive;
} sample;

typedef struct bytes {
    unsigned char *data;
    unsigned long size;
} bytes;

/* Edges, gradients and noise in every channel, so that no neighbour can be mistaken. */
static void fill_row(uint8_t *row, int width, int n_channels, int y, uint32_t *state) {
    for (int x = 0; x < width; x++)
        for (int c = 0; c < n_channels; c++) {
            *state = *state * 1664525U + 1013904223U;
            int noise = (int)(*state >> 26), edge = ((x >> (3 + c)) ^ (y >> 3)) & 1;
            row[x * n_channels + c] = (uint8_t)((x * (c + 1) + 2 * y + 70 * edge + noise) & 0xff);
        }
}

static void write_exif(struct jpeg_compress_struct *info, int orientation) {
    uint8_t exif[] = {'E', 'x',  'i', 'f', 0,
                      0,   'I',  'I', 42,  0,
                      8,   0,    0,   0,   1,
                      0,   0x12, 1,   3,   0,
                      1,   0,    0,   0,   (uint8_t)orientation,
                      0,   0,    0,   0,   0,
                      0,   0};
    jpeg_write_marker(info, JPEG_APP0 + 1, exif, sizeof exif);
}

static bytes make_jpeg(const sample *s) {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    bytes out = {NULL, 0};
    int n_channels = s->h ? 3 : 1;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out.data, &out.size);
    info.image_width = (JDIMENSION)s->width;
    info.image_height = (JDIMENSION)s->height;
    info.input_components = n_channels;
    info.in_color_space = n_channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 85, TRUE);
    if (s->h) {
        info.comp_info[0].h_samp_factor = s->h;
        info.comp_info[0].v_samp_factor = s->v;
    }
    info.restart_in_rows = s->restart_rows;
    if (s->progressive)
        jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    if (s->orientation)
        write_exif(&info, s->orientation);
    uint8_t *row = malloc((size_t)s->width * 3);
    assert_non_null(row);
    uint32_t state = 1;
    for (int y = 0; y < s->height; y++) {
        fill_row(row, s->width, n_channels, y, &state);
        JSAMPROW rows[] = {row};
        jpeg_write_scanlines(&info, rows, 1);
    }
    free(row);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return out;
}

static preprocess recipe(preprocess_layout layout, resize_mode mode, int height, int width) {
    return (preprocess){.layout = layout,
                        .mode = mode,
                        .filter = RESIZE_BICUBIC,
                        .resize_size = {height, width},
                        .crop = true,
                        .crop_size = {height, width},
                        .fill = 77};
}

/* What one of the two ways came to. */
typedef struct result {
    ken_status status;
    ken_error err;
    image_facts facts;
    image_stage stage;
    uint8_t *pixels;
} result;

static void check_same(const uint8_t *data, size_t size, const preprocess *p, bool strict,
                       const char *what) {
    const kernels *k = kernels_best();
    const image_limits limits = {.strict = strict};
    size_t n = preprocess_size(p);
    result a = {.pixels = mem_zalloc(n, 1)}, b = {.pixels = mem_zalloc(n, 1)};
    assert_true(a.pixels && b.pixels);
    a.status = preprocess_bytes(p, k, data, size, &limits, a.pixels, &a.facts, &a.stage, &a.err);
    image img;
    b.status = image_decode(data, size, &limits, &img, &b.facts, &b.stage, &b.err);
    if (b.status == KEN_OK) {
        b.stage = IMAGE_STAGE_RESIZE;
        b.status = preprocess_image(p, k, &img, b.pixels, &b.err);
        image_free(&img);
    }
    bool same = a.status == b.status && a.stage == b.stage && a.facts.warned == b.facts.warned &&
                strcmp(a.facts.warning, b.facts.warning) == 0 && a.facts.width == b.facts.width &&
                a.facts.height == b.facts.height && a.facts.orientation == b.facts.orientation;
    if (a.status == KEN_OK)
        same = same && memcmp(a.pixels, b.pixels, n) == 0;
    else
        same = same && strcmp(a.err.message, b.err.message) == 0;
    if (!same)
        fail_msg("%s: status %d and %d, '%s%s' and '%s%s'", what, (int)a.status, (int)b.status,
                 a.facts.warning, a.err.message, b.facts.warning, b.err.message);
    mem_free(a.pixels);
    mem_free(b.pixels);
}

static void check_recipes(const sample *s) {
    const preprocess recipes[] = {
        recipe(PREPROCESS_HUGGING_FACE, RESIZE_SHORTEST, 32, 32),
        recipe(PREPROCESS_OPEN_CLIP, RESIZE_SHORTEST, 24, 40),
        recipe(PREPROCESS_OPEN_CLIP, RESIZE_LONGEST, 32, 32),
        recipe(PREPROCESS_HUGGING_FACE, RESIZE_SQUASH, 40, 32),
        recipe(PREPROCESS_OPEN_CLIP, RESIZE_NONE, 32, 32),
    };
    bytes jpeg = make_jpeg(s);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        char what[160];
        snprintf(what, sizeof what, "%dx%d, sampling %dx%d, orientation %d%s%s, recipe %zu",
                 s->width, s->height, s->h, s->v, s->orientation,
                 s->progressive ? ", progressive" : "", s->restart_rows ? ", restarts" : "", i);
        check_same(jpeg.data, jpeg.size, &recipes[i], false, what);
    }
    free(jpeg.data);
}

static const int samplings[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}, {1, 4}, {4, 2}, {0, 0}};
enum { N_SAMPLINGS = sizeof samplings / sizeof *samplings };

static void test_sizes_and_samplings(void **state) {
    (void)state;
    static const int sizes[][2] = {{300, 200}, {201, 333}, {64, 48},  {33, 129}, {517, 90},
                                   {90, 517},  {16, 16},   {31, 200}, {95, 1},   {1, 95},
                                   {47, 33},   {1000, 70}, {70, 1000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int j = 0; j < N_SAMPLINGS; j++)
            for (int progressive = 0; progressive < 2; progressive++)
                check_recipes(&(sample){.width = sizes[i][0],
                                        .height = sizes[i][1],
                                        .h = samplings[j][0],
                                        .v = samplings[j][1],
                                        .progressive = progressive});
}

/* Wide pictures lose columns, high ones rows: every remainder of the cut by the size of a block. */
static void test_cuts(void **state) {
    (void)state;
    for (int j = 0; j < N_SAMPLINGS; j++)
        for (int extra = 0; extra < 70; extra += 3) {
            sample wide = {
                .width = 260 + extra, .height = 70, .h = samplings[j][0], .v = samplings[j][1]};
            sample high = {.width = 70,
                           .height = 120 + extra,
                           .h = samplings[j][0],
                           .v = samplings[j][1],
                           .restart_rows = extra % 2};
            check_recipes(&wide);
            check_recipes(&high);
        }
}

static void test_orientations(void **state) {
    (void)state;
    static const int sizes[][2] = {{150, 97}, {97, 150}, {60, 340}, {340, 60}, {64, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int orientation = 1; orientation <= 8; orientation++)
            for (int j = 0; j < 3; j++)
                check_recipes(&(sample){.width = sizes[i][0],
                                        .height = sizes[i][1],
                                        .h = samplings[j][0],
                                        .v = samplings[j][1],
                                        .orientation = orientation});
}

/* Cut off and flipped: the same pixels, warnings and errors, also in the part that the crop leaves
 * out. */
static void test_damage(void **state) {
    (void)state;
    const preprocess p = recipe(PREPROCESS_HUGGING_FACE, RESIZE_SHORTEST, 32, 32);
    const sample samples[] = {
        {.width = 190, .height = 64, .h = 2, .v = 2},
        {.width = 64, .height = 190, .h = 2, .v = 2, .orientation = 6},
        {.width = 64, .height = 190, .h = 2, .v = 1, .restart_rows = 1},
        {.width = 64, .height = 150, .h = 2, .v = 2, .progressive = true},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        bytes jpeg = make_jpeg(&samples[i]);
        uint8_t *copy = malloc(jpeg.size);
        assert_non_null(copy);
        char what[80];
        for (size_t n = 0; n < jpeg.size; n += 29) {
            snprintf(what, sizeof what, "sample %zu, %zu of %lu bytes", i, n, jpeg.size);
            memcpy(copy, jpeg.data, n);
            check_same(copy, n, &p, n % 2, what);
        }
        memcpy(copy, jpeg.data, jpeg.size);
        for (size_t at = 0; at < jpeg.size; at += 17) {
            snprintf(what, sizeof what, "sample %zu, byte %zu flipped", i, at);
            copy[at] ^= (uint8_t)(1U << (at % 8));
            check_same(copy, jpeg.size, &p, at % 3 == 0, what);
            copy[at] = jpeg.data[at];
        }
        free(copy);
        free(jpeg.data);
    }
}

/* The whole picture as libjpeg makes it when it shrinks. */
static image decode_shrunk(bytes jpeg, unsigned shrink) {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, jpeg.data, jpeg.size);
    jpeg_read_header(&info, TRUE);
    info.scale_denom = shrink;
    jpeg_start_decompress(&info);
    image img = {.width = (int)info.output_width,
                 .height = (int)info.output_height,
                 .channels = 3,
                 .mode = IMAGE_RGB,
                 .stride = (size_t)info.output_width * 3};
    img.pixels = malloc(img.stride * info.output_height);
    assert_non_null(img.pixels);
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = img.pixels + info.output_scanline * img.stride;
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    return img;
}

/* The fast resize is the exact one of what the decoder shrank to not less than twice the result.
 * (The sizes are such that the shrunk picture has the proportions of the whole one.) */
static void test_fast(void **state) {
    (void)state;
    static const struct {
        int width, height;
        unsigned shrink;
    } cases[] = {{640, 480, 4}, {1024, 512, 8}, {512, 1024, 8}, {120, 128, 1},
                 {128, 256, 2}, {504, 520, 4},  {1600, 512, 8}};
    preprocess p = recipe(PREPROCESS_HUGGING_FACE, RESIZE_SHORTEST, 32, 32);
    p.fast = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int j = 0; j < N_SAMPLINGS - 1; j++) {
            sample s = {.width = cases[i].width,
                        .height = cases[i].height,
                        .h = samplings[j][0],
                        .v = samplings[j][1],
                        .progressive = j % 2};
            bytes jpeg = make_jpeg(&s);
            image img = decode_shrunk(jpeg, cases[i].shrink);
            static uint8_t found[32 * 32 * 3], expected[sizeof found];
            image_facts facts;
            ken_error err = {0};
            assert_int_equal(preprocess_bytes(&p, kernels_best(), jpeg.data, jpeg.size, NULL, found,
                                              &facts, NULL, &err),
                             KEN_OK);
            assert_int_equal(preprocess_image(&p, kernels_best(), &img, expected, &err), KEN_OK);
            assert_memory_equal(found, expected, sizeof found);
            assert_int_equal(facts.width, s.width);
            assert_int_equal(facts.height, s.height);
            free(img.pixels);
            free(jpeg.data);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_samplings),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_orientations),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
