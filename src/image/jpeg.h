/* image/jpeg.h: JPEG files through libjpeg: what their header says, and their rows, a strip at a
 * time. Not for other folders. */
#ifndef KEN_IMAGE_JPEG_H
#define KEN_IMAGE_JPEG_H

#include "image/decoder.h"
#include "image/resample.h"

typedef struct jpeg_header {
    unsigned width, height, components, precision;
    bool has_frame;
    size_t scan_begin; /* first byte of entropy-coded data; 0: no scan */
    const uint8_t *exif, *xmp;
    size_t exif_size, xmp_size;
} jpeg_header;

/* Walks the segments up to the first scan, refuses what no decoder here takes, and sets the
 * orientation of `d`. */
KEN_MUST_CHECK ken_status jpeg_header_read(decoder *d, jpeg_header *out, ken_error *err);
image_mode jpeg_mode(const jpeg_header *h);

/* Calls go in this order: open, window (or not), rows, finish, close. After a failure only close is
 * allowed. The pixels equal Pillow's: accurate DCT, fancy upsampling. */
typedef struct jpeg_reader jpeg_reader;

/* `shrink` is 1, 2, 4 or 8: both sides are divided by it, and rounded up, while decoding. */
KEN_MUST_CHECK ken_status jpeg_reader_open(const decoder *d, const jpeg_header *h, int shrink,
                                           jpeg_reader **out, ken_error *err);
/* Only this part of the (shrunk) picture is asked for. *x is where the rows that come really begin:
 * at w.x or left of it. What lies outside is still read, so that damage there is found, but not
 * computed. */
KEN_MUST_CHECK ken_status jpeg_reader_window(jpeg_reader *r, window w, int *x, ken_error *err);
/* Pixels of a row as they come: what `to` must have room for. */
int jpeg_reader_width(const jpeg_reader *r);
/* The next n rows, in the mode of jpeg_mode, CMYK as it is stored: inverted. */
KEN_MUST_CHECK ken_status jpeg_reader_rows(jpeg_reader *r, uint8_t *to, size_t stride, int n,
                                           ken_error *err);
/* Reads to the end of the file. */
KEN_MUST_CHECK ken_status jpeg_reader_finish(jpeg_reader *r, ken_error *err);
/* What the decoder said last; NULL while it found no damage. */
const char *jpeg_reader_warning(const jpeg_reader *r);
void jpeg_reader_close(jpeg_reader *r);

#endif
