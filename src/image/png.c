/* PNG through libspng, in Pillow's modes.
 *
 * libspng sees only the chunks that make pixels (IHDR, PLTE, tRNS, IDAT, IEND) and small ones of
 * EXIF as text: profiles, other text and whatever else a file carries are stepped over without
 * being inflated or kept, so that a 57-byte file cannot ask for a gigabyte. eXIf and uncompressed
 * XMP are read where they lie. Of an animation (APNG) that leaves the default image. Samples of 16
 * bits become their high byte. */
#include "base/checked.h"
#include "base/mem.h"
#include "image/decoder.h"
#include "image/orientation.h"

#include <spng.h>
#include <string.h>

enum {
    SIGNATURE_SIZE = 8,
    CHUNK_OVERHEAD = 12,
    MAX_EXIF_TEXT = 1 << 17,
    MAX_TEXT_MEMORY = 1 << 20
};

static const char exif_text[] = "Raw profile type exif";

typedef struct chunk {
    const uint8_t *type, *body;
    size_t size; /* of the body, as far as the file holds it */
    bool whole;
} chunk;

/* The file as libspng sees it: `span` is the piece that is being read, `next` the chunk after it.
 * A chunk that the file cuts off gets a header with the length that is there, so that libspng uses
 * all of it: `header` is that header, `cut` what follows. */
typedef struct chunk_stream {
    const uint8_t *bytes;
    size_t size, next;
    const uint8_t *span, *cut;
    size_t span_left, cut_size;
    bool has_exif_text; /* one is enough */
    uint8_t header[8];
} chunk_stream;

static bool chunk_at(const uint8_t *bytes, size_t size, size_t at, chunk *out) {
    if (at > size || size - at < 8)
        return false;
    const uint8_t *p = bytes + at;
    size_t length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    size_t left = size - at - 8;
    bool whole = left >= 4 && left - 4 >= length;
    *out = (chunk){p + 4, p + 8, whole || length < left ? length : left, whole};
    return true;
}

static bool is_type(const chunk *c, const char *type) {
    return memcmp(c->type, type, 4) == 0;
}

/* ImageMagick keeps EXIF as text, in hexadecimal digits and mostly compressed. */
static bool is_exif_text(const chunk *c) {
    return (is_type(c, "tEXt") || is_type(c, "zTXt")) && c->whole && c->size <= MAX_EXIF_TEXT &&
           c->size > sizeof exif_text && memcmp(c->body, exif_text, sizeof exif_text) == 0;
}

static bool makes_pixels(const chunk *c) {
    return is_type(c, "IHDR") || is_type(c, "PLTE") || is_type(c, "tRNS") || is_type(c, "IDAT") ||
           is_type(c, "IEND");
}

static void cut_span(chunk_stream *s, const chunk *c) {
    for (int i = 0; i < 4; i++)
        s->header[i] = (uint8_t)(c->size >> (24 - 8 * i));
    memcpy(s->header + 4, c->type, 4);
    s->span = s->header;
    s->span_left = sizeof s->header;
    s->cut = c->body;
    s->cut_size = c->size;
    s->next = s->size;
}

/* Moves on to the next piece that libspng shall see. */
static bool next_span(chunk_stream *s) {
    if (s->cut) {
        s->span = s->cut;
        s->span_left = s->cut_size;
        s->cut = NULL;
        return s->span_left > 0;
    }
    chunk c;
    while (chunk_at(s->bytes, s->size, s->next, &c)) {
        size_t at = s->next;
        s->next = c.whole ? at + CHUNK_OVERHEAD + c.size : s->size;
        bool text = !s->has_exif_text && is_exif_text(&c);
        s->has_exif_text |= text;
        if (!text && !makes_pixels(&c))
            continue;
        if (!c.whole) {
            cut_span(s, &c);
            return true;
        }
        s->span = s->bytes + at;
        s->span_left = s->next - at;
        return true;
    }
    return false;
}

static int read_stream(spng_ctx *ctx, void *user, void *to, size_t n) {
    (void)ctx;
    chunk_stream *s = user;
    uint8_t *at = to;
    while (n > 0) {
        if (s->span_left == 0 && !next_span(s))
            return SPNG_IO_EOF;
        size_t take = n < s->span_left ? n : s->span_left;
        memcpy(at, s->span, take);
        at += take;
        n -= take;
        s->span += take;
        s->span_left -= take;
    }
    return 0;
}

static const uint8_t *xmp_of_text(const chunk *c, size_t *size) {
    /* keyword, NUL, compression flag and method, language, NUL, translated keyword, NUL */
    static const char key[] = "XML:com.adobe.xmp\0\0";
    if (c->size < sizeof key + 1 || memcmp(c->body, key, sizeof key - 1) != 0)
        return NULL;
    const uint8_t *at = c->body + sizeof key, *end = c->body + c->size;
    for (int i = 0; i < 2 && at; i++) {
        at = memchr(at, 0, (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    *size = at ? (size_t)(end - at) : 0;
    return at;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes behind "\nexif\n  LENGTH\n" and lines of hexadecimal digits. The first directory, which
 * holds the orientation, lies at the front. */
static size_t parse_exif_text(const char *text, size_t size, uint8_t *to, size_t max) {
    const char *at = text, *end = text + size;
    for (int line = 0; line < 3 && at; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    size_t n_digits = 0;
    for (; at && at < end && n_digits / 2 < max; at++) {
        int digit = hex_digit(*at);
        if (digit < 0)
            continue;
        uint8_t *byte = &to[n_digits / 2];
        *byte = (uint8_t)(n_digits % 2 ? *byte << 4 | digit : digit);
        n_digits++;
    }
    return n_digits / 2;
}

static size_t read_exif_text(spng_ctx *ctx, uint8_t *to, size_t max) {
    struct spng_text text;
    uint32_t n = 1;
    return spng_get_text(ctx, &text, &n) == 0 && n == 1
               ? parse_exif_text(text.text, text.length, to, max)
               : 0;
}

static int read_orientation(spng_ctx *ctx, const uint8_t *bytes, size_t size) {
    uint8_t parsed[4096];
    const uint8_t *exif = NULL, *xmp = NULL;
    size_t exif_size = 0, xmp_size = 0;
    chunk c;
    for (size_t at = SIGNATURE_SIZE; chunk_at(bytes, size, at, &c) && c.whole;
         at += CHUNK_OVERHEAD + c.size) {
        if (is_type(&c, "eXIf")) {
            exif = c.body;
            exif_size = c.size;
        } else if (is_type(&c, "iTXt") && !xmp) {
            xmp = xmp_of_text(&c, &xmp_size);
        }
    }
    if (!exif) {
        exif = parsed;
        exif_size = read_exif_text(ctx, parsed, sizeof parsed);
    }
    return orientation_read(exif, exif_size, xmp, xmp_size);
}

static image_mode mode_of(const struct spng_ihdr *h) {
    switch (h->color_type) {
    case SPNG_COLOR_TYPE_INDEXED:
        return IMAGE_P;
    case SPNG_COLOR_TYPE_TRUECOLOR:
        return IMAGE_RGB;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return IMAGE_RGBA;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return IMAGE_LA;
    default:
        return h->bit_depth == 1 ? IMAGE_1 : IMAGE_L;
    }
}

static void read_palette(spng_ctx *ctx, image *out) {
    struct spng_plte plte;
    struct spng_trns trns;
    if (spng_get_plte(ctx, &plte) == 0)
        for (uint32_t i = 0; i < plte.n_entries && i < 256; i++) {
            out->palette[i][0] = plte.entries[i].red;
            out->palette[i][1] = plte.entries[i].green;
            out->palette[i][2] = plte.entries[i].blue;
        }
    if (spng_get_trns(ctx, &trns) != 0)
        return;
    for (uint32_t i = 0; i < trns.n_type3_entries && i < 256; i++) {
        out->palette[i][3] = trns.type3_alpha[i];
        out->palette_alpha |= trns.type3_alpha[i] != 255;
    }
}

/* The one colour that is transparent in pictures without an alpha channel. */
static void read_key(spng_ctx *ctx, const struct spng_ihdr *h, image *out) {
    struct spng_trns trns;
    if (h->bit_depth == 16 || spng_get_trns(ctx, &trns) != 0)
        return;
    unsigned top = (1U << h->bit_depth) - 1;
    if (out->mode == IMAGE_RGB) {
        out->key[0] = (uint8_t)trns.red;
        out->key[1] = (uint8_t)trns.green;
        out->key[2] = (uint8_t)trns.blue;
        out->has_key = true;
    } else if (out->mode == IMAGE_L || out->mode == IMAGE_1) {
        out->key[0] = (uint8_t)((trns.gray & top) * 255U / top);
        out->has_key = true;
    }
}

/* Samples of 1, 2 or 4 bits: grey is spread over 0..255, palette indices stay. */
static void unpack_bits(const uint8_t *from, int bits, int width, bool spread, uint8_t *to) {
    unsigned top = (1U << bits) - 1;
    unsigned factor = spread ? 255U / top : 1;
    for (int x = 0; x < width; x++) {
        int bit = x * bits % 8;
        unsigned value = from[(size_t)x * (size_t)bits / 8] >> (8 - bits - bit) & top;
        to[x] = (uint8_t)(value * factor);
    }
}

static void unpack(const uint8_t *raw, size_t raw_stride, const struct spng_ihdr *h, image *out) {
    for (int y = 0; y < out->height; y++) {
        const uint8_t *from = raw + (size_t)y * raw_stride;
        uint8_t *to = out->pixels + (size_t)y * out->stride;
        if (h->bit_depth == 16)
            for (size_t i = 0; i < out->stride; i++)
                to[i] = from[2 * i];
        else
            unpack_bits(from, h->bit_depth, out->width, out->mode != IMAGE_P, to);
    }
}

/* Rows of the file's own packing into `raw`. A file that breaks off after a row or more is damaged,
 * not lost: the rest stays zero. */
static ken_status decode_rows(decoder *d, spng_ctx *ctx, uint8_t *raw, size_t raw_stride,
                              ken_error *err) {
    uint64_t n_rows = 0;
    int failed = spng_decode_image(ctx, NULL, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
    while (!failed) {
        struct spng_row_info row;
        failed = spng_get_row_info(ctx, &row);
        if (!failed)
            failed = spng_decode_row(ctx, raw + row.row_num * raw_stride, raw_stride);
        n_rows += !failed || failed == SPNG_EOI;
    }
    if (failed == SPNG_EOI)
        return KEN_OK;
    if (n_rows > 0)
        return decoder_warn(d, err, "png is damaged: %s", spng_strerror(failed));
    return error_set(err, KEN_BAD_FORMAT, "could not decode png: %s", spng_strerror(failed));
}

static ken_status decode_pixels(decoder *d, spng_ctx *ctx, const struct spng_ihdr *h, image *out,
                                ken_error *err) {
    if (h->bit_depth == 8)
        return decode_rows(d, ctx, out->pixels, out->stride, err);
    size_t n_bits = out->stride * h->bit_depth; /* at most 2^30 * 4 * 16 */
    size_t raw_stride = (n_bits + 7) / 8, raw_size;
    uint8_t *raw = NULL;
    if (checked_mul(raw_stride, (size_t)out->height, &raw_size))
        raw = mem_zalloc(raw_size, 1);
    if (!raw)
        return error_no_memory(err, raw_stride * (size_t)out->height);
    ken_status status = decode_rows(d, ctx, raw, raw_stride, err);
    if (status == KEN_OK)
        unpack(raw, raw_stride, h, out);
    mem_free(raw);
    return status;
}

/* libspng knows the size too, but says "arithmetic overflow" of what is merely too large. */
static ken_status check_size(decoder *d, ken_error *err) {
    chunk c;
    if (!chunk_at(d->bytes, d->size, SIGNATURE_SIZE, &c) || !is_type(&c, "IHDR") || c.size < 8)
        return error_set(err, KEN_BAD_FORMAT, "png does not begin with a header");
    const uint8_t *p = c.body;
    uint32_t width = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    uint32_t height = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
    return decoder_check_size(d, width, height, err);
}

static ken_status decode_stream(decoder *d, spng_ctx *ctx, chunk_stream *stream, image *out,
                                ken_error *err) {
    TRY(check_size(d, err));
    struct spng_ihdr h;
    int failed = spng_set_png_stream(ctx, read_stream, stream);
    if (!failed)
        failed = spng_set_image_limits(ctx, INT32_MAX, INT32_MAX);
    if (!failed)
        failed = spng_set_chunk_limits(ctx, MAX_TEXT_MEMORY, MAX_TEXT_MEMORY);
    if (!failed)
        failed = spng_get_ihdr(ctx, &h);
    if (failed)
        return error_set(err, KEN_BAD_FORMAT, "could not read the png header: %s",
                         spng_strerror(failed));
    failed = spng_decode_chunks(ctx);
    if (failed)
        return error_set(err, KEN_BAD_FORMAT, "could not decode png: %s", spng_strerror(failed));
    TRY(decoder_new_image(d, mode_of(&h), h.width, h.height, out, err));
    if (out->mode == IMAGE_P)
        read_palette(ctx, out);
    else
        read_key(ctx, &h, out);
    return decode_pixels(d, ctx, &h, out, err);
}

ken_status decode_png(decoder *d, image *out, ken_error *err) {
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx)
        return error_set(err, KEN_NO_MEMORY, "out of memory: could not start the png decoder");
    chunk_stream stream = {.bytes = d->bytes,
                           .size = d->size,
                           .next = SIGNATURE_SIZE,
                           .span = d->bytes,
                           .span_left = SIGNATURE_SIZE};
    ken_status status = decode_stream(d, ctx, &stream, out, err);
    if (status == KEN_OK)
        d->orientation = read_orientation(ctx, d->bytes, d->size);
    spng_ctx_free(ctx);
    return status;
}
