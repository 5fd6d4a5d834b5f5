#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool knows_utf8(void) {
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *locale = environment(names[i]);
        if (*locale)
            return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
    }
    return false;
}

/* Multiplexers swallow what they do not know, whatever terminal is behind them. */
static preview_way known_preview(const terminal *t) {
    const char *term = environment("TERM"), *program = environment("TERM_PROGRAM");
    if (!*term || strcmp(term, "dumb") == 0)
        return PREVIEW_BOX;
    bool multiplexed = begins(term, "screen") || begins(term, "tmux");
    if (!multiplexed && (strcmp(term, "xterm-kitty") == 0 || strcmp(term, "xterm-ghostty") == 0 ||
                         *environment("KITTY_WINDOW_ID")))
        return PREVIEW_KITTY;
    if (!multiplexed && (strcmp(program, "iTerm.app") == 0 || strcmp(program, "WezTerm") == 0))
        return PREVIEW_ITERM;
    if (!multiplexed && (begins(term, "foot") || begins(term, "mlterm") || strstr(term, "sixel")))
        return PREVIEW_SIXEL;
    const char *colours = environment("COLORTERM");
    bool many = strcmp(colours, "truecolor") == 0 || strcmp(colours, "24bit") == 0;
    return t->utf8 && t->colour && many ? PREVIEW_BLOCKS : PREVIEW_BOX;
}

void terminal_look(terminal *t) {
    struct winsize size;
    *t = (terminal){.is_terminal = isatty(STDOUT_FILENO), .columns = 80};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        t->columns = size.ws_col;
    t->utf8 = knows_utf8();
    t->colour = !*environment("NO_COLOR") && strcmp(environment("TERM"), "dumb") != 0;
    t->preview = known_preview(t);
}

/* How a character is shown; returns its columns. */
static int shown(const terminal *t, utf8proc_int32_t c, const char *bytes, int n, char out[16]) {
    bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
    bool turns_text = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (control || turns_text) {
        int used = 0;
        for (int i = 0; i < n; i++)
            used += snprintf(out + used, 16 - (size_t)used, "\\x%02x", (unsigned char)bytes[i]);
        return used;
    }
    if (c >= 0x80 && !t->utf8) {
        memcpy(out, "?", 2);
        return 1;
    }
    memcpy(out, bytes, (size_t)n);
    out[n] = '\0';
    return utf8proc_charwidth(c);
}

/* Of the whole text. */
static int width_of(const terminal *t, const char *text) {
    int columns = 0;
    utf8proc_int32_t c;
    utf8proc_ssize_t n;
    char one[16];
    for (; *text; text += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &c);
        if (n < 1)
            n = 1, c = 0x80; /* no character: shown as a control */
        columns += shown(t, c, text, (int)n, one);
    }
    return columns;
}

int terminal_put(const terminal *t, const char *text, int columns, buf *out) {
    const char *mark = t->utf8 ? "…" : "~";
    bool cut = width_of(t, text) > columns;
    int room = cut ? columns - 1 : columns, used = 0;
    utf8proc_int32_t c;
    utf8proc_ssize_t n;
    char one[16];
    for (; *text; text += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)text, -1, &c);
        if (n < 1)
            n = 1, c = 0x80;
        int width = shown(t, c, text, (int)n, one);
        if (used + width > room)
            break;
        buf_puts(out, one);
        used += width;
    }
    if (!cut || columns < 1)
        return used;
    buf_puts(out, mark);
    return used + 1;
}
