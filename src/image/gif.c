/* The first frame of a GIF, as Pillow gives it: palette indices on a canvas of the transparent
 * index (or 0), mode L when the palette is a plain grey ramp. Written here because libvips composes
 * frames to RGBA and loses the colours behind transparent indices, which drop-alpha preprocessing
 * shows. One pass; the number of frames does not matter. */
#include "image/decoder.h"

#include <string.h>

enum { LZW_MAX_BITS = 12, LZW_MAX_CODES = 1 << LZW_MAX_BITS };

typedef struct gif_frame {
    unsigned canvas_width, canvas_height;
    unsigned x, y, width, height;
    const uint8_t *palette; /* NULL: none */
    unsigned n_colors;
    int transparent; /* index, or -1 */
    bool interlaced;
    size_t data; /* offset of the LZW code size */
} gif_frame;

static unsigned read16(const uint8_t *p) {
    return p[0] | (unsigned)p[1] << 8;
}

/* Steps over data sub-blocks; returns the offset after them (at most `size`). */
static size_t skip_blocks(const decoder *d, size_t at) {
    while (at < d->size && d->bytes[at])
        at += 1 + (size_t)d->bytes[at];
    return at < d->size ? at + 1 : d->size;
}

static ken_status truncated(ken_error *err) {
    return error_set(err, KEN_BAD_FORMAT, "gif ends before its first frame");
}

static bool read_palette(const decoder *d, size_t *at, uint8_t flags, gif_frame *f) {
    if (!(flags & 0x80))
        return true;
    size_t n_colors = (size_t)2 << (flags & 7);
    if (d->size - *at < 3 * n_colors)
        return false;
    f->palette = d->bytes + *at;
    f->n_colors = (unsigned)n_colors;
    *at += 3 * n_colors;
    return true;
}

static size_t read_extension(const decoder *d, size_t at, gif_frame *f) {
    const uint8_t *p = d->bytes + at; /* label, size of the first block, ... */
    if (d->size - at >= 6 && p[0] == 0xF9 && p[1] >= 4 && (p[2] & 1))
        f->transparent = p[5];
    return at < d->size ? skip_blocks(d, at + 1) : at;
}

static ken_status read_frame(const decoder *d, gif_frame *f, ken_error *err) {
    *f = (gif_frame){.transparent = -1};
    size_t at = 13;
    if (d->size < at)
        return truncated(err);
    f->canvas_width = read16(d->bytes + 6);
    f->canvas_height = read16(d->bytes + 8);
    if (!read_palette(d, &at, d->bytes[10], f))
        return truncated(err);
    while (at < d->size && d->bytes[at] != ';') {
        uint8_t kind = d->bytes[at++];
        if (kind == '!') {
            at = read_extension(d, at, f);
        } else if (kind == ',') {
            if (d->size - at < 9)
                return truncated(err);
            const uint8_t *p = d->bytes + at;
            f->x = read16(p);
            f->y = read16(p + 2);
            f->width = read16(p + 4);
            f->height = read16(p + 6);
            f->interlaced = p[8] & 0x40;
            at += 9;
            if (!read_palette(d, &at, p[8], f) || at >= d->size)
                return truncated(err);
            f->data = at;
            return KEN_OK;
        }
    }
    return truncated(err);
}

/* Bits of the codes, across the sub-blocks. */
typedef struct bit_reader {
    const uint8_t *bytes;
    size_t size, at;
    unsigned block_left;
    uint32_t bits;
    unsigned n_bits;
} bit_reader;

static int read_code(bit_reader *r, unsigned width) {
    while (r->n_bits < width) {
        if (r->block_left == 0) {
            if (r->at >= r->size || r->bytes[r->at] == 0)
                return -1;
            r->block_left = r->bytes[r->at++];
        }
        if (r->at >= r->size)
            return -1;
        r->bits |= (uint32_t)r->bytes[r->at++] << r->n_bits;
        r->n_bits += 8;
        r->block_left--;
    }
    int code = (int)(r->bits & ((1U << width) - 1));
    r->bits >>= width;
    r->n_bits -= width;
    return code;
}

/* Where the next pixel of the frame goes. */
typedef struct cursor {
    image *out;
    const gif_frame *frame;
    unsigned x, y, pass;
    bool full;
} cursor;

static void next_row(cursor *c) {
    static const uint8_t first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    c->x = 0;
    c->y += c->frame->interlaced ? step[c->pass] : 1;
    while (c->y >= c->frame->height) {
        if (!c->frame->interlaced || c->pass == 3) {
            c->full = true;
            return;
        }
        c->y = first[++c->pass];
    }
}

static void put(cursor *c, uint8_t value) {
    if (c->full)
        return;
    size_t row = c->frame->y + c->y;
    c->out->pixels[row * c->out->stride + c->frame->x + c->x] = value;
    if (++c->x == c->frame->width)
        next_row(c);
}

typedef struct lzw {
    uint16_t prefix[LZW_MAX_CODES];
    uint8_t suffix[LZW_MAX_CODES], first[LZW_MAX_CODES];
    uint8_t stack[LZW_MAX_CODES];
    unsigned min_bits, bits, next, clear;
    int previous; /* -1 after a clear code */
} lzw;

static void lzw_clear(lzw *z) {
    z->bits = z->min_bits + 1;
    z->next = z->clear + 2;
    z->previous = -1;
}

static void lzw_init(lzw *z, unsigned min_bits) {
    z->min_bits = min_bits;
    z->clear = 1U << min_bits;
    for (unsigned i = 0; i < z->clear; i++)
        z->suffix[i] = z->first[i] = (uint8_t)i;
    lzw_clear(z);
}

/* Writes the string of `code`; false when the code cannot be. */
static bool lzw_expand(lzw *z, unsigned code, cursor *to) {
    if (z->previous < 0 && code >= z->clear)
        return false;
    if (code > z->next || (code == z->next && z->next == LZW_MAX_CODES))
        return false;
    /* The code that is just being made is the last string and its own first byte. */
    bool newest = code == z->next;
    unsigned at = newest ? (unsigned)z->previous : code;
    uint8_t first = z->first[at];
    unsigned depth = 0;
    if (newest)
        z->stack[depth++] = first;
    for (; at >= z->clear; at = z->prefix[at])
        z->stack[depth++] = z->suffix[at];
    put(to, z->suffix[at]);
    while (depth > 0)
        put(to, z->stack[--depth]);
    if (z->previous >= 0 && z->next < LZW_MAX_CODES) {
        z->prefix[z->next] = (uint16_t)z->previous;
        z->suffix[z->next] = first;
        z->first[z->next] = z->first[z->previous];
        z->next++;
        if (z->next == 1U << z->bits && z->bits < LZW_MAX_BITS)
            z->bits++;
    }
    z->previous = (int)code;
    return true;
}

static ken_status decode_lzw(decoder *d, const gif_frame *f, image *out, ken_error *err) {
    unsigned min_bits = d->bytes[f->data];
    if (min_bits < 1 || min_bits >= LZW_MAX_BITS)
        return error_set(err, KEN_BAD_FORMAT, "gif has a code size of %u bits: expected 1 to 11",
                         min_bits);
    lzw z;
    lzw_init(&z, min_bits);
    bit_reader r = {.bytes = d->bytes, .size = d->size, .at = f->data + 1};
    cursor c = {.out = out, .frame = f};
    bool any = false;
    while (!c.full) {
        int code = read_code(&r, z.bits);
        if (code < 0 || (unsigned)code == z.clear + 1)
            break;
        if ((unsigned)code == z.clear)
            lzw_clear(&z);
        else if (!lzw_expand(&z, (unsigned)code, &c))
            break;
        else
            any = true;
    }
    if (!any)
        return error_set(err, KEN_BAD_FORMAT, "gif frame holds no pixels");
    if (!c.full)
        return decoder_warn(d, err, "gif is damaged: its first frame is not complete");
    return KEN_OK;
}

static bool is_grey_ramp(const gif_frame *f) {
    for (unsigned i = 0; i < f->n_colors; i++) {
        const uint8_t *p = f->palette + 3 * i;
        if (p[0] != i || p[1] != i || p[2] != i)
            return false;
    }
    return true;
}

static void fill_colors(const gif_frame *f, image *out) {
    if (out->mode == IMAGE_P)
        for (unsigned i = 0; i < f->n_colors; i++)
            memcpy(out->palette[i], f->palette + 3 * i, 3);
    if (f->transparent < 0)
        return;
    memset(out->pixels, f->transparent, out->stride * (size_t)out->height);
    if (out->mode == IMAGE_P) {
        out->palette[f->transparent][3] = 0;
        out->palette_alpha = true;
    } else {
        out->key[0] = (uint8_t)f->transparent;
        out->has_key = true;
    }
}

ken_status decode_gif(decoder *d, image *out, ken_error *err) {
    gif_frame f;
    TRY(read_frame(d, &f, err));
    if (f.width == 0 || f.height == 0)
        return error_set(err, KEN_BAD_FORMAT, "gif frame is empty: %ux%u", f.width, f.height);
    /* A frame may reach past the screen: Pillow makes the screen larger. */
    unsigned right = f.x + f.width, bottom = f.y + f.height;
    unsigned width = right > f.canvas_width ? right : f.canvas_width;
    unsigned height = bottom > f.canvas_height ? bottom : f.canvas_height;
    image_mode mode = f.palette && !is_grey_ramp(&f) ? IMAGE_P : IMAGE_L;
    TRY(decoder_new_image(d, mode, width, height, out, err));
    fill_colors(&f, out);
    return decode_lzw(d, &f, out, err);
}
