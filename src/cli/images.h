/* cli/images.h: the options of every command that reads pictures: limits, and changes to the
 * model's own preprocessing. */
#ifndef KEN_CLI_IMAGES_H
#define KEN_CLI_IMAGES_H

#include "cli/cli.h"

typedef struct image_options {
    const char *background; /* "#rrggbb", "white" or "black" */
    const char *resize;     /* "exact" or "fast" */
    int64_t max_pixels;
    bool strict;
} image_options;
extern image_options picture;

#define IMAGE_OPTIONS                                                                              \
    {.type = OPTION_GROUP, .help = "Pictures"},                                                    \
        {"background",                                                                             \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         &picture.background,                                                                      \
         "COLOR",                                                                                  \
         "put transparent pictures on #rrggbb, white or black, instead of what the model's "       \
         "reference does",                                                                         \
         NULL,                                                                                     \
         0,                                                                                        \
         0},                                                                                       \
        {"resize",                                                                                 \
         0,                                                                                        \
         OPTION_CHOICE,                                                                            \
         &picture.resize,                                                                          \
         NULL,                                                                                     \
         "fast lets the decoder shrink large JPEG files to not less than twice the model's size "  \
         "first: about twice as fast, slightly other vectors (default exact)",                     \
         "exact|fast",                                                                             \
         0,                                                                                        \
         0},                                                                                       \
        {"max-pixels", 0,                                                                          \
         OPTION_INT,   &picture.max_pixels,                                                        \
         "N",          "refuse pictures with more pixels (default 178956970)",                     \
         NULL,         1,                                                                          \
         4e9},                                                                                     \
    {                                                                                              \
        "strict", 0, OPTION_FLAG, &picture.strict, NULL,                                           \
            "refuse damaged pictures that decode only in part", NULL, 0, 0                         \
    }

/* The model's recipe with the options applied. */
KEN_MUST_CHECK ken_status picture_recipe(const ken_model *model, preprocess *out, ken_error *err);
image_limits picture_limits(void);

#endif
