#include "cli/images.h"

#include <stdlib.h>
#include <string.h>

image_options picture;

static bool parse_color(const char *text, uint8_t rgb[3]) {
    static const struct {
        const char *name;
        uint8_t value;
    } names[] = {{"white", 255}, {"black", 0}, {"grey", 128}, {"gray", 128}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i].name) == 0) {
            memset(rgb, names[i].value, 3);
            return true;
        }
    }
    if (text[0] != '#' || strlen(text) != 7 || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return false;
    unsigned long value = strtoul(text + 1, NULL, 16);
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)(value >> (16 - 8 * i));
    return true;
}

ken_status picture_recipe(const ken_model *model, preprocess *out, ken_error *err) {
    *out = *model_preprocess(model);
    out->fast = picture.resize && strcmp(picture.resize, "fast") == 0;
    if (!picture.background)
        return KEN_OK;
    out->alpha = ALPHA_COMPOSITE;
    if (!parse_color(picture.background, out->background))
        return error_set(err, KEN_BAD_ARGUMENT,
                         "background '%s' is not a colour, expected #rrggbb, white, black or grey",
                         picture.background);
    return KEN_OK;
}

image_limits picture_limits(void) {
    return (image_limits){.max_pixels = (uint64_t)picture.max_pixels, .strict = picture.strict};
}
