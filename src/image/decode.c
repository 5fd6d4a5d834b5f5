/* One entrance for all formats: sniff, the pixel limit, the decoder of the format, the orientation.
 */
#include "base/checked.h"
#include "base/mem.h"
#include "image/decoder.h"
#include "image/orientation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_MAX_PIXELS = 178956970, MAX_SIDE = 1 << 30 };

const char *image_stage_name(image_stage stage) {
    static const char *const names[] = {
        [IMAGE_STAGE_SNIFF] = "sniff",
        [IMAGE_STAGE_DECODE] = "decode",
        [IMAGE_STAGE_RESIZE] = "resize",
    };
    return (size_t)stage < sizeof names / sizeof *names ? names[stage] : "unknown";
}

int image_mode_channels(image_mode mode) {
    static const int channels[] = {
        [IMAGE_L] = 1,   [IMAGE_LA] = 2,   [IMAGE_P] = 1,    [IMAGE_1] = 1,
        [IMAGE_RGB] = 3, [IMAGE_RGBA] = 4, [IMAGE_CMYK] = 4,
    };
    return channels[mode];
}

void image_free(image *img) {
    if (!img)
        return;
    mem_free(img->pixels);
    mem_free(img->palette);
    memset(img, 0, sizeof *img);
}

ken_status decoder_check_size(decoder *d, uint64_t width, uint64_t height, ken_error *err) {
    if (width == 0 || height == 0)
        return error_set(err, KEN_BAD_FORMAT, "picture is empty: %" PRIu64 "x%" PRIu64, width,
                         height);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > d->max_pixels) {
        error_set(err, KEN_TOO_LARGE,
                  "picture is too large: %" PRIu64 "x%" PRIu64 " is above the limit of %" PRIu64
                  " pixels",
                  width, height, d->max_pixels);
        return error_hint(err, KEN_TOO_LARGE, "raise the limit with --max-pixels, or resize it");
    }
    d->facts->width = (int)width;
    d->facts->height = (int)height;
    return KEN_OK;
}

/* Black and opaque: what Pillow gives for indices past the end of a file's palette. */
static uint8_t (*new_palette(void))[4] {
    uint8_t(*palette)[4] = mem_zalloc(256, sizeof *palette);
    for (int i = 0; palette && i < 256; i++)
        palette[i][3] = 255;
    return palette;
}

ken_status decoder_new_image(decoder *d, image_mode mode, uint64_t width, uint64_t height,
                             image *out, ken_error *err) {
    TRY(decoder_check_size(d, width, height, err));
    int channels = image_mode_channels(mode);
    size_t size;
    if (!checked_mul3((size_t)width, (size_t)height, (size_t)channels, &size))
        return error_set(err, KEN_TOO_LARGE, "picture is too large: its size overflows");
    *out = (image){.width = (int)width,
                   .height = (int)height,
                   .channels = channels,
                   .mode = mode,
                   .stride = (size_t)width * (size_t)channels};
    out->pixels = mem_zalloc(size, 1);
    if (!out->pixels)
        return error_no_memory(err, size);
    if (mode == IMAGE_P) {
        out->palette = new_palette();
        if (!out->palette)
            return error_no_memory(err, 256 * sizeof *out->palette);
    }
    return KEN_OK;
}

ken_status decoder_warn(decoder *d, ken_error *err, const char *format, ...) {
    char text[sizeof d->facts->warning];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (d->strict) {
        error_set(err, KEN_BAD_FORMAT, "%s", text);
        return error_hint(err, KEN_BAD_FORMAT,
                          "without --strict, damaged images are used as "
                          "far as they could be read");
    }
    d->facts->warned = true;
    memcpy(d->facts->warning, text, sizeof text);
    return KEN_OK;
}

static ken_status refuse(const uint8_t *bytes, size_t size, ken_error *err) {
    if (size == 0)
        return error_set(err, KEN_BAD_FORMAT, "file is empty");
    const char *name = sniff_refused(bytes, size);
    if (name) {
        error_set(err, KEN_UNSUPPORTED, "'%s' is not a supported image format", name);
        return error_hint(err, KEN_UNSUPPORTED,
                          "convert it to jpeg, png, webp, gif, bmp, tiff, heif or jxl");
    }
    char first[3 * 8 + 1];
    size_t used = 0;
    for (size_t i = 0; i < size && i < 8; i++)
        used += (size_t)snprintf(first + used, sizeof first - used, i ? " %02x" : "%02x", bytes[i]);
    return error_set(err, KEN_BAD_FORMAT, "not an image: no known format begins with '%s'", first);
}

decoder decoder_of(const uint8_t *bytes, size_t size, const image_limits *limits,
                   image_facts *facts) {
    *facts = (image_facts){.format = image_sniff(bytes, size), .orientation = 1};
    return (decoder){.bytes = bytes,
                     .size = size,
                     .max_pixels =
                         limits && limits->max_pixels ? limits->max_pixels : DEFAULT_MAX_PIXELS,
                     .strict = limits && limits->strict,
                     .facts = facts,
                     .orientation = 1};
}

ken_status image_decode(const uint8_t *bytes, size_t size, const image_limits *limits, image *out,
                        image_facts *facts, image_stage *stage, ken_error *err) {
    static decode_function *const decoders[] = {
        [IMAGE_JPEG] = decode_jpeg, [IMAGE_PNG] = decode_png,  [IMAGE_WEBP] = decode_webp,
        [IMAGE_GIF] = decode_gif,   [IMAGE_BMP] = decode_bmp,  [IMAGE_TIFF] = decode_vips,
        [IMAGE_HEIF] = decode_vips, [IMAGE_JXL] = decode_vips,
    };
    image_facts own_facts;
    image_stage own_stage;
    facts = facts ? facts : &own_facts;
    stage = stage ? stage : &own_stage;
    decoder d = decoder_of(bytes, size, limits, facts);
    *stage = IMAGE_STAGE_SNIFF;
    memset(out, 0, sizeof *out);
    if (facts->format == IMAGE_UNKNOWN)
        return refuse(bytes, size, err);
    *stage = IMAGE_STAGE_DECODE;
    ken_status status = decoders[facts->format](&d, out, err);
    if (status == KEN_OK)
        status = orientation_apply(out, d.orientation, err);
    if (status != KEN_OK) {
        image_free(out);
        return status;
    }
    facts->orientation = d.orientation;
    facts->width = out->width;
    facts->height = out->height;
    return KEN_OK;
}
