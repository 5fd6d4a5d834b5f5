/* tasks/report/report_data.c: what the page's script knows. The JSON:
 *
 * {"mode", "multiple", "images": how many there are in all, "none": none_label,
 *  "results": [what each verdict_test says], "categories": [[name, threshold or null]...],
 *  "ids": [...], "pictures": [place among the pictures of report_pictures.c, -1: on a card of the
 *  page, or null: none], and with labels "labels": [name...], "labelOf": [[label...]...],
 *  "several": may an image have more than one?}
 *
 * An image's place in these lists is its index (report_index). The scores of all of them follow as
 * float32 [categories, images] in base64, and their leads over the neutral test. Where these would
 * be too many there are instead "verdicts": [[category, score, result]...] of each image, the best
 * ones, and "groups": [[image, category, score]...]. */
#include "tasks/report/report_page.h"

#include <string.h>

enum { max_verdicts = 12 };

/* A JSON string inside of a script element: "<" is escaped, so that no text can end the element. */
static void put_string(buf *out, const char *text, size_t size) {
    size_t from = out->size;
    buf_put_json(out, text, size);
    for (size_t i = from; i < out->size && !out->failed; i++) {
        if (out->data[i] != '<')
            continue;
        static const char escape[] = "\\u003c";
        size_t rest = out->size - i - 1;
        if (!buf_reserve(out, sizeof escape - 2))
            return;
        memmove(out->data + i + sizeof escape - 1, out->data + i + 1, rest);
        memcpy(out->data + i, escape, sizeof escape - 1);
        out->size += sizeof escape - 2;
        out->data[out->size] = '\0';
    }
}

static void put_number(buf *out, float value) {
    char text[32];
    buf_puts(out, results_number(value, text));
}

static void put_categories(const report_page *p, buf *out) {
    const classifier *c = p->results->classifier;
    for (size_t i = 0; i < c->rules->n_categories; i++) {
        buf_puts(out, i ? ",\n[" : "\n[");
        put_string(out, c->rules->categories[i].name, strlen(c->rules->categories[i].name));
        buf_putc(out, ',');
        if (c->options.mode == CLASSIFY_RULES)
            put_number(out, c->rules->categories[i].threshold);
        else
            buf_puts(out, "null");
        buf_putc(out, ']');
    }
}

/* ---- the images -------------------------------------------------------------------------------
 */

size_t report_n_listed(const report_page *p) {
    return p->plan.whole ? p->results->samples->n : p->plan.n_images;
}

size_t report_index(const report_page *p, size_t sample) {
    return p->plan.whole ? sample : p->plan.image_of[sample];
}

static size_t sample_at(const report_page *p, size_t index) {
    return p->plan.whole ? index : p->plan.images[index];
}

static void put_ids(const report_page *p, buf *out) {
    for (size_t i = 0; i < report_n_listed(p); i++) {
        const char *id = p->results->samples->ids[sample_at(p, i)];
        buf_puts(out, i ? ",\n" : "\n");
        put_string(out, id, strlen(id));
    }
}

static void put_places(const report_page *p, buf *out) {
    for (size_t i = 0; i < report_n_listed(p); i++) {
        uint32_t at = p->plan.image_of[sample_at(p, i)];
        buf_puts(out, i ? "," : "");
        if (at == UINT32_MAX || !p->thumbnails || !p->thumbnails[at].bytes)
            buf_puts(out, "null");
        else if (p->plan.is_still[at])
            buf_puts(out, "-1");
        else
            buf_printf(out, "%zu", p->places[at]);
    }
}

static ken_status put_labels(const report_page *p, buf *out, ken_error *err) {
    const labels *all = p->options->labels;
    if (!all)
        return KEN_OK;
    text_index names = {0};
    buf_printf(out, ",\n\"several\":%s,\"labelOf\":[", all->several ? "true" : "false");
    ken_status status = KEN_OK;
    for (size_t i = 0; i < report_n_listed(p) && status == KEN_OK; i++) {
        label_set set;
        report_labels(p, sample_at(p, i), &set);
        buf_puts(out, i ? ",[" : "[");
        for (size_t k = 0; k < set.n && status == KEN_OK; k++) {
            uint32_t at;
            status = text_index_add(&names, set.items[k].text, set.items[k].size, &at, err);
            if (status == KEN_OK)
                buf_printf(out, "%s%u", k ? "," : "", at);
        }
        buf_putc(out, ']');
    }
    buf_puts(out, "],\n\"labels\":[");
    for (size_t i = 0; i < names.n; i++) {
        buf_puts(out, i ? "," : "");
        put_string(out, names.texts[i], strlen(names.texts[i]));
    }
    buf_putc(out, ']');
    text_index_reset(&names);
    return status;
}

/* ---- what was decided, where the page cannot decide itself ------------------------------------
 */

static void put_verdicts(const report_page *p, size_t sample, buf *out) {
    const results *r = p->results;
    results_decide(r, sample, p->verdicts);
    size_t n = r->classifier->rules->n_categories;
    for (size_t i = 0; i < n && i < max_verdicts; i++) {
        const verdict *v = &p->verdicts[i];
        buf_printf(out, "%s[%u,%.4f,%d]", i ? "," : "", v->category, (double)v->score,
                   (int)v->test);
    }
}

static void put_decisions(const report_page *p, buf *out) {
    buf_puts(out, ",\n\"verdicts\":[");
    for (size_t i = 0; i < p->plan.n_images; i++) {
        buf_puts(out, i ? ",\n[" : "\n[");
        put_verdicts(p, p->plan.images[i], out);
        buf_putc(out, ']');
    }
    buf_puts(out, "],\n\"groups\":[");
    for (size_t g = 0; g < p->plan.n_groups; g++) {
        buf_puts(out, g ? ",\n[" : "\n[");
        for (size_t i = 0; i < p->plan.shown[g]; i++) {
            const placement *at = &p->plan.placements[p->plan.first[g] + i];
            buf_printf(out, "%s[%zu,%u,%.4f]", i ? "," : "", report_index(p, at->sample),
                       at->category, (double)at->score);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

ken_status report_put_data(const report_page *p, buf *out, ken_error *err) {
    const classifier *c = p->results->classifier;
    buf_printf(out, "{\"mode\":\"%s\",\"multiple\":%s,\"images\":%zu,\n\"none\":",
               classify_mode_name(c->options.mode), c->rules->multiple ? "true" : "false",
               p->results->samples->n);
    put_string(out, c->rules->none_label, strlen(c->rules->none_label));
    buf_puts(out, ",\n\"results\":[\"matches\",\"below its threshold\",\"too close to neutral\","
                  "\"another is better\"],\n\"categories\":[");
    put_categories(p, out);
    buf_puts(out, "],\n\"ids\":[");
    put_ids(p, out);
    buf_puts(out, "],\n\"pictures\":[");
    put_places(p, out);
    buf_putc(out, ']');
    TRY(put_labels(p, out, err));
    if (!p->plan.whole)
        put_decisions(p, out);
    buf_putc(out, '}');
    return buf_check(out, err);
}

ken_status report_put_arrays(const report_page *p, buf *out, ken_error *err) {
    const report_plan *plan = &p->plan;
    const struct {
        const char *name;
        const float *numbers;
    } arrays[] = {{"scores", plan->scores}, {"leads", plan->leads}};
    size_t n_bytes = (plan->n_groups - 1) * p->results->samples->n * sizeof(float);
    for (size_t i = 0; i < 2 && plan->whole; i++) {
        if (!arrays[i].numbers)
            continue;
        buf base64;
        buf_init(&base64, 2 * (size_t)REPORT_MAX_NUMBERS * sizeof(float) + 4);
        buf_put_base64(&base64, arrays[i].numbers, n_bytes);
        ken_status status = buf_check(&base64, err);
        if (status == KEN_OK)
            status = PUT(out, err, "array", slot_text("name", arrays[i].name),
                         slot_buf("base64", &base64));
        buf_free(&base64);
        TRY(status);
    }
    return KEN_OK;
}
