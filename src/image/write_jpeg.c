/* image/write_jpeg.c: pixels -> JPEG, for thumbnails. */
#include "image/write.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct jpeg_writer {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    char message[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* libjpeg's */
    unsigned long size;
} jpeg_writer;

static void fail(j_common_ptr info) {
    jpeg_writer *w = info->client_data;
    info->err->format_message(info, w->message);
    longjmp(w->failed, 1);
}

static void keep_silent(j_common_ptr info) {
    (void)info;
}

/* false: `message` says why. The default sampling is 4:2:0. */
static bool compress(jpeg_writer *w, const uint8_t *rgb, int width, int height, int quality) {
    w->info.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = fail;
    w->errors.output_message = keep_silent;
    w->info.client_data = w;
    if (setjmp(w->failed))
        return false;
    jpeg_create_compress(&w->info);
    jpeg_mem_dest(&w->info, &w->bytes, &w->size);
    w->info.image_width = (JDIMENSION)width;
    w->info.image_height = (JDIMENSION)height;
    w->info.input_components = 3;
    w->info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&w->info);
    jpeg_set_quality(&w->info, quality, TRUE);
    jpeg_start_compress(&w->info, TRUE);
    while (w->info.next_scanline < w->info.image_height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)w->info.next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(&w->info, &row, 1);
    }
    jpeg_finish_compress(&w->info);
    return true;
}

ken_status image_put_jpeg(buf *out, const uint8_t *rgb, int width, int height, int quality,
                          ken_error *err) {
    jpeg_writer w = {.bytes = NULL};
    ken_status status = KEN_OK;
    if (!compress(&w, rgb, width, height, quality))
        status = error_set(err, KEN_INTERNAL, "could not encode a JPEG of %d x %d: %s", width,
                           height, w.message);
    if (status == KEN_OK) {
        buf_append(out, w.bytes, w.size);
        status = buf_check(out, err);
    }
    jpeg_destroy_compress(&w.info);
    free(w.bytes);
    return status;
}
