/* tasks/report/report.c: the page as a whole. Its parts are in report_cards.c, report_chart.c,
 * report_tables.c, report_data.c and report_pictures.c; page.html, report.css and script/ hold its
 * markup, style and script. */
#include "tasks/report/report_page.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t max_part_bytes = (size_t)1 << 30;

/* ---- pictures ---------------------------------------------------------------------------------
 */

/* Pixels of a picture's longer side: many pictures are smaller ones, to keep the page light. */
static int thumbnail_side(size_t n_images) {
    return n_images <= 500 ? 240 : n_images <= 3000 ? 176 : 128;
}

static ken_status make_thumbnails(report_page *p, ken_error *err) {
    size_t n = p->plan.n_images;
    if (!p->options->thumbnailer || n == 0)
        return KEN_OK;
    const char **paths = mem_zalloc(n, sizeof *paths);
    p->thumbnails = mem_zalloc(n, sizeof *p->thumbnails);
    ken_status status = KEN_OK;
    if (paths && p->thumbnails) {
        for (size_t i = 0; i < n; i++)
            paths[i] = p->results->samples->paths[p->plan.images[i]];
        const thumbnail_request request = {
            .paths = paths,
            .n = n,
            .longest_side = thumbnail_side(n),
            .progress = p->options->progress,
            .progress_context = p->options->progress_context,
        };
        status = thumbnails_make(p->options->thumbnailer, &request, p->thumbnails, err);
    } else {
        status = error_no_memory(err, n * sizeof *p->thumbnails);
    }
    mem_free(paths);
    return status;
}

/* ---- the head ---------------------------------------------------------------------------------
 */

/* "sha256" of a style or script as a Content-Security-Policy names it. */
static ken_status put_hash(const char *text, buf *out, ken_error *err) {
    char hex[HASH_SHA256_HEX];
    uint8_t digest[(HASH_SHA256_HEX - 1) / 2];
    TRY(hash_sha256(text, strlen(text), hex, err));
    for (size_t i = 0; i < sizeof digest; i++)
        digest[i] = (uint8_t)strtoul((const char[]){hex[2 * i], hex[2 * i + 1], '\0'}, NULL, 16);
    buf_put_base64(out, digest, sizeof digest);
    return buf_check(out, err);
}

static size_t group_size(const report_page *p, size_t group) {
    return p->plan.first[group + 1] - p->plan.first[group];
}

static ken_status put_overview(const report_page *p, buf *out, ken_error *err) {
    size_t largest = 1;
    for (size_t g = 0; g < p->plan.n_groups; g++)
        largest = group_size(p, g) > largest ? group_size(p, g) : largest;
    for (size_t g = 0; g < p->plan.n_groups; g++) {
        char anchor[ANCHOR_BYTES];
        double percent = 100.0 * (double)group_size(p, g) / (double)largest;
        TRY(PUT(out, err, "overview-row", slot_text("anchor", report_anchor(p, g, anchor)),
                slot_text("name", report_group_name(p, g)),
                slot_text("kind", g + 1 < p->plan.n_groups ? "in" : "out"),
                slot_fixed("percent", 1, percent), slot_grouped("count", group_size(p, g))));
    }
    return KEN_OK;
}

static ken_status put_chips(const report_page *p, buf *out, ken_error *err) {
    for (size_t g = 0; g < p->plan.n_groups; g++) {
        char anchor[ANCHOR_BYTES];
        TRY(PUT(out, err, "chip", slot_text("anchor", report_anchor(p, g, anchor)),
                slot_text("name", report_group_name(p, g)),
                slot_grouped("count", group_size(p, g))));
    }
    const samples *s = p->results->samples;
    if (s->n_failures)
        TRY(PUT(out, err, "chip", slot_text("anchor", "errors"), slot_text("name", "Failed"),
                slot_grouped("count", s->n_failures)));
    return KEN_OK;
}

/* The parts of the head that are put together before it. */
typedef struct head_parts {
    buf style_hash, script_hash, overview, chips, accuracy, wrong_switch;
} head_parts;

static ken_status fill_head(const report_page *p, head_parts *h, ken_error *err) {
    TRY(put_hash(report_css, &h->style_hash, err));
    TRY(put_hash(report_js, &h->script_hash, err));
    TRY(put_overview(p, &h->overview, err));
    TRY(put_chips(p, &h->chips, err));
    const evaluation *e = p->options->evaluation;
    if (!e)
        return KEN_OK;
    TRY(template_put(&h->wrong_switch, report_html, "wrong-switch", NULL, 0, err));
    return PUT(&h->accuracy, err, "lede-accuracy", slot_grouped("right", e->n_right),
               slot_grouped("labelled", e->n_labelled),
               slot_percent("accuracy", e->figures[FIGURE_ACCURACY]));
}

static ken_status put_head(const report_page *p, ken_error *err) {
    const results *r = p->results;
    size_t n_categories = r->classifier->rules->n_categories;
    char title[128];
    slot n_pictures = slot_grouped("", r->samples->n);
    snprintf(title, sizeof title, "%s %s in %zu %s", n_pictures.number,
             r->samples->n == 1 ? "picture" : "pictures", n_categories,
             n_categories == 1 ? "category" : "categories");
    head_parts h;
    buf *const parts[] = {&h.style_hash, &h.script_hash, &h.overview,
                          &h.chips,      &h.accuracy,    &h.wrong_switch};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_init(parts[i], max_part_bytes);
    ken_status status = fill_head(p, &h, err);
    if (status == KEN_OK)
        status =
            PUT(p->out, err, "page-top", slot_text("title", title),
                slot_text("version", ken_version()), slot_text("style", report_css),
                slot_text("rules_name", file_name(r->classifier->rules->where)),
                slot_text("model_id", r->samples->meta.model_id),
                slot_buf("style_hash", &h.style_hash), slot_buf("script_hash", &h.script_hash),
                slot_buf("overview", &h.overview), slot_buf("chips", &h.chips),
                slot_buf("lede_accuracy", &h.accuracy), slot_buf("wrong_switch", &h.wrong_switch));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_free(parts[i]);
    return status;
}

/* ---- the page ---------------------------------------------------------------------------------
 */

static ken_status put_tail(const report_page *p, ken_error *err) {
    buf data;
    buf_init(&data, max_part_bytes);
    ken_status status = report_put_data(p, &data, err);
    if (status == KEN_OK)
        status = PUT(p->out, err, "page-bottom", slot_text("version", ken_version()),
                     slot_buf("data", &data));
    buf_free(&data);
    return status;
}

static ken_status put_page(report_page *p, ken_error *err) {
    TRY(put_head(p, err));
    for (size_t g = 0; g < p->plan.n_groups; g++)
        TRY(report_put_group(p, g, err));
    TRY(report_put_evaluation(p, err));
    TRY(report_put_errors(p, err));
    TRY(report_put_provenance(p, err));
    TRY(put_tail(p, err));
    TRY(report_put_arrays(p, p->out, err));
    TRY(report_put_pictures(p, err));
    return PUT(p->out, err, "page-end", slot_text("script", report_js));
}

ken_status report_put(const results *r, const report_options *options, buf *out, ken_error *err) {
    report_page p = {.results = r, .options = options, .out = out};
    TRY(report_plan_init(&p.plan, r, options->max_thumbnails, err));
    size_t n_categories = r->classifier->rules->n_categories;
    p.verdicts = mem_zalloc(n_categories, sizeof *p.verdicts);
    ken_status status =
        p.verdicts ? KEN_OK : error_no_memory(err, n_categories * sizeof *p.verdicts);
    if (status == KEN_OK)
        status = make_thumbnails(&p, err);
    if (status == KEN_OK)
        status = report_number_pictures(&p, err);
    if (status == KEN_OK)
        status = put_page(&p, err);
    thumbnails_free(p.thumbnails, p.plan.n_images);
    mem_free(p.places);
    mem_free(p.verdicts);
    report_plan_reset(&p.plan);
    return status;
}
