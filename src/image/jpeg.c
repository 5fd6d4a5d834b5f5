/* JPEG headers, and whole pictures. The size, the number of components and the metadata come from a
 * walk over the markers of our own, so that nothing is allocated before they are checked. */
#include "image/jpeg.h"

#include "image/orientation.h"

#include <string.h>

static const char exif_mark[] = "Exif\0";
static const char xmp_mark[] = "http://ns.adobe.com/xap/1.0/";

static void read_app1(jpeg_header *h, const uint8_t *body, size_t size) {
    if (!h->exif && size >= sizeof exif_mark && memcmp(body, exif_mark, sizeof exif_mark) == 0) {
        h->exif = body;
        h->exif_size = size;
    } else if (size >= sizeof xmp_mark && memcmp(body, xmp_mark, sizeof xmp_mark) == 0) {
        h->xmp = body + sizeof xmp_mark;
        h->xmp_size = size - sizeof xmp_mark;
    }
}

static bool is_frame(uint8_t marker) {
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static void read_frame(jpeg_header *h, const uint8_t *body, size_t size) {
    if (h->has_frame || size < 6)
        return;
    h->has_frame = true;
    h->precision = body[0];
    h->height = (unsigned)body[1] << 8 | body[2];
    h->width = (unsigned)body[3] << 8 | body[4];
    h->components = body[5];
}

/* Walks the segments up to the first scan. */
static jpeg_header walk_header(const uint8_t *bytes, size_t size) {
    jpeg_header h = {0};
    size_t at = 2;
    while (at + 4 <= size) {
        if (bytes[at] != 0xFF || bytes[at + 1] == 0xFF) {
            at++; /* fill bytes, or garbage that the decoder skips too */
            continue;
        }
        uint8_t marker = bytes[at + 1];
        at += 2;
        if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8))
            continue;
        if (marker == 0xD9)
            break;
        size_t length = (size_t)bytes[at] << 8 | bytes[at + 1];
        if (length < 2 || length > size - at)
            break;
        const uint8_t *body = bytes + at + 2;
        at += length;
        if (is_frame(marker))
            read_frame(&h, body, length - 2);
        else if (marker == 0xE1)
            read_app1(&h, body, length - 2);
        else if (marker == 0xDA) {
            h.scan_begin = at;
            break;
        }
    }
    return h;
}

static ken_status check_header(const decoder *d, const jpeg_header *h, ken_error *err) {
    if (!h->has_frame)
        return error_set(err, KEN_BAD_FORMAT, "jpeg has no frame header");
    if (h->precision != 8)
        return error_set(err, KEN_UNSUPPORTED, "jpeg has %u bits a sample: expected 8",
                         h->precision);
    if (h->components != 1 && h->components != 3 && h->components != 4)
        return error_set(err, KEN_UNSUPPORTED, "jpeg has %u components: expected 1, 3 or 4",
                         h->components);
    if (h->scan_begin == 0 || h->scan_begin >= d->size)
        return error_set(err, KEN_BAD_FORMAT, "jpeg ends before its first scan");
    return KEN_OK;
}

image_mode jpeg_mode(const jpeg_header *h) {
    return h->components == 1 ? IMAGE_L : h->components == 3 ? IMAGE_RGB : IMAGE_CMYK;
}

ken_status jpeg_header_read(decoder *d, jpeg_header *out, ken_error *err) {
    *out = walk_header(d->bytes, d->size);
    TRY(check_header(d, out, err));
    d->orientation = orientation_read(out->exif, out->exif_size, out->xmp, out->xmp_size);
    return KEN_OK;
}

static ken_status read_all(jpeg_reader *r, image *out, ken_error *err) {
    TRY(jpeg_reader_rows(r, out->pixels, out->stride, out->height, err));
    return jpeg_reader_finish(r, err);
}

/* Adobe writes ink inverted, and everybody else followed; Pillow inverts whatever the markers say.
 */
static void invert(image *img) {
    size_t n = img->stride * (size_t)img->height;
    for (size_t i = 0; i < n; i++)
        img->pixels[i] = (uint8_t)~img->pixels[i];
}

ken_status decode_jpeg(decoder *d, image *out, ken_error *err) {
    jpeg_header h;
    TRY(jpeg_header_read(d, &h, err));
    TRY(decoder_new_image(d, jpeg_mode(&h), h.width, h.height, out, err));
    jpeg_reader *r;
    ken_status status = jpeg_reader_open(d, &h, 1, &r, err);
    if (status == KEN_OK)
        status = read_all(r, out, err);
    /* A failure after damage is more damage: what was read before it counts. */
    const char *warning = r && status != KEN_NO_MEMORY ? jpeg_reader_warning(r) : NULL;
    if (warning && !d->strict)
        status = decoder_warn(d, err, "jpeg is damaged: %s", warning);
    jpeg_reader_close(r);
    if (status == KEN_OK && out->mode == IMAGE_CMYK)
        invert(out);
    return status;
}
