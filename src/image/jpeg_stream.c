/* The resize works in the file's own orientation: turning commutes with it once the axes are named
 * accordingly, and turning the small result is cheap, turning the picture is not. */
#include "image/jpeg_stream.h"

#include "base/mem.h"
#include "base/sys.h"
#include "image/convert.h"
#include "image/jpeg.h"
#include "image/orientation.h"
#include "image/plan.h"
#include "image/row_resizer.h"

#include <string.h>

enum { STRIP_ROWS = 16 };

typedef struct stream {
    const kernels *k;
    decoder d;
    jpeg_header header;
    int shrink;       /* of both sides, in the decoder: 1, 2, 4 or 8 */
    resize_plan plan; /* of the picture as it is seen */
    resize_spec spec; /* of the picture as it is stored */
    jpeg_reader *reader;
    row_resizer resizer;
    image result;
    uint8_t *strip;
} stream;

/* How the axes of the stored picture lie in the one that is seen. */
static bool is_sideways(int orientation) {
    return orientation >= 5;
}
static bool mirrors_x(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}
static bool mirrors_y(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

/* A side of the picture that comes out of the decoder. */
static int shrunk(unsigned side, int shrink) {
    return (int)((side + (unsigned)shrink - 1) / (unsigned)shrink);
}

/* The most that leaves both sides at least twice as large as the result, so that the exact resize
 * that follows still has something to smooth. */
static int choose_shrink(const stream *s) {
    bool sideways = is_sideways(s->d.orientation);
    int width = 2 * (sideways ? s->plan.height : s->plan.width);
    int height = 2 * (sideways ? s->plan.width : s->plan.height);
    int shrink = 8;
    while (shrink > 1 &&
           (shrunk(s->header.width, shrink) < width || shrunk(s->header.height, shrink) < height))
        shrink /= 2;
    return shrink;
}

/* Names the axes; false when a side keeps its size, so that it has no pass. */
static bool specify(stream *s) {
    const resize_plan *plan = &s->plan;
    int orientation = s->d.orientation;
    bool sideways = is_sideways(orientation);
    int stored_width = shrunk(s->header.width, s->shrink);
    int stored_height = shrunk(s->header.height, s->shrink);
    int width = sideways ? stored_height : stored_width;
    int height = sideways ? stored_width : stored_height;
    axis across = {width, plan->width, plan->w.x, plan->w.width, false};
    axis down = {height, plan->height, plan->w.y, plan->w.height, false};
    bool down_first = resample_y_first(width, height, plan->width, plan->height);
    s->spec = (resize_spec){
        .filter = plan->filter,
        .channels = (size_t)image_mode_channels(jpeg_mode(&s->header)),
        .x = sideways ? down : across,
        .y = sideways ? across : down,
        .y_first = sideways ? !down_first : down_first,
    };
    s->spec.x.mirrored = mirrors_x(orientation);
    s->spec.y.mirrored = mirrors_y(orientation);
    return width != plan->width && height != plan->height && plan->filter != RESIZE_NEAREST;
}

/* Whether this way suits the file. What is wrong with it is not said here. */
static bool suits(const preprocess *p, stream *s) {
    decoder *d = &s->d;
    if (d->facts->format != IMAGE_JPEG || jpeg_header_read(d, &s->header, NULL) != KEN_OK ||
        decoder_check_size(d, s->header.width, s->header.height, NULL) != KEN_OK ||
        jpeg_mode(&s->header) == IMAGE_CMYK)
        return false;
    int width = (int)s->header.width, height = (int)s->header.height;
    bool sideways = is_sideways(d->orientation);
    if (plan_resize(p, sideways ? height : width, sideways ? width : height, &s->plan, NULL) !=
        KEN_OK)
        return false;
    s->shrink = p->fast ? choose_shrink(s) : 1;
    return specify(s);
}

static ken_status prepare(stream *s, ken_error *err) {
    TRY(image_alloc(&s->result, jpeg_mode(&s->header), s->spec.x.n, s->spec.y.n, err));
    return row_resizer_init(&s->resizer, s->k, &s->spec, s->result.pixels, s->result.stride, err);
}

static ken_status decode_strips(stream *s, ken_error *err) {
    window w = row_resizer_source(&s->resizer);
    int x;
    TRY(jpeg_reader_open(&s->d, &s->header, s->shrink, &s->reader, err));
    TRY(jpeg_reader_window(s->reader, w, &x, err));
    size_t channels = s->spec.channels, stride = (size_t)jpeg_reader_width(s->reader) * channels;
    s->strip = mem_alloc(STRIP_ROWS * stride);
    if (!s->strip)
        return error_no_memory(err, STRIP_ROWS * stride);
    const uint8_t *from = s->strip + (size_t)(w.x - x) * channels;
    for (int left = w.height, n; left > 0; left -= n) {
        n = left < STRIP_ROWS ? left : STRIP_ROWS;
        TRY(jpeg_reader_rows(s->reader, s->strip, stride, n, err));
        double since = sys_seconds();
        row_resizer_feed(&s->resizer, from, stride, n);
        s->d.facts->resize_seconds += sys_seconds() - since;
    }
    return jpeg_reader_finish(s->reader, err);
}

/* Turns the result, makes it RGB and puts it where it lies among the padding. */
static ken_status place(stream *s, const preprocess *p, uint8_t *out, ken_error *err) {
    TRY(orientation_apply(&s->result, s->d.orientation, err));
    size_t stride = (size_t)p->crop_size[1] * 3;
    uint8_t *to = out + (size_t)s->plan.top * stride + (size_t)s->plan.left * 3;
    memset(out, plan_padding(p), preprocess_size(p));
    image row = s->result;
    row.height = 1;
    for (int y = 0; y < s->result.height; y++, to += stride, row.pixels += row.stride)
        convert_to_rgb(&row, to);
    return KEN_OK;
}

static ken_status finish(stream *s, const preprocess *p, uint8_t *out, ken_error *err) {
    const char *warning = jpeg_reader_warning(s->reader);
    if (warning)
        TRY(decoder_warn(&s->d, err, "jpeg is damaged: %s", warning));
    TRY(place(s, p, out, err));
    image_facts *facts = s->d.facts;
    facts->orientation = s->d.orientation;
    if (is_sideways(s->d.orientation)) {
        facts->width = (int)s->header.height;
        facts->height = (int)s->header.width;
    }
    return KEN_OK;
}

ken_status jpeg_stream(const preprocess *p, const kernels *k, const uint8_t *bytes, size_t size,
                       const image_limits *limits, uint8_t *out, image_facts *facts, bool *done,
                       ken_error *err) {
    stream s = {.k = k, .d = decoder_of(bytes, size, limits, facts)};
    if (!suits(p, &s))
        return KEN_OK;
    ken_status status = prepare(&s, err);
    if (status == KEN_OK) {
        status = decode_strips(&s, err);
        *done = status == KEN_OK;
    }
    if (status == KEN_OK)
        status = finish(&s, p, out, err);
    else if (status != KEN_NO_MEMORY)
        status = KEN_OK;
    jpeg_reader_close(s.reader);
    row_resizer_free(&s.resizer);
    image_free(&s.result);
    mem_free(s.strip);
    return status;
}
