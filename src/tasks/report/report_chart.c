/* tasks/report/report_chart.c: a category's scores as a histogram in SVG. */
#include "tasks/report/report_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { n_bins = 40, chart_width = 320, chart_height = 76 };

typedef struct histogram {
    double low, width;    /* of the first bin; of a bin */
    size_t other[n_bins]; /* with labels: images with another label; without: below the threshold */
    size_t own[n_bins];
    size_t n_own, n_other, tallest;
    bool has_threshold, by_label;
    double threshold;
} histogram;

static void find_range(histogram *h, const float *scores, size_t n) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, scores[i]);
        high = fmax(high, scores[i]);
    }
    if (h->has_threshold) {
        low = fmin(low, h->threshold);
        high = fmax(high, h->threshold);
    }
    if (!(high > low)) {
        low = n ? low - 0.01 : 0;
        high = low + 0.02;
    }
    h->width = (high - low) / (n_bins - 1);
    h->low = low;
    /* The threshold stands between two bins, so that a bin is wholly above or below it. */
    if (h->has_threshold)
        h->low = h->threshold - ceil((h->threshold - low) / h->width) * h->width;
}

static size_t bin_of(const histogram *h, double score) {
    double at = floor((score - h->low) / h->width + 1e-9);
    return at < 0 ? 0 : at >= n_bins ? n_bins - 1 : (size_t)at;
}

static void fill(histogram *h, const report_page *p, size_t category) {
    const results *r = p->results;
    size_t n = r->samples->n;
    const rules_category *c = &r->classifier->rules->categories[category];
    const float *scores = p->plan.scores + category * n;
    h->has_threshold = r->classifier->options.mode == CLASSIFY_RULES;
    h->threshold = (double)c->threshold;
    h->by_label = p->options->labels != NULL;
    find_range(h, scores, n);
    for (size_t i = 0; i < n; i++) {
        label_set set;
        report_labels(p, i, &set);
        bool own = h->by_label ? label_set_has(&set, c->name)
                               : !h->has_threshold || scores[i] >= c->threshold;
        size_t bin = bin_of(h, scores[i]);
        (own ? h->own : h->other)[bin]++;
        h->n_own += own;
        h->n_other += !own;
        if (h->own[bin] + h->other[bin] > h->tallest)
            h->tallest = h->own[bin] + h->other[bin];
    }
}

/* One colour's part of a bin, on top of `below` images. */
static ken_status put_bar(const histogram *h, size_t bin, const char *kind, size_t n, size_t below,
                          buf *out, ken_error *err) {
    if (n == 0)
        return KEN_OK;
    char title[96];
    snprintf(title, sizeof title, "%zu from %.3f to %.3f", n, h->low + (double)bin * h->width,
             h->low + (double)(bin + 1) * h->width);
    double unit = (double)chart_height / (double)h->tallest,
           slot_width = (double)chart_width / n_bins;
    double height = fmax(unit * (double)n, 1);
    return PUT(out, err, "bar", slot_text("kind", kind),
               slot_fixed("x", 1, (double)bin * slot_width + 0.5),
               slot_fixed("y", 1, chart_height - unit * (double)below - height),
               slot_fixed("width", 1, slot_width - 1), slot_fixed("height", 1, height),
               slot_text("title", title));
}

static ken_status put_bars(const histogram *h, buf *out, ken_error *err) {
    for (size_t bin = 0; bin < n_bins; bin++) {
        TRY(put_bar(h, bin, "out", h->other[bin], 0, out, err));
        TRY(put_bar(h, bin, "in", h->own[bin], h->other[bin], out, err));
    }
    return KEN_OK;
}

static ken_status put_threshold(const histogram *h, buf *out, ken_error *err) {
    if (!h->has_threshold)
        return KEN_OK;
    char value[32];
    snprintf(value, sizeof value, "%.4g", h->threshold);
    double x = (h->threshold - h->low) / h->width * chart_width / n_bins;
    return PUT(out, err, "threshold", slot_fixed("x", 1, x),
               slot_fixed("text_x", 1, fmin(fmax(x, 60), chart_width - 60)),
               slot_text("value", value));
}

static ken_status put_caption(const histogram *h, const char *name, buf *out, ken_error *err) {
    char text[320];
    if (h->by_label) {
        snprintf(text, sizeof text, "labelled %.200s", name);
        TRY(PUT(out, err, "key", slot_text("kind", "in"), slot_text("text", text)));
        return PUT(out, err, "key", slot_text("kind", "out"), slot_text("text", "all others"));
    }
    snprintf(text, sizeof text, "scores of all %zu pictures", h->n_own + h->n_other);
    return PUT(out, err, "key", slot_text("kind", "in"), slot_text("text", text));
}

/* What stands around the bars, put together before them. */
typedef struct chart_parts {
    buf bars, threshold, slider, caption, curve;
} chart_parts;

static ken_status fill_chart(const report_page *p, const histogram *h, size_t category,
                             chart_parts *parts, ken_error *err) {
    const char *name = p->results->classifier->rules->categories[category].name;
    TRY(put_bars(h, &parts->bars, err));
    TRY(put_threshold(h, &parts->threshold, err));
    TRY(put_caption(h, name, &parts->caption, err));
    if (report_has_slider(p, category))
        TRY(PUT(&parts->slider, err, "slider", slot_text("name", name)));
    if (p->plan.whole && h->by_label)
        TRY(template_put(&parts->curve, report_html, "curve", NULL, 0, err));
    return KEN_OK;
}

ken_status report_put_chart(const report_page *p, size_t category, buf *out, ken_error *err) {
    histogram h = {0};
    fill(&h, p, category);
    const char *name = p->results->classifier->rules->categories[category].name;
    char label[400];
    double high = h.low + n_bins * h.width;
    snprintf(label, sizeof label, "Scores of %zu pictures for %.200s, from %.3f to %.3f",
             h.n_own + h.n_other, name, h.low, high);
    chart_parts parts;
    buf *const all[] = {&parts.bars, &parts.threshold, &parts.slider, &parts.caption, &parts.curve};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_init(all[i], 1 << 20);
    ken_status status = fill_chart(p, &h, category, &parts, err);
    if (status == KEN_OK)
        status = PUT(out, err, "chart", slot_text("label", label), slot_buf("bars", &parts.bars),
                     slot_buf("threshold", &parts.threshold), slot_buf("slider", &parts.slider),
                     slot_buf("caption", &parts.caption), slot_buf("curve", &parts.curve),
                     slot_fixed("low", 2, h.low), slot_fixed("high", 2, high),
                     slot_fixed("from", 9, h.low), slot_fixed("to", 9, high));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
    return status;
}
