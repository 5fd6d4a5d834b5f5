/* cli/preview_sixel.c: pixels -> sixel graphics. A band is six rows; for each colour in it one line
 * of characters says which of the six pixels of a column have it, with equal neighbours counted. */
#include "cli/preview.h"

#include "base/mem.h"

#include <string.h>

enum { reds = 6, greens = 7, blues = 6, n_colours = reds * greens * blues, band_rows = 6 };

/* Thresholds of ordered dithering (Bayer, 4 x 4), in sixteenths. */
static const uint8_t thresholds[4][4] = {
    {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};

static int level(int value, int levels, int threshold) {
    int scaled = value * (levels - 1) * 32 + 255 * (2 * threshold + 1);
    return scaled / (255 * 32);
}

static uint8_t colour_of(const preview_picture *p, int x, int y) {
    const uint8_t *rgb = p->rgb + 3 * ((size_t)y * (size_t)p->width + (size_t)x);
    int threshold = thresholds[y % 4][x % 4];
    int red = level(rgb[0], reds, threshold), green = level(rgb[1], greens, threshold);
    return (uint8_t)((red * greens + green) * blues + level(rgb[2], blues, threshold));
}

static void put_palette(buf *out) {
    for (int i = 0; i < n_colours; i++)
        buf_printf(out, "#%d;2;%d;%d;%d", i, i / (greens * blues) * 100 / (reds - 1),
                   i / blues % greens * 100 / (greens - 1), i % blues * 100 / (blues - 1));
}

static void put_run(char character, int n, buf *out) {
    if (n > 3)
        buf_printf(out, "!%d%c", n, character);
    else
        for (int i = 0; i < n; i++)
            buf_putc(out, character);
}

/* The pixels of one colour in a band; `colours` is [rows, width]. */
static void put_colour(const uint8_t *colours, int width, int rows, int colour, buf *out) {
    char last = '?';
    int n = 0;
    buf_printf(out, "#%d", colour);
    for (int x = 0; x < width; x++) {
        int bits = 0;
        for (int y = 0; y < rows; y++)
            bits |= (colours[y * width + x] == colour) << y;
        char character = (char)('?' + bits);
        if (n && character != last) {
            put_run(last, n, out);
            n = 0;
        }
        last = character;
        n++;
    }
    if (last != '?')
        put_run(last, n, out);
}

static void put_band(const uint8_t *colours, int width, int rows, buf *out) {
    bool there[n_colours] = {false};
    for (int i = 0; i < rows * width; i++)
        there[colours[i]] = true;
    bool first = true;
    for (int colour = 0; colour < n_colours; colour++) {
        if (!there[colour])
            continue;
        if (!first)
            buf_putc(out, '$');
        put_colour(colours, width, rows, colour, out);
        first = false;
    }
}

ken_status preview_put_sixel(const preview_picture *p, buf *out, ken_error *err) {
    uint8_t *colours = mem_alloc((size_t)p->width * band_rows);
    if (!colours)
        return error_no_memory(err, (size_t)p->width * band_rows);
    buf_printf(out, "\033P0;1q\"1;1;%d;%d", p->width, p->height);
    put_palette(out);
    for (int y = 0; y < p->height; y += band_rows) {
        int rows = p->height - y < band_rows ? p->height - y : band_rows;
        for (int i = 0; i < rows * p->width; i++)
            colours[i] = colour_of(p, i % p->width, y + i / p->width);
        put_band(colours, p->width, rows, out);
        buf_putc(out, '-');
    }
    buf_puts(out, "\033\\\n");
    mem_free(colours);
    return buf_check(out, err);
}
