/* image/write.h: pixels -> PNG, for looking at what a model sees. */
#ifndef KEN_IMAGE_WRITE_H
#define KEN_IMAGE_WRITE_H

#include "base/buf.h"

/* Appends a PNG of [height, width, 3] 8-bit RGB. */
KEN_MUST_CHECK ken_status image_put_png(buf *out, const uint8_t *rgb, int width, int height,
                                        ken_error *err);

#endif
