/* image/write_jpeg.c: pixels -> JPEG, for thumbnails. */
#include "image/write.h"

#include <turbojpeg.h>

ken_status image_put_jpeg(buf *out, const uint8_t *rgb, int width, int height, int quality,
                          ken_error *err) {
    tjhandle encoder = tjInitCompress();
    if (!encoder)
        return error_no_memory(err, 0);
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    ken_status status = KEN_OK;
    if (tjCompress2(encoder, rgb, width, 0, height, TJPF_RGB, &bytes, &size, TJSAMP_420, quality,
                    TJFLAG_ACCURATEDCT) != 0)
        status = error_set(err, KEN_INTERNAL, "could not encode a JPEG of %d x %d: %s", width,
                           height, tjGetErrorStr2(encoder));
    if (status == KEN_OK) {
        buf_append(out, bytes, size);
        status = buf_check(out, err);
    }
    tjFree(bytes);
    tjDestroy(encoder);
    return status;
}
