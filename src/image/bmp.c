/* BMP, as Pillow reads it: 1, 4 and 8 bits with a palette (RLE too), 16, 24 and 32 bits, bit fields
 * in the layouts that are in use. Written here because libvips reads BMP only through ImageMagick,
 * which it rightly calls untrusted. */
#include "image/decoder.h"

#include <string.h>

enum { FILE_HEADER_SIZE = 14, BI_RGB = 0, BI_RLE8 = 1, BI_RLE4 = 2, BI_BITFIELDS = 3 };

typedef struct bmp_header {
    uint32_t header_size, width, height, bits, compression, colors;
    uint32_t masks[4]; /* red, green, blue, alpha */
    bool top_down;
    size_t palette, palette_entry; /* offset, and bytes of an entry */
    size_t data;
} bmp_header;

static uint32_t read16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t read32(const uint8_t *p) {
    return read16(p) | read16(p + 2) << 16;
}

static void read_masks(const decoder *d, bmp_header *h) {
    const uint8_t *p = d->bytes + FILE_HEADER_SIZE;
    bool inside = h->header_size >= 52;
    size_t n = h->header_size >= 56 ? 4 : 3;
    size_t at = FILE_HEADER_SIZE + (inside ? 40 : h->header_size);
    for (size_t i = 0; i < n && at + 4 * (i + 1) <= d->size; i++)
        h->masks[i] = read32(p + (at - FILE_HEADER_SIZE) + 4 * i);
    if (!inside)
        h->palette += 12;
}

static ken_status read_header(const decoder *d, bmp_header *h, ken_error *err) {
    *h = (bmp_header){0};
    if (d->size < FILE_HEADER_SIZE + 12)
        return error_set(err, KEN_BAD_FORMAT, "bmp ends in its header");
    const uint8_t *p = d->bytes + FILE_HEADER_SIZE;
    h->data = read32(d->bytes + 10);
    h->header_size = read32(p);
    if (h->header_size == 12) {
        h->width = read16(p + 4);
        h->height = read16(p + 6);
        h->bits = read16(p + 10);
        h->palette_entry = 3;
    } else if (h->header_size == 40 || h->header_size == 52 || h->header_size == 56 ||
               h->header_size == 64 || h->header_size == 108 || h->header_size == 124) {
        if (d->size < FILE_HEADER_SIZE + h->header_size)
            return error_set(err, KEN_BAD_FORMAT, "bmp ends in its header");
        h->width = read32(p + 4);
        h->height = read32(p + 8);
        h->top_down = p[11] == 0xFF;
        if (h->top_down)
            h->height = 0U - h->height;
        h->bits = read16(p + 14);
        h->compression = read32(p + 16);
        h->colors = read32(p + 32);
        h->palette_entry = 4;
    } else {
        return error_set(err, KEN_UNSUPPORTED, "bmp has a header of %u bytes: not a known kind",
                         h->header_size);
    }
    h->palette = FILE_HEADER_SIZE + h->header_size;
    if (h->compression == BI_BITFIELDS)
        read_masks(d, h);
    return KEN_OK;
}

/* Which byte (or bit field) of a pixel is which. */
typedef enum pixel_layout {
    BGR15,
    BGR16,
    BGR,
    BGRX,
    XBGR,
    BGXR,
    ABGR,
    RGBA,
    BGRA,
    BGAR
} pixel_layout;

static bool layout_of_masks(const bmp_header *h, pixel_layout *out) {
    static const struct {
        uint32_t bits, masks[4];
        pixel_layout layout;
    } known[] = {
        {32, {0xFF0000, 0xFF00, 0xFF, 0}, BGRX},
        {32, {0xFF000000, 0xFF0000, 0xFF00, 0}, XBGR},
        {32, {0xFF000000, 0xFF00, 0xFF, 0}, BGXR},
        {32, {0xFF000000, 0xFF0000, 0xFF00, 0xFF}, ABGR},
        {32, {0xFF, 0xFF00, 0xFF0000, 0xFF000000}, RGBA},
        {32, {0xFF0000, 0xFF00, 0xFF, 0xFF000000}, BGRA},
        {32, {0xFF000000, 0xFF00, 0xFF, 0xFF0000}, BGAR},
        {32, {0, 0, 0, 0}, BGRA},
        {24, {0xFF0000, 0xFF00, 0xFF, 0}, BGR},
        {16, {0xF800, 0x7E0, 0x1F, 0}, BGR16},
        {16, {0x7C00, 0x3E0, 0x1F, 0}, BGR15},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = h->bits == 32 ? 4 : 3;
        if (known[i].bits == h->bits && memcmp(known[i].masks, h->masks, 4 * n) == 0) {
            *out = known[i].layout;
            return true;
        }
    }
    return false;
}

static ken_status find_layout(const bmp_header *h, pixel_layout *out, ken_error *err) {
    if (h->compression == BI_BITFIELDS) {
        if (layout_of_masks(h, out))
            return KEN_OK;
        return error_set(err, KEN_UNSUPPORTED,
                         "bmp of %u bits has bit fields %08x %08x %08x %08x: not a known layout",
                         h->bits, h->masks[0], h->masks[1], h->masks[2], h->masks[3]);
    }
    if (h->compression != BI_RGB)
        return error_set(err, KEN_UNSUPPORTED, "bmp of %u bits has compression %u: expected 0 or 3",
                         h->bits, h->compression);
    *out = h->bits == 16 ? BGR15 : h->bits == 24 ? BGR : BGRX;
    return KEN_OK;
}

static void unpack_16(const uint8_t *from, bool six_bit_green, image *out, uint8_t *to) {
    for (int x = 0; x < out->width; x++, from += 2, to += 3) {
        uint32_t v = read16(from);
        unsigned green_bits = six_bit_green ? 6 : 5;
        uint32_t green_top = (1U << green_bits) - 1;
        to[0] = (uint8_t)((v >> (5 + green_bits) & 31) * 255 / 31);
        to[1] = (uint8_t)((v >> 5 & green_top) * 255 / green_top);
        to[2] = (uint8_t)((v & 31) * 255 / 31);
    }
}

static void unpack_true_color(const uint8_t *from, pixel_layout layout, image *out, uint8_t *to) {
    /* Offsets of red, green, blue and alpha in a pixel. */
    static const uint8_t orders[][4] = {
        [BGR] = {2, 1, 0, 0},  [BGRX] = {2, 1, 0, 0}, [XBGR] = {3, 2, 1, 0}, [BGXR] = {3, 1, 0, 0},
        [ABGR] = {3, 2, 1, 0}, [RGBA] = {0, 1, 2, 3}, [BGRA] = {2, 1, 0, 3}, [BGAR] = {3, 1, 0, 2},
    };
    if (layout == BGR15 || layout == BGR16) {
        unpack_16(from, layout == BGR16, out, to);
        return;
    }
    const uint8_t *order = orders[layout];
    size_t step = layout == BGR ? 3 : 4;
    for (int x = 0; x < out->width; x++, from += step, to += out->channels)
        for (int c = 0; c < out->channels; c++)
            to[c] = from[order[c]];
}

static void unpack_indices(const uint8_t *from, unsigned bits, image *out, uint8_t *to) {
    unsigned factor = out->mode == IMAGE_1 ? 255 : 1;
    for (int x = 0; x < out->width; x++) {
        unsigned bit = (unsigned)x * bits % 8;
        unsigned value = from[(size_t)x * bits / 8] >> (8 - bits - bit) & ((1U << bits) - 1);
        to[x] = (uint8_t)(value * factor);
    }
}

static uint8_t *row_of(const bmp_header *h, image *out, size_t y) {
    size_t row = h->top_down ? y : (size_t)out->height - 1 - y;
    return out->pixels + row * out->stride;
}

static ken_status decode_rows(decoder *d, const bmp_header *h, pixel_layout layout, image *out,
                              ken_error *err) {
    size_t stride = ((size_t)h->width * h->bits + 31) / 32 * 4;
    size_t used = ((size_t)h->width * h->bits + 7) / 8;
    size_t left = h->data < d->size ? d->size - h->data : 0;
    size_t n_rows = left / stride + (left % stride >= used); /* the last one may lack its padding */
    if (n_rows == 0)
        return error_set(err, KEN_BAD_FORMAT, "bmp ends before its first row");
    if (n_rows > h->height)
        n_rows = h->height;
    for (size_t y = 0; y < n_rows; y++) {
        const uint8_t *from = d->bytes + h->data + y * stride;
        if (h->bits <= 8)
            unpack_indices(from, h->bits, out, row_of(h, out, y));
        else
            unpack_true_color(from, layout, out, row_of(h, out, y));
    }
    if (n_rows < h->height)
        return decoder_warn(d, err, "bmp is truncated: %zu of %u rows", n_rows, h->height);
    return KEN_OK;
}

typedef struct rle {
    const uint8_t *bytes;
    size_t size, at;
    const bmp_header *header;
    image *out;
    size_t x, y;
} rle;

static void rle_put(rle *r, uint8_t value) {
    if (r->x < r->header->width && r->y < r->header->height)
        row_of(r->header, r->out, r->y)[r->x++] = r->out->mode == IMAGE_1 && value ? 255 : value;
}

static void rle_run(rle *r, unsigned n, uint8_t byte) {
    bool four = r->header->compression == BI_RLE4;
    for (unsigned i = 0; i < n; i++)
        rle_put(r, !four ? byte : i % 2 ? byte & 15 : byte >> 4);
}

/* `n` pixels stored one by one, padded to 16 bits; false when the file ends in them. */
static bool rle_literal(rle *r, unsigned n) {
    bool four = r->header->compression == BI_RLE4;
    size_t n_bytes = four ? (n + 1) / 2 : n;
    for (unsigned i = 0; i < n; i++) {
        size_t at = r->at + (four ? i / 2 : i);
        if (at >= r->size)
            return false;
        uint8_t byte = r->bytes[at];
        rle_put(r, !four ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
    r->at += n_bytes + (n_bytes & 1);
    return true;
}

static ken_status decode_rle(decoder *d, const bmp_header *h, image *out, ken_error *err) {
    rle r = {d->bytes, d->size, h->data, h, out, 0, 0};
    while (r.y < h->height) {
        if (r.at >= r.size || r.size - r.at < 2)
            return decoder_warn(d, err, "bmp is truncated: %zu of %u rows", r.y, h->height);
        unsigned n = r.bytes[r.at], code = r.bytes[r.at + 1];
        r.at += 2;
        if (n > 0) {
            rle_run(&r, n, (uint8_t)code);
        } else if (code == 0) {
            r.x = 0;
            r.y++;
        } else if (code == 1) {
            break;
        } else if (code == 2 && r.size - r.at >= 2) {
            r.x += r.bytes[r.at];
            r.y += r.bytes[r.at + 1];
            r.at += 2;
        } else if (code == 2 || !rle_literal(&r, code)) {
            return decoder_warn(d, err, "bmp is truncated: %zu of %u rows", r.y, h->height);
        }
    }
    return KEN_OK;
}

/* The palette as the file holds it: entry i, or NULL past its end. */
static const uint8_t *color(const decoder *d, const bmp_header *h, size_t i) {
    size_t at = h->palette + i * h->palette_entry;
    return at + h->palette_entry <= d->size ? d->bytes + at : NULL;
}

/* Mode 1 or L when the palette says nothing but "black and white" or "grey", else P. */
static image_mode indexed_mode(const decoder *d, const bmp_header *h, size_t n_colors) {
    if (h->bits == 4)
        return IMAGE_P;
    for (size_t i = 0; i < n_colors; i++) {
        const uint8_t *p = color(d, h, i);
        uint8_t expected = (uint8_t)(h->bits == 1 && i == 1 ? 255 : i);
        if (!p || p[0] != expected || p[1] != expected || p[2] != expected)
            return IMAGE_P;
    }
    return h->bits == 1 ? IMAGE_1 : IMAGE_L;
}

static void fill_palette(const decoder *d, const bmp_header *h, size_t n_colors, image *out) {
    for (size_t i = 0; i < n_colors; i++) {
        const uint8_t *p = color(d, h, i);
        if (!p)
            return;
        out->palette[i][0] = p[2];
        out->palette[i][1] = p[1];
        out->palette[i][2] = p[0];
    }
}

static ken_status decode_indexed(decoder *d, bmp_header *h, image *out, ken_error *err) {
    if (h->compression > BI_RLE4)
        return error_set(err, KEN_UNSUPPORTED, "bmp of %u bits has compression %u: expected 0 to 2",
                         h->bits, h->compression);
    size_t colors = h->colors ? h->colors : (size_t)1 << h->bits;
    if (colors > 65536)
        return error_set(err, KEN_BAD_FORMAT, "bmp has a palette of %zu colours", colors);
    if (h->data == FILE_HEADER_SIZE + h->header_size)
        h->data += h->palette_entry * colors; /* some writers forget the palette */
    if (h->data == 0)
        h->data = h->palette + h->palette_entry * colors;
    size_t n_colors = colors < 256 ? colors : 256;
    TRY(decoder_new_image(d, indexed_mode(d, h, n_colors), h->width, h->height, out, err));
    if (out->mode == IMAGE_P)
        fill_palette(d, h, n_colors, out);
    return h->compression == BI_RGB ? decode_rows(d, h, BGR, out, err) : decode_rle(d, h, out, err);
}

ken_status decode_bmp(decoder *d, image *out, ken_error *err) {
    bmp_header h;
    TRY(read_header(d, &h, err));
    TRY(decoder_check_size(d, h.width, h.height, err));
    switch (h.bits) {
    case 1:
    case 4:
    case 8:
        return decode_indexed(d, &h, out, err);
    case 16:
    case 24:
    case 32:
        break;
    default:
        return error_set(err, KEN_UNSUPPORTED,
                         "bmp has %u bits a pixel: expected 1, 4, 8, 16, 24 or 32", h.bits);
    }
    pixel_layout layout = BGR;
    TRY(find_layout(&h, &layout, err));
    if (h.data == 0)
        h.data = h.palette;
    TRY(decoder_new_image(d, layout >= ABGR ? IMAGE_RGBA : IMAGE_RGB, h.width, h.height, out, err));
    return decode_rows(d, &h, layout, out, err);
}
