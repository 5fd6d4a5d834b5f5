/* image/image.h: bytes -> pixels, exactly as Pillow makes them.
 *
 * image_decode sniffs by content, checks the size against the limit before anything is allocated,
 * and keeps the file's own mode, because when a mode turns into RGB (before or after the resize) is
 * part of a model's preprocessing (see preprocess.h). Thread safe: no global state but libvips'
 * own, which is loaded at the first file that needs it. */
#ifndef KEN_IMAGE_H
#define KEN_IMAGE_H

#include "base/error.h"

typedef enum image_format {
    IMAGE_UNKNOWN = 0,
    IMAGE_JPEG,
    IMAGE_PNG,
    IMAGE_WEBP,
    IMAGE_GIF,
    IMAGE_BMP,
    IMAGE_TIFF,
    IMAGE_HEIF, /* HEIC and AVIF */
    IMAGE_JXL,
} image_format;

/* Pillow's modes, as far as files give them. */
typedef enum image_mode {
    IMAGE_L,    /* 8-bit grey; 1 channel */
    IMAGE_LA,   /* grey, alpha; 2 channels */
    IMAGE_P,    /* palette index; 1 channel, palette below */
    IMAGE_1,    /* black and white; 1 channel of 0 or 255 */
    IMAGE_RGB,  /* 3 channels */
    IMAGE_RGBA, /* 4 channels */
    IMAGE_CMYK, /* 4 channels, Pillow's sense (255 is full ink) */
} image_mode;

typedef struct image {
    int width, height; /* pixels */
    int channels;
    image_mode mode;
    size_t stride;         /* bytes between rows: width * channels */
    uint8_t *pixels;       /* [height, width, channels], owned */
    uint8_t (*palette)[4]; /* [256] RGBA of IMAGE_P, owned; else NULL */
    bool palette_alpha;    /* some palette entry is not opaque */
    bool has_key;          /* IMAGE_L, IMAGE_1, IMAGE_RGB: one colour is transparent, */
    uint8_t key[3];        /* this one; it matters only where alpha is composited */
} image;

/* Where an item failed; the names stand in the error table. */
typedef enum image_stage { IMAGE_STAGE_SNIFF, IMAGE_STAGE_DECODE, IMAGE_STAGE_RESIZE } image_stage;
const char *image_stage_name(image_stage stage);

typedef struct image_limits {
    uint64_t max_pixels; /* 0: 178956970, Pillow's limit */
    bool strict;         /* refuse files that decode only with warnings (truncated, corrupt) */
} image_limits;

typedef struct image_facts {
    image_format format;
    int width, height; /* after orientation */
    int orientation;   /* EXIF, 1 to 8 */
    bool warned;       /* decoded, but damaged */
    char warning[160]; /* what the decoder said */
    /* preprocess_bytes: the part of its time that went into conversion, resizing and cropping. */
    double resize_seconds;
} image_facts;

image_format image_sniff(const uint8_t *bytes, size_t size);
const char *image_format_name(image_format format); /* "jpeg", ...; never NULL */

/* Decodes and applies the EXIF orientation. `facts` (may be NULL) is filled as far as decoding
 * came; *stage (may be NULL) says where it failed. */
KEN_MUST_CHECK ken_status image_decode(const uint8_t *bytes, size_t size,
                                       const image_limits *limits, image *out, image_facts *facts,
                                       image_stage *stage, ken_error *err);
void image_free(image *img); /* a zeroed image may be freed */

#endif
