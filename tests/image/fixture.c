#include "testing.h"

#include "image/fixture.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* dav1d forgets 40 bytes of a damaged AVIF. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libdav1d";
}

file_map fixture_file(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", IMAGE_DATA, name);
    file_map map = {0};
    ken_error err = {0};
    if (file_map_open(path, &map, &err) != KEN_OK)
        fail_msg("%s: %s", path, err.message);
    return map;
}

void digest(const void *bytes, size_t size, char out[DIGEST_SIZE]) {
    char hex[HASH_SHA256_HEX];
    assert_int_equal(hash_sha256(bytes, size, hex, NULL), KEN_OK);
    memcpy(out, hex, DIGEST_SIZE - 1);
    out[DIGEST_SIZE - 1] = '\0';
}

void image_digest(const image *img, char out[DIGEST_SIZE]) {
    size_t n_pixels = (size_t)img->width * (size_t)img->height;
    if (img->mode != IMAGE_P) {
        digest(img->pixels, n_pixels * (size_t)img->channels, out);
        return;
    }
    uint8_t *rgba = mem_alloc(4 * n_pixels);
    assert_non_null(rgba);
    for (size_t i = 0; i < n_pixels; i++)
        memcpy(rgba + 4 * i, img->palette[img->pixels[i]], 4);
    digest(rgba, 4 * n_pixels, out);
    mem_free(rgba);
}

const char *image_mode_name(image_mode mode) {
    static const char *const names[] = {
        [IMAGE_L] = "L",     [IMAGE_LA] = "LA",     [IMAGE_P] = "P",       [IMAGE_1] = "1",
        [IMAGE_RGB] = "RGB", [IMAGE_RGBA] = "RGBA", [IMAGE_CMYK] = "CMYK",
    };
    return names[mode];
}

static const char *verdict(ken_status status, const image_facts *facts) {
    return status != KEN_OK ? ken_status_name(status) : facts->warned ? "warned" : "ok";
}

void decode_outcome(const uint8_t *bytes, size_t size, outcome *out) {
    image img;
    image_facts facts;
    image_stage stage;
    ken_error err = {0};
    memset(out, 0, sizeof *out);
    ken_status status = image_decode(bytes, size, NULL, &img, &facts, &stage, &err);
    snprintf(out->verdict, sizeof out->verdict, "%s", verdict(status, &facts));
    snprintf(out->size, sizeof out->size, "-");
    snprintf(out->mode, sizeof out->mode, "-");
    snprintf(out->digest, sizeof out->digest, "-");
    out->orientation = facts.orientation;
    if (status == KEN_OK) {
        snprintf(out->size, sizeof out->size, "%dx%d", img.width, img.height);
        snprintf(out->mode, sizeof out->mode, "%s", image_mode_name(img.mode));
        image_digest(&img, out->digest);
    } else {
        assert_int_equal(err.status, status);
        assert_true(err.message[0] != '\0');
        assert_null(img.pixels);
    }
    image_free(&img);
    image_limits strict = {.strict = true};
    status = image_decode(bytes, size, &strict, &img, &facts, &stage, &err);
    snprintf(out->strict, sizeof out->strict, "%s", verdict(status, &facts));
    image_free(&img);
}

int each_row(const char *path, row_function *row, void *context) {
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("could not open '%s'", path);
    char *line = NULL;
    size_t capacity = 0;
    int n_rows = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, file)) > 0) {
        if (line[size - 1] == '\n')
            line[--size] = '\0';
        if (size == 0 || line[0] == '#')
            continue;
        char *fields[MAX_FIELDS] = {NULL}, *at = line;
        int n = 0;
        while (at && n < MAX_FIELDS)
            fields[n++] = strsep(&at, "\t");
        row(fields, n, context);
        n_rows++;
    }
    free(line);
    fclose(file);
    return n_rows;
}
