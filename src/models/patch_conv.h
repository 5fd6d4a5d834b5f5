/* models/patch_conv.h: the patch convolution of a vision transformer, as a product over flattened
 * patches.
 *
 * In f32 pixels go through the model's table and the weight is the checkpoint's. In integers pixels
 * are the product's operands as they are: what the table would do, value * gain + offset, is folded
 * into the weight and its bias, so nothing is rounded on the way in. A row of a patch is then in
 * (y, x, channel) order, as pictures lie in memory, and pixels count from a grey `zero`, which
 * keeps the sums and with them the weight's rounding errors small. */
#ifndef KEN_MODELS_PATCH_CONV_H
#define KEN_MODELS_PATCH_CONV_H

#include "models/reader.h"
#include "models/vision.h"

typedef struct patch_conv_config {
    size_t image_size[2]; /* height, width */
    size_t patch_size;    /* P */
    size_t width;         /* D */
    bool bias;
    double gain[3], offset[3]; /* of pixels, by channel: preprocess_range */
} patch_conv_config;

typedef struct patch_conv {
    patch_conv_config config;
    size_t n_patches; /* G */
    linear conv;      /* [D, 3 * P * P] */
    bool raw;         /* pixels as they are */
    int zero;         /* what they count from then: 0..255 */
} patch_conv;

/* "PREFIX.weight" [D, 3, P, P] and, with `bias`, "PREFIX.bias" [D]. */
KEN_MUST_CHECK ken_status patch_conv_read(reader *r, const char *prefix,
                                          const patch_conv_config *config, patch_conv *out,
                                          ken_error *err);

/* y [B * G, D]. `patches` has room for [B * G, 3 * P * P]; exec.quantized for the layer's rows. */
void patch_conv_run(const exec *e, const patch_conv *p, const pictures *in, size_t batch,
                    float *patches, float *y);

#endif
