/* cli/preview.h: a picture on the terminal, by the protocols that terminals know. */
#ifndef KEN_CLI_PREVIEW_H
#define KEN_CLI_PREVIEW_H

#include "cli/terminal.h"

/* [height, width, 3] RGB. */
typedef struct preview_picture {
    const uint8_t *rgb;
    int width, height;
} preview_picture;

/* "kitty", ... or "auto", which is the terminal's own way. */
preview_way preview_named(const char *name, const terminal *t);
/* Pixels that the longer side of a picture should have. */
int preview_side(preview_way way, const terminal *t);

/* Appends the picture and the end of its last line. A box has no picture, but its name. */
KEN_MUST_CHECK ken_status preview_put(preview_way way, const preview_picture *p, buf *out,
                                      ken_error *err);
void preview_put_box(const terminal *t, const char *name, const char *about, buf *out);

/* The kitty graphics protocol: raw pixels in base64, in pieces of 4,096 characters. */
void preview_put_kitty(const preview_picture *p, buf *out);
/* Sixel graphics (DEC VT340) in 252 colours: 6 levels of red, 7 of green, 6 of blue, dithered. */
KEN_MUST_CHECK ken_status preview_put_sixel(const preview_picture *p, buf *out, ken_error *err);
/* A character for every two pixels: the upper half block in two 24-bit colours. */
void preview_put_blocks(const preview_picture *p, buf *out);

#endif
