/* image/decoder.h: what decode.c and the decoders of the formats share. Not for other folders.
 *
 * A decoder reads the size from the header, calls decoder_new_image (which applies the pixel limit
 * before anything is allocated), fills the pixels in the file's own mode and sets `orientation`. It
 * does not turn the picture. Damage that leaves something to look at goes through decoder_warn. */
#ifndef KEN_IMAGE_DECODER_H
#define KEN_IMAGE_DECODER_H

#include "image/image.h"

typedef struct decoder {
    const uint8_t *bytes;
    size_t size;
    uint64_t max_pixels;
    bool strict;
    image_facts *facts; /* never NULL */
    int orientation;    /* EXIF; 1 unless the decoder finds another */
} decoder;

typedef ken_status decode_function(decoder *d, image *out, ken_error *err);
decode_function decode_jpeg, decode_png, decode_webp, decode_gif, decode_bmp, decode_vips;

/* Sniffs the format and resets the facts. */
decoder decoder_of(const uint8_t *bytes, size_t size, const image_limits *limits,
                   image_facts *facts);
int image_mode_channels(image_mode mode);

/* Refuses an empty picture and one above the limit; records the size in the facts. */
KEN_MUST_CHECK ken_status decoder_check_size(decoder *d, uint64_t width, uint64_t height,
                                             ken_error *err);
/* decoder_check_size, then zeroed pixels, and for IMAGE_P a palette of opaque black. On any
 * later failure the pixels belong to `out`, which image_decode frees. */
KEN_MUST_CHECK ken_status decoder_new_image(decoder *d, image_mode mode, uint64_t width,
                                            uint64_t height, image *out, ken_error *err);
/* The file is damaged, but `out` holds what could be read: an error when strict, else a warning. */
KEN_MUST_CHECK ken_status decoder_warn(decoder *d, ken_error *err, const char *format, ...)
    KEN_PRINTF(3, 4);

/* "pdf", "svg", ... for formats that are known, but not decoded; NULL for others. */
const char *sniff_refused(const uint8_t *bytes, size_t size);

#endif
