/* cli/preview.c: the choice of a way, the box, and iTerm2's inline images. Pictures come as pixels
 * from a sandboxed decoder, so that no file of a stranger reaches the terminal. */
#include "cli/preview.h"

#include "image/write.h"

#include <string.h>

enum { picture_pixels = 240, max_block_columns = 48, box_columns = 32 };

preview_way preview_named(const char *name, const terminal *t) {
    static const struct {
        const char *name;
        preview_way way;
    } known[] = {{"none", PREVIEW_BOX},
                 {"blocks", PREVIEW_BLOCKS},
                 {"sixel", PREVIEW_SIXEL},
                 {"iterm", PREVIEW_ITERM},
                 {"kitty", PREVIEW_KITTY}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].way;
    return t->preview;
}

int preview_side(preview_way way, const terminal *t) {
    if (way != PREVIEW_BLOCKS)
        return picture_pixels;
    return t->columns < max_block_columns ? t->columns : max_block_columns;
}

static void put_repeated(const char *text, int n, buf *out) {
    for (int i = 0; i < n; i++)
        buf_puts(out, text);
}

/* A line of the box, its text on the left. */
static void put_box_line(const terminal *t, const char *text, int columns, buf *out) {
    const char *side = t->utf8 ? "│" : "|";
    buf_printf(out, "%s ", side);
    int used = terminal_put(t, text, columns - 4, out);
    put_repeated(" ", columns - 4 - used, out);
    buf_printf(out, " %s\n", side);
}

void preview_put_box(const terminal *t, const char *name, const char *about, buf *out) {
    int columns = t->columns < box_columns ? t->columns : box_columns;
    if (columns < 8)
        return;
    const char *line = t->utf8 ? "─" : "-";
    buf_puts(out, t->utf8 ? "┌" : "+");
    put_repeated(line, columns - 2, out);
    buf_puts(out, t->utf8 ? "┐\n" : "+\n");
    put_box_line(t, name, columns, out);
    put_box_line(t, about, columns, out);
    buf_puts(out, t->utf8 ? "└" : "+");
    put_repeated(line, columns - 2, out);
    buf_puts(out, t->utf8 ? "┘\n" : "+\n");
}

static ken_status put_iterm(const preview_picture *p, buf *out, ken_error *err) {
    buf png;
    buf_init(&png, (size_t)1 << 22);
    ken_status status = image_put_png(&png, p->rgb, p->width, p->height, err);
    if (status == KEN_OK) {
        buf_printf(out, "\033]1337;File=inline=1;size=%zu;width=%dpx;height=%dpx:", png.size,
                   p->width, p->height);
        buf_put_base64(out, png.data, png.size);
        buf_puts(out, "\a\n");
    }
    buf_free(&png);
    return status;
}

ken_status preview_put(preview_way way, const preview_picture *p, buf *out, ken_error *err) {
    switch (way) {
    case PREVIEW_KITTY:
        preview_put_kitty(p, out);
        break;
    case PREVIEW_ITERM:
        return put_iterm(p, out, err);
    case PREVIEW_SIXEL:
        return preview_put_sixel(p, out, err);
    case PREVIEW_BLOCKS:
        preview_put_blocks(p, out);
        break;
    case PREVIEW_BOX:
    case PREVIEW_NONE:
        break;
    }
    return buf_check(out, err);
}
