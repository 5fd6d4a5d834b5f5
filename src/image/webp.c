/* WebP through libwebp. The chunks are walked here, for the metadata and for the first frame of an
 * animation, which is drawn on a transparent canvas as Pillow's decoder does. */
#include "image/decoder.h"
#include "image/orientation.h"

#include <string.h>
#include <webp/decode.h>

enum { HEADER_SIZE = 12, FRAME_HEADER_SIZE = 16 };

typedef struct span {
    const uint8_t *bytes;
    size_t size;
} span;

typedef struct webp_chunks {
    span exif, xmp, frame;
} webp_chunks;

static webp_chunks read_chunks(const uint8_t *bytes, size_t size) {
    webp_chunks c = {0};
    size_t at = HEADER_SIZE;
    while (at + 8 <= size) {
        const uint8_t *p = bytes + at;
        size_t length = (size_t)p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16 | (size_t)p[7] << 24;
        if (length > size - at - 8)
            length = size - at - 8; /* cut off: the decoder will say so */
        span body = {p + 8, length};
        if (memcmp(p, "EXIF", 4) == 0 && !c.exif.bytes)
            c.exif = body;
        else if (memcmp(p, "XMP ", 4) == 0 && !c.xmp.bytes)
            c.xmp = body;
        else if (memcmp(p, "ANMF", 4) == 0 && !c.frame.bytes)
            c.frame = body;
        at += 8 + length + (length & 1);
    }
    return c;
}

static const char *status_text(VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "unsupported feature";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return "file is truncated";
    default:
        return "bitstream is corrupt";
    }
}

static ken_status fail(VP8StatusCode code, ken_error *err) {
    ken_status status = code == VP8_STATUS_OUT_OF_MEMORY ? KEN_NO_MEMORY : KEN_BAD_FORMAT;
    return error_set(err, status, "could not decode webp: %s", status_text(code));
}

/* Decodes `data` to the pixel (x, y) of the image on. */
static ken_status decode_at(span data, image *out, size_t x, size_t y, ken_error *err) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return error_set(err, KEN_INTERNAL, "libwebp has another version than its headers");
    VP8StatusCode code = WebPGetFeatures(data.bytes, data.size, &config.input);
    if (code != VP8_STATUS_OK)
        return fail(code, err);
    size_t width = (size_t)config.input.width, height = (size_t)config.input.height;
    if (x + width > (size_t)out->width || y + height > (size_t)out->height)
        return error_set(err, KEN_BAD_FORMAT, "webp frame lies outside of its canvas");
    size_t offset = y * out->stride + x * (size_t)out->channels;
    config.output.colorspace = out->mode == IMAGE_RGBA ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixels + offset;
    config.output.u.RGBA.stride = (int)out->stride;
    config.output.u.RGBA.size = out->stride * (size_t)out->height - offset;
    code = WebPDecode(data.bytes, data.size, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? KEN_OK : fail(code, err);
}

static size_t read24(const uint8_t *p) {
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
}

static ken_status decode_first_frame(span frame, image *out, ken_error *err) {
    if (frame.size <= FRAME_HEADER_SIZE)
        return error_set(err, KEN_BAD_FORMAT, "webp animation has no frame");
    size_t x = 2 * read24(frame.bytes), y = 2 * read24(frame.bytes + 3);
    span data = {frame.bytes + FRAME_HEADER_SIZE, frame.size - FRAME_HEADER_SIZE};
    return decode_at(data, out, x, y, err);
}

ken_status decode_webp(decoder *d, image *out, ken_error *err) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(d->bytes, d->size, &features);
    if (code != VP8_STATUS_OK)
        return fail(code, err);
    TRY(decoder_new_image(d, features.has_alpha ? IMAGE_RGBA : IMAGE_RGB, (uint64_t)features.width,
                          (uint64_t)features.height, out, err));
    webp_chunks chunks = read_chunks(d->bytes, d->size);
    d->orientation =
        orientation_read(chunks.exif.bytes, chunks.exif.size, chunks.xmp.bytes, chunks.xmp.size);
    if (features.has_animation)
        return decode_first_frame(chunks.frame, out, err);
    return decode_at((span){d->bytes, d->size}, out, 0, 0, err);
}
