/* image/preprocess.h: a decoded image -> the 8-bit RGB pixels that a model's image tower takes.
 *
 * The recipe comes from the model's own configuration (models/ reads it). Steps, in the order of
 * the layout: Hugging Face: to RGB, resize, crop. OpenCLIP: resize in the file's mode, crop or pad,
 * to RGB. Sizes and offsets are rounded as each reference does. The normalisation that follows is a
 * table of 256 values a channel (preprocess_table), so 8-bit pixels are all that travels. */
#ifndef KEN_IMAGE_PREPROCESS_H
#define KEN_IMAGE_PREPROCESS_H

#include "base/buf.h"
#include "image/image.h"
#include "kernels/kernels.h"

typedef enum resize_filter {
    RESIZE_NEAREST,
    RESIZE_BILINEAR,
    RESIZE_BICUBIC,
    RESIZE_LANCZOS,
    RESIZE_BOX,
    RESIZE_HAMMING,
} resize_filter;

typedef enum resize_mode {
    RESIZE_SHORTEST, /* short side to `size`, then centre crop */
    RESIZE_SQUASH,   /* both sides to the target, ratio lost */
    RESIZE_LONGEST,  /* long side to `size`, then pad */
    RESIZE_NONE,     /* do_resize: false */
} resize_mode;

typedef enum preprocess_layout { PREPROCESS_HUGGING_FACE, PREPROCESS_OPEN_CLIP } preprocess_layout;

/* What an alpha channel turns into. */
typedef enum preprocess_alpha { ALPHA_LAYOUT, ALPHA_DROP, ALPHA_COMPOSITE } preprocess_alpha;

typedef struct preprocess {
    preprocess_layout layout;
    resize_mode mode;
    resize_filter filter;
    int resize_size[2]; /* height, width; SHORTEST and LONGEST use [0] */
    bool crop;          /* Hugging Face's do_center_crop; OpenCLIP always crops */
    int crop_size[2];   /* height, width: what comes out */
    int fill;           /* 0..255, for padding */
    bool fast;          /* large JPEG files are shrunk by their decoder first: other pixels */
    preprocess_alpha alpha;
    uint8_t background[3]; /* for ALPHA_COMPOSITE */
    bool rescale;          /* multiply by rescale_factor */
    double rescale_factor; /* 1/255 */
    bool normalize;
    double mean[3], std[3];
} preprocess;

/* Bytes of the result: crop_size[0] * crop_size[1] * 3. */
size_t preprocess_size(const preprocess *p);
/* `out` is [H, W, 3]. Allocates while it works. */
KEN_MUST_CHECK ken_status preprocess_image(const preprocess *p, const kernels *k, const image *in,
                                           uint8_t *out, ken_error *err);
/* Decode and preprocess in one call. */
KEN_MUST_CHECK ken_status preprocess_bytes(const preprocess *p, const kernels *k,
                                           const uint8_t *bytes, size_t size,
                                           const image_limits *limits, uint8_t *out,
                                           image_facts *facts, image_stage *stage, ken_error *err);
/* table[c][v]: the float that the layout's reference makes of the value v of channel c. */
void preprocess_table(const preprocess *p, float table[3][256]);
/* The same in real numbers: value * gain[c] + offset[c]. */
void preprocess_range(const preprocess *p, double gain[3], double offset[3]);
/* The recipe as one line of JSON with sorted keys: the `ken.preprocess` metadata, whose SHA-256 is
 * `preprocess_sha256`. */
bool preprocess_describe(const preprocess *p, buf *out);

#endif
