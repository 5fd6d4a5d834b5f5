/* libjpeg behind ken's errors. libjpeg reports a failure by a call that must not return: here it
 * jumps back into the function of this file that called the library, each of which sets the place
 * anew. */
#include "image/jpeg.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MAX_SCANS = 500, ROWS_A_CALL = 16 };

struct jpeg_reader {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    bool strict, warned;
    char message[JMSG_LENGTH_MAX];
};

/* libjpeg's structures point to the reader, which is their client. */
static jpeg_reader *reader_of(j_common_ptr info) {
    return info->client_data;
}

static void keep_message(j_common_ptr info) {
    info->err->format_message(info, reader_of(info)->message);
}

static void fail(j_common_ptr info) {
    keep_message(info);
    longjmp(reader_of(info)->failed, 1);
}

/* Negative levels are damage, of which the first is the one to tell; the others are chatter. */
static void notice(j_common_ptr info, int level) {
    jpeg_reader *r = reader_of(info);
    if (level >= 0)
        return;
    if (info->err->num_warnings++ == 0)
        keep_message(info);
    r->warned = true;
    if (r->strict)
        longjmp(r->failed, 1);
}

/* A small file may hold any number of scans, each of which takes as long as the picture is large.
 */
static void count_scans(j_common_ptr info) {
    jpeg_reader *r = reader_of(info);
    if (r->info.input_scan_number <= MAX_SCANS)
        return;
    snprintf(r->message, sizeof r->message, "Progressive JPEG image has more than %d scans",
             MAX_SCANS);
    r->warned = false; /* refused, not damaged */
    longjmp(r->failed, 1);
}

static ken_status failure(const jpeg_reader *r, ken_error *err) {
    return error_set(err, KEN_BAD_FORMAT, "could not decode jpeg: %s", r->message);
}

const char *jpeg_reader_warning(const jpeg_reader *r) {
    return r->warned ? r->message : NULL;
}

static ken_status start(jpeg_reader *r, const decoder *d, const jpeg_header *h, int shrink,
                        ken_error *err) {
    static const J_COLOR_SPACE spaces[] = {
        [IMAGE_L] = JCS_GRAYSCALE, [IMAGE_RGB] = JCS_RGB, [IMAGE_CMYK] = JCS_CMYK};
    if (setjmp(r->failed))
        return failure(r, err);
    jpeg_create_decompress(&r->info);
    r->info.client_data = r;
    r->info.progress = &r->progress;
    jpeg_mem_src(&r->info, d->bytes, (unsigned long)d->size);
    jpeg_read_header(&r->info, TRUE);
    if (r->info.image_width != h->width || r->info.image_height != h->height)
        return error_set(err, KEN_BAD_FORMAT, "could not decode jpeg: two frames differ in size");
    r->info.out_color_space = spaces[jpeg_mode(h)];
    r->info.scale_num = 1;
    r->info.scale_denom = (unsigned)shrink;
    jpeg_start_decompress(&r->info);
    return KEN_OK;
}

ken_status jpeg_reader_open(const decoder *d, const jpeg_header *h, int shrink, jpeg_reader **out,
                            ken_error *err) {
    jpeg_reader *r = mem_zalloc(1, sizeof *r);
    *out = r;
    if (!r)
        return error_no_memory(err, sizeof *r);
    r->strict = d->strict;
    r->info.err = jpeg_std_error(&r->errors);
    r->info.client_data = r;
    r->errors.error_exit = fail;
    r->errors.emit_message = notice;
    r->errors.output_message = keep_message;
    r->progress.progress_monitor = count_scans;
    return start(r, d, h, shrink, err);
}

void jpeg_reader_close(jpeg_reader *r) {
    if (!r)
        return;
    jpeg_destroy_decompress(&r->info);
    mem_free(r);
}

int jpeg_reader_width(const jpeg_reader *r) {
    return (int)r->info.output_width;
}

ken_status jpeg_reader_window(jpeg_reader *r, window w, int *x, ken_error *err) {
    if (setjmp(r->failed))
        return failure(r, err);
    /* Upsampling of chroma looks one sample to each side, and would not see it past the cut. */
    JDIMENSION margin = (JDIMENSION)(r->info.max_h_samp_factor * DCTSIZE);
    JDIMENSION begin = (JDIMENSION)w.x > margin ? (JDIMENSION)w.x - margin : 0;
    JDIMENSION end = (JDIMENSION)(w.x + w.width) + margin;
    end = end < r->info.output_width ? end : r->info.output_width;
    JDIMENSION width = end - begin;
    if (width < r->info.output_width)
        jpeg_crop_scanline(&r->info, &begin, &width);
    else
        begin = 0;
    *x = (int)begin;
    if (w.y > 0)
        jpeg_skip_scanlines(&r->info, (JDIMENSION)w.y);
    return KEN_OK;
}

ken_status jpeg_reader_rows(jpeg_reader *r, uint8_t *to, size_t stride, int n, ken_error *err) {
    if (setjmp(r->failed))
        return failure(r, err);
    const JDIMENSION end = r->info.output_scanline + (JDIMENSION)n;
    while (r->info.output_scanline < end) {
        JSAMPROW rows[ROWS_A_CALL];
        JDIMENSION left = end - r->info.output_scanline;
        JDIMENSION at = (JDIMENSION)n - left, ask = left < ROWS_A_CALL ? left : ROWS_A_CALL;
        for (JDIMENSION i = 0; i < ask; i++)
            rows[i] = to + (at + i) * stride;
        if (jpeg_read_scanlines(&r->info, rows, ask) == 0)
            return failure(r, err);
    }
    return KEN_OK;
}

ken_status jpeg_reader_finish(jpeg_reader *r, ken_error *err) {
    if (setjmp(r->failed))
        return failure(r, err);
    JDIMENSION left = r->info.output_height - r->info.output_scanline;
    /* Skipping to the very end would leave the skipped part unread. */
    if (left > 1)
        jpeg_skip_scanlines(&r->info, left - 1);
    if (left > 0) {
        JDIMENSION bytes = r->info.output_width * (JDIMENSION)r->info.output_components;
        JSAMPARRAY row = r->info.mem->alloc_sarray((j_common_ptr)&r->info, JPOOL_IMAGE, bytes, 1);
        jpeg_read_scanlines(&r->info, row, 1);
    }
    jpeg_finish_decompress(&r->info);
    return KEN_OK;
}
