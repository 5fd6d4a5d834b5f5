/* tasks/report/report_cards.c: a group of the report: its heading, its histogram, its pictures. */
#include "tasks/report/report_page.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum {
    max_note_bytes = 1 << 22,
    cards_open = 48
}; /* more are behind a fold, where a browser does not lay them out */

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

static void put_reason(report_page *p, const placement *at, size_t group, buf *out) {
    const results *r = p->results;
    results_decide(r, at->sample, p->verdicts);
    if (group + 1 == p->plan.n_groups) {
        classifier_none_reason(r->classifier, p->verdicts, out);
        return;
    }
    size_t i = 0;
    while (p->verdicts[i].category != group)
        i++;
    classifier_reason(r->classifier, p->verdicts, &p->verdicts[i], out);
}

static slot score_slot(const report_page *p, float score) {
    if (p->results->classifier->options.mode == CLASSIFY_SOFTMAX)
        return slot_percent("score", (double)score);
    return slot_fixed("score", 3, (double)score);
}

static ken_status put_card(report_page *p, const placement *at, size_t group, ken_error *err) {
    uint32_t index = p->plan.image_of[at->sample];
    buf picture, note, reason;
    buf_init(&picture, (size_t)1 << 24);
    buf_init(&note, 1 << 16);
    buf_init(&reason, RULES_MAX_BYTES + 4096);
    put_reason(p, at, group, &reason);
    ken_status status = buf_check(&reason, err);
    if (status == KEN_OK)
        status = put_picture(p, index, &picture, err);
    if (status == KEN_OK)
        status = put_note(p, at, group, &note, err);
    if (status == KEN_OK)
        status = PUT(p->out, err, "card", slot_text("mark", card_mark(p, at, group)),
                     slot_count("index", index), slot_buf("reason", &reason),
                     slot_buf("picture", &picture), score_slot(p, at->score),
                     slot_text("file", file_name(p->results->samples->ids[at->sample])),
                     slot_buf("note", &note));
    buf_free(&picture);
    buf_free(&note);
    buf_free(&reason);
    return status;
}

/* ---- a group ----------------------------------------------------------------------------------
 */

static ken_status put_cards(report_page *p, size_t group, size_t from, size_t to, ken_error *err) {
    for (size_t i = from; i < to; i++)
        TRY(put_card(p, &p->plan.placements[p->plan.first[group] + i], group, err));
    return KEN_OK;
}

static ken_status put_grids(report_page *p, size_t group, ken_error *err) {
    size_t n = p->plan.first[group + 1] - p->plan.first[group], shown = p->plan.shown[group];
    size_t open = shown < cards_open ? shown : cards_open;
    if (n == 0)
        return template_put(p->out, report_html, "nothing", NULL, 0, err);
    TRY(template_put(p->out, report_html, "grid-top", NULL, 0, err));
    TRY(put_cards(p, group, 0, open, err));
    TRY(template_put(p->out, report_html, "grid-bottom", NULL, 0, err));
    if (shown > open) {
        TRY(PUT(p->out, err, "more-top", slot_grouped("count", shown - open)));
        TRY(put_cards(p, group, open, shown, err));
        TRY(template_put(p->out, report_html, "more-bottom", NULL, 0, err));
    }
    return n > shown ? PUT(p->out, err, "left-out", slot_grouped("count", n - shown)) : KEN_OK;
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

ken_status report_put_group(report_page *p, size_t group, ken_error *err) {
    char anchor[ANCHOR_BYTES];
    buf prompts_text, chart;
    buf_init(&prompts_text, (size_t)16 << 20);
    buf_init(&chart, (size_t)1 << 20);
    ken_status status = put_about(p, group, &prompts_text, &chart, err);
    if (status == KEN_OK)
        status =
            PUT(p->out, err, "section-top", slot_text("anchor", report_anchor(p, group, anchor)),
                slot_text("name", report_group_name(p, group)),
                slot_grouped("count", p->plan.first[group + 1] - p->plan.first[group]),
                slot_buf("prompts", &prompts_text), slot_buf("chart", &chart));
    buf_free(&prompts_text);
    buf_free(&chart);
    TRY(status);
    TRY(put_grids(p, group, err));
    return template_put(p->out, report_html, "section-bottom", NULL, 0, err);
}
