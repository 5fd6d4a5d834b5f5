#include "image/write.h"

#include <spng.h>
#include <stdlib.h>

ken_status image_put_png(buf *out, const uint8_t *rgb, int width, int height, ken_error *err) {
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!ctx)
        return error_no_memory(err, sizeof ctx);
    struct spng_ihdr header = {.width = (uint32_t)width,
                               .height = (uint32_t)height,
                               .bit_depth = 8,
                               .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    int failed = spng_set_ihdr(ctx, &header);
    if (!failed)
        failed = spng_encode_image(ctx, rgb, (size_t)width * (size_t)height * 3, SPNG_FMT_PNG,
                                   SPNG_ENCODE_FINALIZE);
    size_t size = 0;
    void *png = failed ? NULL : spng_get_png_buffer(ctx, &size, &failed);
    if (png)
        buf_append(out, png, size);
    free(png);
    spng_ctx_free(ctx);
    if (failed)
        return error_set(err, KEN_INTERNAL, "could not write a PNG: %s", spng_strerror(failed));
    return buf_check(out, err);
}
