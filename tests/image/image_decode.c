/* What decoding says: formats by content, refusals by name, limits, damaged files lenient and
 * strict, orientation from odd metadata. Files are made here, byte by byte, where a byte matters.
 */
#include "testing.h"

#include "image/fixture.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct attempt {
    ken_status status;
    image img;
    image_facts facts;
    image_stage stage;
    ken_error err;
} attempt;

static attempt decode_with(const void *bytes, size_t size, image_limits limits) {
    attempt a = {0};
    a.status = image_decode(bytes, size, &limits, &a.img, &a.facts, &a.stage, &a.err);
    return a;
}

static attempt decode(const void *bytes, size_t size) {
    return decode_with(bytes, size, (image_limits){0});
}

static void assert_fails(attempt a, ken_status status, image_stage stage, const char *message) {
    assert_int_equal(a.status, status);
    assert_int_equal(a.stage, stage);
    assert_string_equal(a.err.message, message);
    assert_null(a.img.pixels);
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(image_format_name(IMAGE_JPEG), "jpeg");
    assert_string_equal(image_format_name(IMAGE_JXL), "jxl");
    assert_string_equal(image_format_name(IMAGE_UNKNOWN), "unknown");
    assert_string_equal(image_stage_name(IMAGE_STAGE_SNIFF), "sniff");
    assert_string_equal(image_stage_name(IMAGE_STAGE_DECODE), "decode");
    assert_string_equal(image_stage_name(IMAGE_STAGE_RESIZE), "resize");
}

static void test_formats_by_content(void **state) {
    (void)state;
    static const struct {
        const char *file;
        image_format format;
    } files[] = {
        {"generated/rgb-61x37.jpg", IMAGE_JPEG}, {"generated/rgb-61x37.png", IMAGE_PNG},
        {"generated/lossy.webp", IMAGE_WEBP},    {"generated/p.gif", IMAGE_GIF},
        {"generated/rgb.bmp", IMAGE_BMP},        {"generated/rgb.tif", IMAGE_TIFF},
        {"generated/rgb.avif", IMAGE_HEIF},      {"generated/rgb.jxl", IMAGE_JXL},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_map map = fixture_file(files[i].file);
        assert_int_equal(image_sniff(map.data, map.size), files[i].format);
        attempt a = decode(map.data, map.size);
        assert_int_equal(a.status, KEN_OK);
        assert_int_equal(a.facts.format, files[i].format);
        assert_int_equal(a.facts.width, 61);
        assert_int_equal(a.facts.height, 37);
        assert_false(a.facts.warned);
        image_free(&a.img);
        file_map_close(&map);
    }
}

static void test_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *name;
    } files[] = {
        {"%PDF-1.4\n", "pdf"},
        {"8BPS\0\1 photoshop", "psd"},
        {"%!PS-Adobe-3.0 EPSF", "eps"},
        {"<?xml version=\"1.0\"?>\n<svg width=\"1\">", "svg"},
        {" \n<svg xmlns=\"x\">", "svg"},
        {"<!DOCTYPE html><html>not found</html>", "html"},
        {"<?xml version=\"1.0\"?><feed/>", "xml"},
        {"P6 3 3 255 ", "pnm"},
        {"qoif....", "qoi"},
        {"PK\3\4....", "zip"},
        {"\x1F\x8B\b...", "gzip"},
        {"....ftypmp42....", "mp4"},
        {"version https://git-lfs.github.com/spec/v1", "git lfs pointer"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char message[128];
        snprintf(message, sizeof message, "'%s' is not a supported image format", files[i].name);
        attempt a = decode(files[i].bytes, strlen(files[i].bytes));
        assert_fails(a, KEN_UNSUPPORTED, IMAGE_STAGE_SNIFF, message);
        assert_string_equal(a.err.hint,
                            "convert it to jpeg, png, webp, gif, bmp, tiff, heif or jxl");
    }
}

static void test_not_an_image(void **state) {
    (void)state;
    assert_fails(decode("", 0), KEN_BAD_FORMAT, IMAGE_STAGE_SNIFF, "file is empty");
    assert_fails(decode("hello", 5), KEN_BAD_FORMAT, IMAGE_STAGE_SNIFF,
                 "not an image: no known format begins with '68 65 6c 6c 6f'");
    assert_fails(decode("\0", 1), KEN_BAD_FORMAT, IMAGE_STAGE_SNIFF,
                 "not an image: no known format begins with '00'");
}

static void test_headers_that_end(void **state) {
    (void)state;
    assert_fails(decode("\xFF\xD8\xFF\xE0", 4), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "jpeg has no frame header");
    assert_fails(decode("GIF89a\1\0\1\0\0\0\0;", 14), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "gif ends before its first frame");
    assert_fails(decode("BM", 2), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE, "bmp ends in its header");
    assert_fails(decode("RIFF\4\0\0\0WEBP", 12), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "could not decode webp: bitstream is corrupt");
    assert_fails(decode("\x89PNG\r\n\x1A\n", 8), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "png does not begin with a header");
    attempt a = decode("II*\0\x08\0\0\0\0\0", 10);
    assert_int_equal(a.status, KEN_BAD_FORMAT);
    assert_non_null(strstr(a.err.message, "could not decode tiff: "));
}

static void test_pixel_limit(void **state) {
    (void)state;
    static const char *const files[] = {"generated/rgb-61x37.jpg", "generated/rgb-61x37.png",
                                        "generated/lossy.webp",    "generated/animated.webp",
                                        "generated/p.gif",         "generated/rgb.bmp",
                                        "generated/p.bmp",         "generated/rgb.tif",
                                        "generated/rgb.avif",      "generated/rgb.jxl"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_map map = fixture_file(files[i]);
        attempt a = decode_with(map.data, map.size, (image_limits){.max_pixels = 61 * 37 - 1});
        assert_fails(a, KEN_TOO_LARGE, IMAGE_STAGE_DECODE,
                     "picture is too large: 61x37 is above the limit of 2256 pixels");
        assert_non_null(strstr(a.err.hint, "--max-pixels"));
        a = decode_with(map.data, map.size, (image_limits){.max_pixels = 61 * 37});
        assert_int_equal(a.status, KEN_OK);
        image_free(&a.img);
        file_map_close(&map);
    }
}

static void test_damaged(void **state) {
    (void)state;
    static const struct {
        const char *file, *warning;
    } files[] = {
        {"generated/rgb-61x37.jpg", "jpeg is damaged: Premature end of JPEG file"},
        {"generated/rgb-61x37.png", "png is damaged: end of stream"},
        {"generated/p.gif", "gif is damaged: its first frame is not complete"},
        {"generated/rgb.bmp", "bmp is truncated: 22 of 37 rows"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        file_map map = fixture_file(files[i].file);
        attempt a = decode(map.data, map.size * 6 / 10);
        assert_int_equal(a.status, KEN_OK);
        assert_true(a.facts.warned);
        assert_string_equal(a.facts.warning, files[i].warning);
        image_free(&a.img);
        a = decode_with(map.data, map.size * 6 / 10, (image_limits){.strict = true});
        assert_int_equal(a.status, KEN_BAD_FORMAT);
        assert_null(a.img.pixels);
        file_map_close(&map);
    }
}

/* A JPEG that stops before its first coded byte would decode to plain grey: there is nothing to
 * use. */
static void test_jpeg_without_data(void **state) {
    (void)state;
    file_map map = fixture_file("generated/rgb-61x37.jpg");
    const uint8_t *scan = memmem(map.data, map.size, "\xFF\xDA", 2);
    size_t header = (size_t)(scan - map.data) + 2 + ((size_t)scan[2] << 8 | scan[3]);
    assert_fails(decode(map.data, header), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "jpeg ends before its first scan");
    file_map_close(&map);
}

static uint8_t *copy_of(file_map map, size_t extra) {
    uint8_t *copy = test_malloc(map.size + extra);
    memcpy(copy, map.data, map.size);
    return copy;
}

static void test_jpeg_headers(void **state) {
    (void)state;
    file_map map = fixture_file("generated/rgb-61x37.jpg");
    uint8_t *copy = copy_of(map, 0);
    uint8_t *frame = memmem(copy, map.size, "\xFF\xC0", 2);
    frame[4] = 12;
    assert_fails(decode(copy, map.size), KEN_UNSUPPORTED, IMAGE_STAGE_DECODE,
                 "jpeg has 12 bits a sample: expected 8");
    frame[4] = 8;
    frame[9] = 2;
    assert_fails(decode(copy, map.size), KEN_UNSUPPORTED, IMAGE_STAGE_DECODE,
                 "jpeg has 2 components: expected 1, 3 or 4");
    frame[9] = 3;
    memset(frame + 5, 0, 2);
    assert_fails(decode(copy, map.size), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "picture is empty: 61x0");
    test_free(copy);
    file_map_close(&map);
}

/* Bad EXIF must not cost the picture: whatever the bytes say, it decodes, turned or not. */
static void test_hostile_exif(void **state) {
    (void)state;
    file_map map = fixture_file("generated/exif-6.jpg");
    uint8_t *copy = copy_of(map, 0);
    uint8_t *exif = memmem(copy, map.size, "Exif\0\0", 6);
    assert_non_null(exif);
    enum { EXIF_SIZE = 6 + 8 + 2 + 12 + 4 };
    for (size_t i = 0; i < EXIF_SIZE; i++)
        for (int value = 0; value < 256; value++) {
            uint8_t old = exif[i];
            exif[i] = (uint8_t)value;
            attempt a = decode(copy, map.size);
            assert_int_equal(a.status, KEN_OK);
            assert_true(a.facts.orientation >= 1 && a.facts.orientation <= 8);
            assert_int_equal(a.img.width, a.facts.orientation >= 5 ? 37 : 61);
            image_free(&a.img);
            exif[i] = old;
        }
    test_free(copy);
    file_map_close(&map);
}

static void test_gif_code_size(void **state) {
    (void)state;
    static const char gif[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\x0C\2\x44\1\0;";
    assert_fails(decode(gif, sizeof gif - 1), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "gif has a code size of 12 bits: expected 1 to 11");
    static const char empty[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\0\0\1\0\0\2\2\x44\1\0;";
    assert_fails(decode(empty, sizeof empty - 1), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "gif frame is empty: 0x1");
    static const char bare[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\0;";
    assert_fails(decode(bare, sizeof bare - 1), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "gif frame holds no pixels");
}

static void test_bmp_kinds(void **state) {
    (void)state;
    file_map map = fixture_file("generated/rgb.bmp");
    uint8_t *copy = copy_of(map, 0);
    static const struct {
        size_t at;
        uint8_t value;
        const char *message;
    } changes[] = {
        {14, 41, "bmp has a header of 41 bytes: not a known kind"},
        {28, 7, "bmp has 7 bits a pixel: expected 1, 4, 8, 16, 24 or 32"},
        {30, 4, "bmp of 24 bits has compression 4: expected 0 or 3"},
        {30, 3,
         "bmp of 24 bits has bit fields 00000000 00000000 00000000 00000000: not a known layout"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t old = copy[changes[i].at];
        copy[changes[i].at] = changes[i].value;
        memset(copy + 54, 0, 16);
        assert_fails(decode(copy, map.size), KEN_UNSUPPORTED, IMAGE_STAGE_DECODE,
                     changes[i].message);
        copy[changes[i].at] = old;
    }
    copy[10] = copy[11] = 0xFF; /* the pixels begin behind the end */
    assert_fails(decode(copy, map.size), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "bmp ends before its first row");
    test_free(copy);
    file_map_close(&map);
}

static void test_webp_frame_outside(void **state) {
    (void)state;
    file_map map = fixture_file("generated/animated.webp");
    uint8_t *copy = copy_of(map, 0);
    uint8_t *frame = memmem(copy, map.size, "ANMF", 4);
    frame[8] = 20; /* x offset in units of two pixels */
    assert_fails(decode(copy, map.size), KEN_BAD_FORMAT, IMAGE_STAGE_DECODE,
                 "webp frame lies outside of its canvas");
    test_free(copy);
    file_map_close(&map);
}

static void test_transparent_colours(void **state) {
    (void)state;
    file_map map = fixture_file("generated/key-61x37.png");
    attempt a = decode(map.data, map.size);
    assert_int_equal(a.status, KEN_OK);
    assert_true(a.img.has_key);
    assert_memory_equal(a.img.key, a.img.pixels + 3 * (20 * 61 + 20), 3);
    image_free(&a.img);
    file_map_close(&map);
    map = fixture_file("generated/p-key.gif");
    a = decode(map.data, map.size);
    assert_int_equal(a.status, KEN_OK);
    assert_true(a.img.palette_alpha);
    assert_int_equal(a.img.palette[5][3], 0);
    assert_int_equal(a.img.palette[6][3], 255);
    image_free(&a.img);
    file_map_close(&map);
}

/* Threads decode every format at once, libvips being loaded by whoever comes first. */
enum { N_THREADS = 4, N_ROUNDS = 5 };

static const char *const thread_files[] = {"generated/rgb-61x37.jpg", "generated/p-61x37.png",
                                           "generated/lossy.webp",    "generated/p.gif",
                                           "generated/p.bmp",         "generated/p.tif",
                                           "generated/rgb.avif",      "generated/rgb.jxl"};
enum { N_FILES = sizeof thread_files / sizeof *thread_files };

static void *decode_all(void *digests) {
    char(*out)[DIGEST_SIZE] = digests;
    for (int round = 0; round < N_ROUNDS; round++)
        for (int i = 0; i < N_FILES; i++) {
            file_map map = fixture_file(thread_files[i]);
            attempt a = decode(map.data, map.size);
            if (a.status == KEN_OK)
                image_digest(&a.img, out[round * N_FILES + i]);
            image_free(&a.img);
            file_map_close(&map);
        }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    static char digests[N_THREADS][N_ROUNDS * N_FILES][DIGEST_SIZE];
    pthread_t threads[N_THREADS];
    for (int t = 0; t < N_THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, decode_all, digests[t]), 0);
    for (int t = 0; t < N_THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int t = 0; t < N_THREADS; t++)
        for (int i = 0; i < N_ROUNDS * N_FILES; i++) {
            assert_true(digests[t][i][0] != '\0');
            assert_string_equal(digests[t][i], digests[0][i % N_FILES]);
        }
}

static void test_free_of_nothing(void **state) {
    (void)state;
    image nothing = {0};
    image_free(&nothing);
    image_free(NULL);
}

static void test_without_outputs(void **state) {
    (void)state;
    file_map map = fixture_file("generated/rgb-61x37.png");
    image img;
    assert_int_equal(image_decode(map.data, map.size, NULL, &img, NULL, NULL, NULL), KEN_OK);
    image_free(&img);
    assert_int_equal(image_decode(map.data, 40, NULL, &img, NULL, NULL, NULL), KEN_BAD_FORMAT);
    file_map_close(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), /* first, so that libvips is loaded there */
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_formats_by_content),
        cmocka_unit_test(test_refused_by_name),
        cmocka_unit_test(test_not_an_image),
        cmocka_unit_test(test_headers_that_end),
        cmocka_unit_test(test_pixel_limit),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_jpeg_without_data),
        cmocka_unit_test(test_jpeg_headers),
        cmocka_unit_test(test_hostile_exif),
        cmocka_unit_test(test_gif_code_size),
        cmocka_unit_test(test_bmp_kinds),
        cmocka_unit_test(test_webp_frame_outside),
        cmocka_unit_test(test_transparent_colours),
        cmocka_unit_test(test_free_of_nothing),
        cmocka_unit_test(test_without_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
