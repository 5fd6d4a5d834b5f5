#include "cli/preview.h"

static const uint8_t *pixel(const preview_picture *p, int x, int y) {
    return p->rgb + 3 * ((size_t)y * (size_t)p->width + (size_t)x);
}

void preview_put_blocks(const preview_picture *p, buf *out) {
    for (int y = 0; y < p->height; y += 2) {
        for (int x = 0; x < p->width; x++) {
            const uint8_t *upper = pixel(p, x, y);
            buf_printf(out, "\033[38;2;%d;%d;%d", upper[0], upper[1], upper[2]);
            if (y + 1 < p->height) {
                const uint8_t *lower = pixel(p, x, y + 1);
                buf_printf(out, ";48;2;%d;%d;%d", lower[0], lower[1], lower[2]);
            }
            buf_puts(out, "m▀");
        }
        buf_puts(out, "\033[0m\n");
    }
}
