/* Any bytes through image_decode and the preprocessing of both layouts. Pictures of the fuzzer's
 * are kept small: what is looked for are wrong reads and writes, not slow files. */
#include "image/preprocess.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void preprocess_with(const image *img, preprocess_layout layout, resize_mode mode,
                            preprocess_alpha alpha) {
    enum { SIDE = 32 };
    static uint8_t out[SIDE * SIDE * 3];
    preprocess p = {.layout = layout,
                    .mode = mode,
                    .filter = RESIZE_BICUBIC,
                    .resize_size = {SIDE, SIDE},
                    .crop = true,
                    .crop_size = {SIDE, SIDE},
                    .alpha = alpha,
                    .background = {255, 255, 255}};
    ken_status status = preprocess_image(&p, kernels_best(), img, out, NULL);
    (void)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    for (int strict = 0; strict < 2; strict++) {
        image_limits limits = {.max_pixels = 1 << 18, .strict = strict};
        image img;
        if (image_decode(bytes, size, &limits, &img, NULL, NULL, NULL) != KEN_OK)
            continue;
        preprocess_with(&img, PREPROCESS_HUGGING_FACE, RESIZE_SHORTEST, ALPHA_COMPOSITE);
        preprocess_with(&img, PREPROCESS_OPEN_CLIP, RESIZE_LONGEST, ALPHA_LAYOUT);
        preprocess_with(&img, PREPROCESS_OPEN_CLIP, RESIZE_SQUASH, ALPHA_LAYOUT);
        image_free(&img);
    }
    return 0;
}
