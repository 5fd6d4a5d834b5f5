/* image/write.h: pixels -> PNG, for looking at what a model sees, and JPEG, for thumbnails. */
#ifndef KEN_IMAGE_WRITE_H
#define KEN_IMAGE_WRITE_H

#include "base/buf.h"

/* Appends a PNG of [height, width, 3] 8-bit RGB. */
KEN_MUST_CHECK ken_status image_put_png(buf *out, const uint8_t *rgb, int width, int height,
                                        ken_error *err);
/* Appends a JPEG of the same, with 4:2:0 chroma; `quality` is 1 to 100. */
KEN_MUST_CHECK ken_status image_put_jpeg(buf *out, const uint8_t *rgb, int width, int height,
                                         int quality, ken_error *err);

#endif
