#include "cli/progress.h"

#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { bar_width = 24 };
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

static void put_bar(buf *out, const embed_progress *p) {
    if (!p->n_total)
        return;
    double part = (double)p->n_done / (double)p->n_total;
    int full = (int)((part > 1 ? 1 : part) * bar_width);
    buf_putc(out, '[');
    for (int i = 0; i < bar_width; i++)
        buf_putc(out, i < full ? '#' : '.');
    buf_printf(out, "] %3.0f%% ", 100 * (part > 1 ? 1 : part));
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
    if (view->bar)
        put_bar(&line, p);
    put_numbers(&line, view, p);
    if (line.data)
        fprintf(stderr, view->bar ? "\r\033[K%s" : "ken: %s\n", line.data);
    view->drawn = view->bar;
    fflush(stderr);
    buf_free(&line);
}

void progress_clear(progress_view *view) {
    if (view->drawn)
        fputs("\r\033[K", stderr);
    view->drawn = false;
}
