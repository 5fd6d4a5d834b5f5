/* image/convert.h: from one mode to another, with Pillow's integer arithmetic. Not for other
 * folders. */
#ifndef KEN_IMAGE_CONVERT_H
#define KEN_IMAGE_CONVERT_H

#include "image/image.h"

/* New pixels of `n_rows` rows and `width` columns in a mode; no palette. */
KEN_MUST_CHECK ken_status image_alloc(image *out, image_mode mode, int width, int height,
                                      ken_error *err);
/* convert("RGB"): alpha and transparent colours are dropped. `to` is [height, width, 3]. */
void convert_to_rgb(const image *in, uint8_t *to);
/* As Pillow's alpha_composite on an opaque background. */
void convert_composite(const image *in, const uint8_t background[3], uint8_t *to);
bool convert_has_alpha(const image *in);
/* IMAGE_RGBA and IMAGE_LA: colour times alpha, and back. From `in` to `to`, which may be the same.
 */
void convert_premultiply(const image *in, uint8_t *to);
void convert_unpremultiply(image *img);

#endif
