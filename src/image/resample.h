/* image/resample.h: Pillow's Image.resize, for a window of the result. Not for other folders.
 *
 * Every output pixel of a resize depends on the source alone, so computing only the rows and
 * columns that survive the crop gives the same bytes as cropping afterwards. */
#ifndef KEN_IMAGE_RESAMPLE_H
#define KEN_IMAGE_RESAMPLE_H

#include "image/preprocess.h"

/* A part of the resized picture. */
typedef struct window {
    int x, y, width, height;
} window;

/* Sides of a resized picture above this are refused: only absurd ratios reach it. */
enum { RESAMPLE_MAX_SIDE = 1 << 24 };

/* Resizes `in` to width x height and writes the window to `to`, rows `to_stride` bytes apart, in
 * the mode of `in`. Palettes and bilevel pictures are always resized by nearest neighbour, pictures
 * with alpha premultiplied, as Pillow does. */
KEN_MUST_CHECK ken_status resample(const kernels *k, const image *in, resize_filter filter,
                                   int width, int height, window w, uint8_t *to, size_t to_stride,
                                   ken_error *err);
/* Pillow 13 begins with the pass along y when the height shrinks much more than the width. The
 * passes round to 8 bits, so the order shows. */
bool resample_y_first(int width, int height, int to_width, int to_height);

#endif
