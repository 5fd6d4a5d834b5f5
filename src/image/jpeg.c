/* JPEG through TurboJPEG, with the default (accurate) DCT and fancy upsampling: the same pixels as
 * Pillow. The size, the number of components and the metadata come from a walk over the markers of
 * our own, because TurboJPEG's header call refuses sampling factors that its decoder can do. */
#include "image/decoder.h"
#include "image/orientation.h"

#include <string.h>
#include <turbojpeg.h>

typedef struct jpeg_header {
    unsigned width, height, components, precision;
    bool has_frame;
    size_t scan_begin; /* first byte of entropy-coded data; 0: no scan */
    const uint8_t *exif, *xmp;
    size_t exif_size, xmp_size;
} jpeg_header;

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
static jpeg_header read_header(const uint8_t *bytes, size_t size) {
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

static ken_status decompress(decoder *d, tjhandle handle, image *out, ken_error *err) {
    static const int formats[] = {
        [IMAGE_L] = TJPF_GRAY, [IMAGE_RGB] = TJPF_RGB, [IMAGE_CMYK] = TJPF_CMYK};
    int flags = TJFLAG_LIMITSCANS | (d->strict ? TJFLAG_STOPONWARNING : 0);
    /* The size that is passed bounds what is written, whatever the decoder finds in the file. */
    int failed = tjDecompress2(handle, d->bytes, (unsigned long)d->size, out->pixels, out->width,
                               (int)out->stride, out->height, formats[out->mode], flags);
    if (!failed)
        return KEN_OK;
    const char *reason = tjGetErrorStr2(handle);
    if (tjGetErrorCode(handle) == TJERR_WARNING && !d->strict)
        return decoder_warn(d, err, "jpeg is damaged: %s", reason);
    return error_set(err, KEN_BAD_FORMAT, "could not decode jpeg: %s", reason);
}

/* Adobe writes ink inverted, and everybody else followed; Pillow inverts whatever the markers say.
 */
static void invert(image *img) {
    size_t n = img->stride * (size_t)img->height;
    for (size_t i = 0; i < n; i++)
        img->pixels[i] = (uint8_t)~img->pixels[i];
}

ken_status decode_jpeg(decoder *d, image *out, ken_error *err) {
    jpeg_header h = read_header(d->bytes, d->size);
    TRY(check_header(d, &h, err));
    image_mode mode = h.components == 1 ? IMAGE_L : h.components == 3 ? IMAGE_RGB : IMAGE_CMYK;
    TRY(decoder_new_image(d, mode, h.width, h.height, out, err));
    d->orientation = orientation_read(h.exif, h.exif_size, h.xmp, h.xmp_size);
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return error_set(err, KEN_NO_MEMORY, "could not start the jpeg decoder: %s",
                         tjGetErrorStr2(NULL));
    ken_status status = decompress(d, handle, out, err);
    tjDestroy(handle);
    if (status == KEN_OK && mode == IMAGE_CMYK)
        invert(out);
    return status;
}
