/* Reading and applying the orientation. */
#include "image/orientation.h"

#include "base/mem.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };

typedef struct reader {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
} reader;

/* Zero past the end: a directory that is cut off has no more tags. */
static uint32_t read16(const reader *r, size_t at) {
    if (at > r->size || r->size - at < 2)
        return 0;
    const uint8_t *p = r->bytes + at;
    return r->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read32(const reader *r, size_t at) {
    if (at > r->size || r->size - at < 4)
        return 0;
    uint32_t a = read16(r, at), b = read16(r, at + 2);
    return r->big_endian ? a << 16 | b : b << 16 | a;
}

bool exif_tag(const uint8_t *bytes, size_t size, uint16_t tag, uint32_t *value) {
    for (int i = 0; i < 2 && size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0; i++) {
        bytes += 6;
        size -= 6;
    }
    if (size < 8)
        return false;
    reader r = {bytes, size, bytes[0] == 'M'};
    if (memcmp(bytes, r.big_endian ? "MM" : "II", 2) != 0 || read16(&r, 2) != 42)
        return false;
    size_t directory = read32(&r, 4);
    uint32_t n_tags = read16(&r, directory);
    bool found = false;
    for (uint32_t i = 0; i < n_tags; i++) {
        size_t at = directory + 2 + 12 * (size_t)i;
        if (at + 12 > size)
            break;
        if (read16(&r, at) != tag || read32(&r, at + 4) != 1)
            continue;
        uint32_t type = read16(&r, at + 2);
        if (type == TYPE_SHORT)
            *value = read16(&r, at + 8);
        else if (type == TYPE_LONG)
            *value = read32(&r, at + 8);
        else
            continue;
        found = true; /* of two, the last one counts, as in Pillow */
    }
    return found;
}

bool exif_values_inside(const uint8_t *bytes, size_t size) {
    static const uint8_t type_sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
    reader r = {bytes, size, size > 0 && bytes[0] == 'M'};
    if (read16(&r, 2) != 42)
        return true;
    size_t directory = read32(&r, 4);
    uint32_t n_tags = read16(&r, directory);
    for (uint32_t i = 0; i < n_tags; i++) {
        size_t at = directory + 2 + 12 * (size_t)i;
        uint32_t type = read16(&r, at + 2);
        uint64_t bytes_each = type < sizeof type_sizes ? type_sizes[type] : 0;
        uint64_t length = bytes_each * read32(&r, at + 4);
        if (at + 12 > size || (length > 4 && read32(&r, at + 8) + length > size))
            return false;
    }
    return true;
}

static bool xmp_orientation(const uint8_t *xmp, size_t size, uint32_t *value) {
    static const char key[] = "tiff:Orientation";
    const size_t n = sizeof key - 1;
    const uint8_t *at = xmp, *end = xmp + size;
    while ((at = memmem(at, (size_t)(end - at), key, n)) != NULL) {
        at += n;
        size_t left = (size_t)(end - at);
        size_t skip = left >= 2 && memcmp(at, "=\"", 2) == 0 ? 2 : left >= 1 && *at == '>' ? 1 : 0;
        if (skip && left > skip && at[skip] >= '0' && at[skip] <= '9') {
            *value = at[skip] - '0';
            return true;
        }
    }
    return false;
}

int orientation_read(const uint8_t *exif, size_t exif_size, const uint8_t *xmp, size_t xmp_size) {
    uint32_t value = 1;
    bool found = exif && exif_tag(exif, exif_size, TAG_ORIENTATION, &value);
    if (!found && xmp)
        xmp_orientation(xmp, xmp_size, &value);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

/* Where the pixel (0, 0) of the result comes from, and how far it is to the next one. */
typedef struct walk {
    const uint8_t *origin;
    ptrdiff_t step_x, step_y;
} walk;

static walk walk_of(const image *img, int orientation) {
    ptrdiff_t x = img->channels, y = (ptrdiff_t)img->stride;
    const uint8_t *left_top = img->pixels;
    const uint8_t *right_top = left_top + (img->width - 1) * x;
    const uint8_t *left_bottom = left_top + (img->height - 1) * y;
    const uint8_t *right_bottom = right_top + (img->height - 1) * y;
    switch (orientation) {
    case 2:
        return (walk){right_top, -x, y};
    case 3:
        return (walk){right_bottom, -x, -y};
    case 4:
        return (walk){left_bottom, x, -y};
    case 5:
        return (walk){left_top, y, x};
    case 6:
        return (walk){left_bottom, -y, x};
    case 7:
        return (walk){right_bottom, -y, -x};
    default:
        return (walk){right_top, y, -x};
    }
}

ken_status orientation_apply(image *img, int orientation, ken_error *err) {
    if (orientation <= 1 || orientation > 8)
        return KEN_OK;
    size_t size = img->stride * (size_t)img->height;
    uint8_t *turned = mem_alloc(size);
    if (!turned)
        return error_no_memory(err, size);
    walk w = walk_of(img, orientation);
    bool sideways = orientation >= 5;
    int width = sideways ? img->height : img->width;
    int height = sideways ? img->width : img->height;
    size_t channels = (size_t)img->channels;
    uint8_t *to = turned;
    for (int y = 0; y < height; y++) {
        const uint8_t *from = w.origin + y * w.step_y;
        for (int x = 0; x < width; x++, to += channels)
            memcpy(to, from + x * w.step_x, channels);
    }
    mem_free(img->pixels);
    img->pixels = turned;
    img->width = width;
    img->height = height;
    img->stride = (size_t)width * channels;
    return KEN_OK;
}
