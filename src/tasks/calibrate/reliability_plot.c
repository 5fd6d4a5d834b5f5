/* tasks/calibrate/reliability_plot.c: a panel per category: probabilities given out of fold against
 * how often they came true, Platt's as circles and isotonic ones as squares, with the number of
 * images behind each as bars at the foot. */
#include "tasks/calibrate/calibrate.h"

#include <string.h>

enum { side = 180, margin = 34, title = 22, columns = 4, head = 44, foot = 36 };
static const int panel_width = side + 2 * margin, panel_height = side + foot + title + margin + 12;

/* Okabe and Ito's blue and vermilion, which colour-blind people tell apart; shapes differ, too. */
static const char style[] =
    "text{font:11px sans-serif;fill:#222}.t{font-weight:bold}.a{fill:#666}"
    ".f{fill:none;stroke:#999}.d{stroke:#999;stroke-dasharray:4 3}"
    ".p{fill:#0072b2;stroke:#0072b2}.i{fill:#d55e00;stroke:#d55e00}.l{fill:none}.n{fill:#bbb}";

static double bin_mean(const reliability *r, size_t bin) {
    return r->bins[bin].sum / (double)r->bins[bin].n;
}

static double bin_share(const reliability *r, size_t bin) {
    return (double)r->bins[bin].n_positive / (double)r->bins[bin].n;
}

static void put_marks(const reliability *r, const char *kind, bool squares, buf *out) {
    buf_printf(out, "<polyline class=\"%s l\" points=\"", kind);
    for (size_t i = 0; i < CALIBRATE_BINS; i++)
        if (r->bins[i].n)
            buf_printf(out, "%.1f,%.1f ", side * bin_mean(r, i), side * (1 - bin_share(r, i)));
    buf_puts(out, "\"/>\n");
    for (size_t i = 0; i < CALIBRATE_BINS; i++) {
        if (r->bins[i].n == 0)
            continue;
        double x = side * bin_mean(r, i), y = side * (1 - bin_share(r, i));
        if (squares)
            buf_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"6\" height=\"6\">",
                       kind, x - 3, y - 3);
        else
            buf_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\">", kind, x, y);
        buf_printf(out, "<title>said %.3f, came true %zu of %zu</title></%s>\n", bin_mean(r, i),
                   r->bins[i].n_positive, r->bins[i].n, squares ? "rect" : "circle");
    }
}

static void put_bars(const reliability *r, buf *out) {
    size_t most = 1;
    for (size_t i = 0; i < CALIBRATE_BINS; i++)
        most = r->bins[i].n > most ? r->bins[i].n : most;
    double width = (double)side / CALIBRATE_BINS;
    for (size_t i = 0; i < CALIBRATE_BINS; i++) {
        double height = foot * (double)r->bins[i].n / (double)most;
        buf_printf(out,
                   "<rect class=\"n\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                   "<title>%zu images</title></rect>\n",
                   (double)i * width + 1, side + 16 + foot - height, width - 2, height,
                   r->bins[i].n);
    }
}

static void put_panel(const calibrated_category *c, size_t place, buf *out) {
    int x = (int)(place % columns) * panel_width + margin;
    int y = (int)(place / columns) * panel_height + head + title;
    buf_printf(out, "<g transform=\"translate(%d %d)\">\n<text class=\"t\" y=\"-7\">", x, y);
    buf_put_html(out, c->name, strlen(c->name));
    buf_printf(out,
               "</text>\n<rect class=\"f\" width=\"%d\" height=\"%d\"/>"
               "<line class=\"d\" x1=\"0\" y1=\"%d\" x2=\"%d\" y2=\"0\"/>\n"
               "<text class=\"a\" x=\"-4\" y=\"%d\" text-anchor=\"end\">0</text>"
               "<text class=\"a\" x=\"-4\" y=\"8\" text-anchor=\"end\">1</text>"
               "<text class=\"a\" x=\"0\" y=\"%d\">0</text>"
               "<text class=\"a\" x=\"%d\" y=\"%d\" text-anchor=\"end\">1</text>\n",
               side, side, side, side, side, side + 12, side, side + 12);
    put_bars(&c->platt_reliability, out);
    put_marks(&c->platt_reliability, "p", false, out);
    put_marks(&c->isotonic_reliability, "i", true, out);
    buf_printf(out, "<text class=\"a\" y=\"%d\">Brier %.3f Platt, %.3f isotonic</text>\n</g>\n",
               side + foot + 30, c->platt_reliability.brier, c->isotonic_reliability.brier);
}

ken_status calibrated_put_plot(const calibrated *c, buf *out, ken_error *err) {
    size_t n = 0, place = 0;
    for (size_t i = 0; i < c->n_categories; i++)
        n += c->categories[i].has_probability;
    int width = columns * panel_width;
    size_t n_rows = (n + columns - 1) / columns;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" width=\"%d\" "
               "role=\"img\">\n<title>Probabilities against how often they came true</title>\n"
               "<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
               width, head + n_rows * (size_t)panel_height, width, style);
    buf_printf(out,
               "<text x=\"%d\" y=\"18\">across: probability said of images that were left out of "
               "the fit; up: how often it was true; bars: images</text>\n"
               "<circle class=\"p\" cx=\"%d\" cy=\"32\" r=\"3.4\"/><text x=\"%d\" y=\"36\">Platt"
               "</text><rect class=\"i\" x=\"%d\" y=\"29\" width=\"6\" height=\"6\"/>"
               "<text x=\"%d\" y=\"36\">isotonic</text>\n",
               margin, margin + 4, margin + 12, margin + 60, margin + 72);
    for (size_t i = 0; i < c->n_categories; i++)
        if (c->categories[i].has_probability)
            put_panel(&c->categories[i], place++, out);
    buf_puts(out, "</svg>\n");
    return buf_check(out, err);
}
