/* image/jpeg_stream.h: a JPEG file to a recipe's pixels without the whole picture in between:
 * strips of decoded rows go through the resize as they come, turned only at the end. Not for other
 * folders.
 */
#ifndef KEN_IMAGE_JPEG_STREAM_H
#define KEN_IMAGE_JPEG_STREAM_H

#include "image/preprocess.h"

/* Sets *done when `out` holds the result, which equals that of decoding first, to the last bit,
 * unless the recipe is fast.
 * KEN_OK without *done: not a file for this way, or it is not decoded to the end; decoding it
 * first says what is wrong with it. Anything but KEN_OK is out of memory, or strictness. */
KEN_MUST_CHECK ken_status jpeg_stream(const preprocess *p, const kernels *k, const uint8_t *bytes,
                                      size_t size, const image_limits *limits, uint8_t *out,
                                      image_facts *facts, bool *done, ken_error *err);

#endif
