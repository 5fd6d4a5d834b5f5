/* Every prefix of good files, one or two of each format, and every byte of them flipped: no crash,
 * no read past the end (the copies are as large as the prefix, for the address sanitizer), and the
 * same outcome twice. */
#include "testing.h"

#include "image/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct trial {
    ken_status status;
    bool warned;
    int width, height;
    char digest[DIGEST_SIZE];
} trial;

/* Field by field into zeroed memory, so that two trials can be compared as bytes. */
static void try_decode(const uint8_t *bytes, size_t size, trial *out) {
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    image img;
    image_facts facts;
    memset(out, 0, sizeof *out);
    out->status = image_decode(copy, size, NULL, &img, &facts, NULL, NULL);
    out->warned = facts.warned;
    out->width = facts.width;
    out->height = facts.height;
    if (out->status == KEN_OK)
        image_digest(&img, out->digest);
    image_free(&img);
    free(copy);
}

static void check_prefixes(const char *name, size_t step) {
    file_map map = fixture_file(name);
    trial whole, first, second;
    try_decode(map.data, map.size, &whole);
    assert_int_equal(whole.status, KEN_OK);
    for (size_t n = 0; n < map.size; n += n < 1000 ? 1 : step) {
        try_decode(map.data, n, &first);
        try_decode(map.data, n, &second);
        assert_memory_equal(&first, &second, sizeof first);
        if (first.status == KEN_OK) {
            assert_int_equal(first.width, whole.width);
            assert_int_equal(first.height, whole.height);
            /* a cut-off file is whole, or it says so */
            if (!first.warned && strcmp(first.digest, whole.digest) != 0)
                fail_msg("%s: %zu of %zu bytes decode to other pixels without a warning", name, n,
                         map.size);
        }
    }
    file_map_close(&map);
}

static void check_flips(const char *name) {
    file_map map = fixture_file(name);
    uint8_t *copy = malloc(map.size);
    assert_non_null(copy);
    memcpy(copy, map.data, map.size);
    for (size_t i = 0; i < map.size && i < 1500; i++) {
        image_limits limits = {.max_pixels = 1000000};
        image img;
        copy[i] ^= (uint8_t)(1U << (i % 8));
        ken_error err = {0};
        ken_status status = image_decode(copy, map.size, &limits, &img, NULL, NULL, &err);
        if (status != KEN_OK)
            assert_true(err.message[0] != '\0');
        image_free(&img);
        copy[i] = map.data[i];
    }
    free(copy);
    file_map_close(&map);
}

static const char *const files[] = {
    "generated/rgb-61x37.jpg",
    "generated/progressive.jpg",
    "generated/cmyk-1x1.jpg",
    "generated/p-61x37.png",
    "libpng/contrib/pngsuite/ibasn2c16.png",
    "generated/lossy.webp",
    "generated/animated.webp",
    "generated/p-key.gif",
    "pillow/hopper_rle8_grayscale.bmp",
    "generated/p.bmp",
    "generated/p.tif",
    "generated/rgb.avif",
    "generated/rgb.jxl",
};

/* libjxl and dav1d write what they dislike to stderr, a line for every damaged file. */
static int silence_stderr(void **state) {
    static int saved;
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    close(null);
    *state = &saved;
    return saved < 0;
}

static int restore_stderr(void **state) {
    fflush(stderr);
    int *saved = *state;
    dup2(*saved, STDERR_FILENO);
    return close(*saved);
}

static bool is_noisy(const char *name) {
    return strstr(name, ".avif") || strstr(name, ".jxl");
}

static void test_prefixes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!is_noisy(files[i]))
            check_prefixes(files[i], 37);
}

static void test_flips(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!is_noisy(files[i]))
            check_flips(files[i]);
}

static void test_noisy_formats(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (is_noisy(files[i])) {
            check_prefixes(files[i], 97);
            check_flips(files[i]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_flips),
        cmocka_unit_test_setup_teardown(test_noisy_formats, silence_stderr, restore_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
