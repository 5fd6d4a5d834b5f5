/* Any bytes through image_decode and the preprocessing of both layouts, and through
 * preprocess_bytes, whose JPEG files never exist as a whole and must give the same. Pictures of the
 * fuzzer's are kept small: what is looked for are wrong reads and writes, not slow files. */
#include "image/preprocess.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SIDE = 32 };

static preprocess recipe(preprocess_layout layout, resize_mode mode, preprocess_alpha alpha) {
    return (preprocess){.layout = layout,
                        .mode = mode,
                        .filter = RESIZE_BICUBIC,
                        .resize_size = {SIDE, SIDE},
                        .crop = true,
                        .crop_size = {SIDE, SIDE},
                        .alpha = alpha,
                        .background = {255, 255, 255}};
}

/* Both ways to a result: decoding first, and whatever preprocess_bytes does. */
static void preprocess_with(const uint8_t *bytes, size_t size, const image_limits *limits,
                            const image *img, preprocess p) {
    static uint8_t out[SIDE * SIDE * 3], other[SIDE * SIDE * 3];
    ken_status first = preprocess_image(&p, kernels_best(), img, out, NULL);
    ken_status second =
        preprocess_bytes(&p, kernels_best(), bytes, size, limits, other, NULL, NULL, NULL);
    if (first != second || (first == KEN_OK && memcmp(out, other, sizeof out) != 0))
        __builtin_trap();
    p.fast = true;
    second = preprocess_bytes(&p, kernels_best(), bytes, size, limits, other, NULL, NULL, NULL);
    if (first != second)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    for (int strict = 0; strict < 2; strict++) {
        image_limits limits = {.max_pixels = 1 << 18, .strict = strict};
        image img;
        if (image_decode(bytes, size, &limits, &img, NULL, NULL, NULL) != KEN_OK)
            continue;
        const preprocess recipes[] = {
            recipe(PREPROCESS_HUGGING_FACE, RESIZE_SHORTEST, ALPHA_COMPOSITE),
            recipe(PREPROCESS_OPEN_CLIP, RESIZE_LONGEST, ALPHA_LAYOUT),
            recipe(PREPROCESS_OPEN_CLIP, RESIZE_SQUASH, ALPHA_LAYOUT),
        };
        for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
            preprocess_with(bytes, size, &limits, &img, recipes[i]);
        image_free(&img);
    }
    return 0;
}
