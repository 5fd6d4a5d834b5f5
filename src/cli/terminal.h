/* cli/terminal.h: what standard output can show, and text that fits it. */
#ifndef KEN_CLI_TERMINAL_H
#define KEN_CLI_TERMINAL_H

#include "base/buf.h"

/* Ways to show a picture. */
typedef enum preview_way {
    PREVIEW_NONE, /* no picture at all */
    PREVIEW_BOX,  /* a frame with the name and the size */
    PREVIEW_BLOCKS,
    PREVIEW_SIXEL,
    PREVIEW_ITERM,
    PREVIEW_KITTY,
} preview_way;

typedef struct terminal {
    bool is_terminal;
    int columns;
    bool utf8, colour;
    preview_way preview; /* the best way that the environment says it knows */
} terminal;

/* Standard output: TERM, COLORTERM, NO_COLOR, the locale, and what terminals call themselves by. */
void terminal_look(terminal *t);

/* Appends text on one line in at most `columns`, the rest cut; returns the columns used. Control
 * characters, and those that turn the direction of text, become \xNN; on a terminal without UTF-8
 * what is not ASCII becomes a "?". */
int terminal_put(const terminal *t, const char *text, int columns, buf *out);

#endif
