#include "cli/progress.h"

#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { max_bar = 24, min_bar = 4, bar_frame = 8 /* "[] 100% " */, usual_columns = 80 };
static const double bar_seconds = 0.1, line_seconds = 60;

void progress_begin(progress_view *view, const char *noun) {
    const char *how = common.progress ? common.progress : "auto";
    bool never = common.quiet || strcmp(how, "never") == 0;
    bool terminal = isatty(STDERR_FILENO);
    *view = (progress_view){.noun = noun};
    view->bar = !never && (terminal || strcmp(how, "always") == 0);
    view->lines = !never && !view->bar;
}

/* "4:05" or "2:04:05" */
static void put_duration(buf *out, double seconds) {
    long whole = seconds < 0 ? 0 : seconds > 1e8 ? 100000000 : (long)(seconds + 0.5);
    if (whole >= 3600)
        buf_printf(out, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        buf_printf(out, "%ld:%02ld", whole / 60, whole % 60);
}

static void put_numbers(buf *out, const progress_view *view, const embed_progress *p) {
    double rate = p->seconds > 0 ? (double)p->n_done / p->seconds : 0;
    buf_printf(out, "%llu", (unsigned long long)p->n_done);
    if (p->n_total)
        buf_printf(out, "/%llu", (unsigned long long)p->n_total);
    buf_printf(out, " %s, %.1f/s", view->noun, rate);
    if (p->n_total && rate > 0 && p->n_total >= p->n_done) {
        buf_puts(out, ", ETA ");
        put_duration(out, (double)(p->n_total - p->n_done) / rate);
    }
    if (p->n_failed)
        buf_printf(out, ", %llu failed", (unsigned long long)p->n_failed);
}

static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
                                                                       : usual_columns;
}

/* As wide as `room` allows: a line that wraps could not be drawn over. */
static void put_bar(buf *out, const embed_progress *p, int room) {
    int width = room - bar_frame < max_bar ? room - bar_frame : max_bar;
    if (!p->n_total || width < min_bar)
        return;
    double part = (double)p->n_done / (double)p->n_total;
    int full = (int)((part > 1 ? 1 : part) * width);
    buf_putc(out, '[');
    for (int i = 0; i < width; i++)
        buf_putc(out, i < full ? '#' : '.');
    buf_printf(out, "] %3.0f%% ", 100 * (part > 1 ? 1 : part));
}

static void draw(const embed_progress *p, const buf *numbers) {
    buf bar;
    buf_init(&bar, 512);
    int columns = terminal_columns() - 1, used = (int)numbers->size;
    put_bar(&bar, p, columns - used);
    fprintf(stderr, "\r\033[K%s%.*s", bar.data ? bar.data : "", columns > 0 ? columns : 1,
            numbers->data);
    buf_free(&bar);
}

void progress_show(void *context, const embed_progress *p) {
    progress_view *view = context;
    double interval = view->bar ? bar_seconds : line_seconds;
    bool last = view->bar && p->n_total && p->n_done == p->n_total;
    if ((!view->bar && !view->lines) || (!last && p->seconds - view->shown < interval))
        return;
    view->shown = p->seconds;
    buf line;
    buf_init(&line, 512);
    put_numbers(&line, view, p);
    if (line.data && view->bar)
        draw(p, &line);
    else if (line.data)
        fprintf(stderr, "ken: %s\n", line.data);
    view->drawn = view->bar;
    fflush(stderr);
    buf_free(&line);
}

void progress_clear(progress_view *view) {
    if (view->drawn)
        fputs("\r\033[K", stderr);
    view->drawn = false;
}
