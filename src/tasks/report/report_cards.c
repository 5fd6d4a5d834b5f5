/* tasks/report/report_cards.c: a group of the report: its heading, its histogram, its pictures. */
#include "tasks/report/report_page.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { max_note_bytes = 1 << 22 };

const char *report_anchor(const report_page *p, size_t group, char out[ANCHOR_BYTES]) {
    if (group + 1 == p->plan.n_groups)
        return "none";
    snprintf(out, ANCHOR_BYTES, "c%zu", group + 1);
    return out;
}

const char *report_group_name(const report_page *p, size_t group) {
    const rules *by = p->results->classifier->rules;
    return group < by->n_categories ? by->categories[group].name : by->none_label;
}

void report_labels(const report_page *p, size_t sample, label_set *out) {
    const samples *s = p->results->samples;
    *out = (label_set){0};
    if (p->options->labels)
        labels_of(p->options->labels, s->ids[sample], s->paths[sample], out);
}

bool report_is_wrong(const report_page *p, size_t sample, size_t group) {
    label_set set;
    report_labels(p, sample, &set);
    if (set.n == 0)
        return false;
    const rules *by = p->results->classifier->rules;
    if (group < by->n_categories)
        return !label_set_has(&set, by->categories[group].name);
    for (size_t i = 0; i < by->n_categories; i++)
        if (label_set_has(&set, by->categories[i].name))
            return true;
    return false;
}

/* ---- a card -----------------------------------------------------------------------------------
 */

static ken_status put_picture(report_page *p, uint32_t index, buf *out, ken_error *err) {
    const char *id = p->results->samples->ids[p->plan.images[index]];
    const thumbnail *t = p->thumbnails ? &p->thumbnails[index] : NULL;
    if (!t || !t->bytes)
        return PUT(out, err, "no-picture", slot_text("alt", id));
    buf base64;
    buf_init(&base64, (size_t)1 << 24);
    buf_put_base64(&base64, t->bytes, t->size);
    ken_status status = buf_check(&base64, err);
    if (status == KEN_OK)
        status = PUT(out, err, "picture", slot_buf("base64", &base64),
                     slot_count("width", (size_t)t->width), slot_count("height", (size_t)t->height),
                     slot_text("alt", id));
    buf_free(&base64);
    return status;
}

/* What stands under the picture: a label that says otherwise, and what came closest. */
static ken_status put_note(const report_page *p, const placement *at, size_t group, buf *out,
                           ken_error *err) {
    bool none = group + 1 == p->plan.n_groups, wrong = report_is_wrong(p, at->sample, group);
    if (!none && !wrong)
        return KEN_OK;
    buf text;
    buf_init(&text, max_note_bytes);
    if (wrong) {
        label_set set;
        report_labels(p, at->sample, &set);
        buf_puts(&text, "label: ");
        label_set_put(&set, &text);
    }
    if (none)
        buf_printf(&text, "%sclosest: %s", wrong ? " · " : "", report_group_name(p, at->category));
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        status = PUT(out, err, "note", slot_buf("text", &text));
    buf_free(&text);
    return status;
}

/* The class of a card: in a wrong place, or left out although its label is a category. */
static const char *card_mark(const report_page *p, const placement *at, size_t group) {
    if (!report_is_wrong(p, at->sample, group))
        return "";
    return group + 1 == p->plan.n_groups ? " missed" : " wrong";
}

static slot score_slot(const report_page *p, float score) {
    if (p->results->classifier->options.mode == CLASSIFY_SOFTMAX)
        return slot_percent("score", (double)score);
    return slot_fixed("score", 3, (double)score);
}

static ken_status put_card(report_page *p, const placement *at, size_t group, ken_error *err) {
    buf picture, note;
    buf_init(&picture, (size_t)1 << 24);
    buf_init(&note, 1 << 16);
    ken_status status = put_picture(p, p->plan.image_of[at->sample], &picture, err);
    if (status == KEN_OK)
        status = put_note(p, at, group, &note, err);
    if (status == KEN_OK)
        status = PUT(p->out, err, "card", slot_text("mark", card_mark(p, at, group)),
                     slot_count("index", report_index(p, at->sample)),
                     slot_buf("picture", &picture), score_slot(p, at->score),
                     slot_text("file", file_name(p->results->samples->ids[at->sample])),
                     slot_buf("note", &note));
    buf_free(&picture);
    buf_free(&note);
    return status;
}

/* ---- a group ----------------------------------------------------------------------------------
 */

/* The first cards; the script lists all of them. */
static ken_status put_grid(report_page *p, size_t group, ken_error *err) {
    size_t n = p->plan.first[group + 1] - p->plan.first[group], shown = p->plan.shown[group];
    size_t stills = shown < REPORT_STILLS ? shown : REPORT_STILLS;
    TRY(template_put(p->out, report_html, "grid-top", NULL, 0, err));
    for (size_t i = 0; i < stills; i++)
        TRY(put_card(p, &p->plan.placements[p->plan.first[group] + i], group, err));
    TRY(PUT(p->out, err, "grid-bottom", slot_text("hidden", n ? " hidden" : "")));
    if (n > stills)
        TRY(PUT(p->out, err, "more", slot_grouped("count", n - stills)));
    return !p->plan.whole && n > shown
               ? PUT(p->out, err, "left-out", slot_grouped("count", n - shown))
               : KEN_OK;
}

static ken_status put_prompts(const char *kind, const rules_texts *texts, buf *out,
                              ken_error *err) {
    if (texts->n == 0)
        return KEN_OK;
    buf list;
    buf_init(&list, 2 * RULES_MAX_BYTES);
    for (size_t i = 0; i < texts->n; i++) {
        buf_puts(&list, i ? " · " : "");
        buf_puts(&list, texts->items[i]);
    }
    ken_status status = buf_check(&list, err);
    if (status == KEN_OK)
        status = PUT(out, err, "prompts", slot_text("kind", kind), slot_buf("texts", &list));
    buf_free(&list);
    return status;
}

static ken_status put_about(const report_page *p, size_t group, buf *prompts_text, buf *chart,
                            ken_error *err) {
    const rules *by = p->results->classifier->rules;
    if (group == by->n_categories)
        return KEN_OK;
    const rules_category *c = &by->categories[group];
    TRY(put_prompts("For", &c->positive, prompts_text, err));
    TRY(put_prompts("Against", &c->negative, prompts_text, err));
    TRY(put_prompts("Like", &c->examples, prompts_text, err));
    return report_put_chart(p, group, chart, err);
}

/* What stands around a group's pictures, put together before it. */
typedef struct group_parts {
    buf prompts, chart, what_if, by_label;
} group_parts;

static ken_status fill_group(const report_page *p, size_t group, group_parts *parts,
                             ken_error *err) {
    TRY(put_about(p, group, &parts->prompts, &parts->chart, err));
    if (report_has_slider(p, group))
        TRY(template_put(&parts->what_if, report_html, "what-if", NULL, 0, err));
    if (p->options->labels)
        TRY(template_put(&parts->by_label, report_html, "by-label", NULL, 0, err));
    return KEN_OK;
}

static ken_status put_section_top(report_page *p, size_t group, ken_error *err) {
    char anchor[ANCHOR_BYTES];
    bool none = group + 1 == p->plan.n_groups;
    group_parts parts;
    buf *const all[] = {&parts.prompts, &parts.chart, &parts.what_if, &parts.by_label};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_init(all[i], (size_t)16 << 20);
    ken_status status = fill_group(p, group, &parts, err);
    if (status == KEN_OK)
        status =
            PUT(p->out, err, "section-top", slot_text("anchor", report_anchor(p, group, anchor)),
                slot_text("name", report_group_name(p, group)),
                slot_grouped("count", p->plan.first[group + 1] - p->plan.first[group]),
                slot_text("first", none ? "closest" : "best"),
                slot_text("last", none ? "farthest" : "weakest"),
                slot_buf("prompts", &parts.prompts), slot_buf("chart", &parts.chart),
                slot_buf("what_if", &parts.what_if), slot_buf("by_label", &parts.by_label));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
    return status;
}

bool report_has_slider(const report_page *p, size_t group) {
    const classifier *c = p->results->classifier;
    return group < c->rules->n_categories && p->plan.whole && c->options.mode == CLASSIFY_RULES;
}

ken_status report_put_group(report_page *p, size_t group, ken_error *err) {
    TRY(put_section_top(p, group, err));
    TRY(put_grid(p, group, err));
    if (p->plan.whole && group + 1 < p->plan.n_groups)
        TRY(template_put(p->out, report_html, "misses", NULL, 0, err));
    return template_put(p->out, report_html, "section-bottom", NULL, 0, err);
}
