/* tasks/report/report_data.c: the JSON that the page's script reads for its detail view:
 * {"results": [...], "categories": [[name, threshold or null]...],
 *  "images": [[id, label or null, [[category, score, result]...]]...]}. */
#include "tasks/report/report_page.h"

#include <string.h>

enum { max_label_bytes = 1 << 22, max_verdicts = 12 }; /* of an image, the best ones */

/* A JSON string inside of a script element: "<" is escaped, so that no text can end the element. */
static void put_string(buf *out, const char *text) {
    size_t from = out->size;
    buf_put_json(out, text, strlen(text));
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

/* "a; b", or null. */
static void put_labels(const label_set *set, buf *out) {
    if (set->n == 0) {
        buf_puts(out, "null");
        return;
    }
    buf text;
    buf_init(&text, max_label_bytes);
    label_set_put(set, &text);
    put_string(out, text.data);
    buf_free(&text);
}

static void put_categories(const report_page *p, buf *out) {
    const classifier *c = p->results->classifier;
    for (size_t i = 0; i < c->rules->n_categories; i++) {
        buf_puts(out, i ? ",\n[" : "\n[");
        put_string(out, c->rules->categories[i].name);
        if (c->options.mode == CLASSIFY_RULES)
            buf_printf(out, ",%.6g]", (double)c->rules->categories[i].threshold);
        else
            buf_puts(out, ",null]");
    }
}

static void put_image(const report_page *p, uint32_t sample, buf *out) {
    const results *r = p->results;
    label_set set;
    report_labels(p, sample, &set);
    buf_putc(out, '[');
    put_string(out, r->samples->ids[sample]);
    buf_putc(out, ',');
    put_labels(&set, out);
    buf_puts(out, ",[");
    results_decide(r, sample, p->verdicts);
    size_t n = r->classifier->rules->n_categories;
    for (size_t i = 0; i < n && i < max_verdicts; i++) {
        const verdict *v = &p->verdicts[i];
        buf_printf(out, "%s[%u,%.4f,%d]", i ? "," : "", v->category, (double)v->score,
                   (int)v->test);
    }
    buf_puts(out, "]]");
}

ken_status report_put_data(const report_page *p, buf *out, ken_error *err) {
    buf_puts(out, "{\"results\":[\"matches\",\"below its threshold\",\"too close to neutral\","
                  "\"another is better\"],\n\"categories\":[");
    put_categories(p, out);
    buf_puts(out, "],\n\"images\":[");
    for (size_t i = 0; i < p->plan.n_images; i++) {
        buf_puts(out, i ? ",\n" : "\n");
        put_image(p, p->plan.images[i], out);
    }
    buf_puts(out, "]}");
    return buf_check(out, err);
}
