/* tasks/classify/results_explain.c: `ken classify --explain ID`: every number behind one image's
 * categories.
 */
#include "tasks/classify/results.h"

#include "base/suggest.h"

#include <math.h>
#include <string.h>

static ken_status find_sample(const samples *s, const char *id, size_t *out, ken_error *err) {
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->ids[i], id) == 0) {
            *out = i;
            return KEN_OK;
        }
    }
    for (size_t i = 0; i < s->n_failures; i++)
        if (strcmp(s->failures[i].id, id) == 0)
            return error_set(err, KEN_BAD_FORMAT, "'%s' has no embedding: it failed at %s: %s", id,
                             s->failures[i].stage, s->failures[i].detail);
    ken_status status =
        error_set(err, KEN_NOT_FOUND, "no image has the id '%s' among %zu", id, s->n);
    const char *closest = suggest_word(id, s->ids, s->n);
    if (closest)
        return error_hint(err, status, "did you mean '%s'?", closest);
    return s->n ? error_hint(err, status, "ids look like '%s'", s->ids[0]) : status;
}

static void put_texts(const char *title, const rules_texts *texts, buf *out) {
    if (texts->n == 0)
        return;
    buf_printf(out, "    %-9s", title);
    for (size_t i = 0; i < texts->n; i++)
        buf_printf(out, "%s%s", i ? " | " : "", texts->items[i]);
    buf_putc(out, '\n');
}

static void put_similarity(const char *name, float value, buf *out) {
    if (isnan(value))
        buf_printf(out, "  %s      -", name);
    else
        buf_printf(out, "  %s %6.4f", name, (double)value);
}

static void put_category(const results *r, const verdict *verdicts, const verdict *v, buf *out) {
    const rules_category *category = &r->classifier->rules->categories[v->category];
    buf_printf(out, "%3u. %s %s\n    score %7.4f", v->rank,
               v->test == VERDICT_MATCHED ? "yes" : "no ", category->name, (double)v->score);
    put_similarity("positive", v->pos_sim, out);
    put_similarity("negative", v->neg_sim, out);
    put_similarity("neutral", v->neutral_sim, out);
    buf_puts(out, "\n    because  ");
    classifier_reason(r->classifier, verdicts, v, out);
    buf_putc(out, '\n');
    put_texts("positive", &category->positive, out);
    put_texts("negative", &category->negative, out);
    put_texts("examples", &category->examples, out);
    if (category->neutral) {
        put_texts("neutral", &category->neutral->texts, out);
        buf_printf(out, "    margin   %.4g\n", (double)category->neutral_margin);
    }
}

ken_status results_explain(const results *r, const char *id, buf *out, ken_error *err) {
    const rules *by = r->classifier->rules;
    size_t sample = 0;
    TRY(find_sample(r->samples, id, &sample, err));
    verdict *verdicts = mem_zalloc(by->n_categories, sizeof *verdicts);
    if (!verdicts)
        return error_no_memory(err, by->n_categories * sizeof *verdicts);
    results_decide(r, sample, verdicts);
    size_t best = results_predicted(r, verdicts);
    buf_printf(out, "%s: %s\n", id,
               best < by->n_categories ? by->categories[best].name : by->none_label);
    for (size_t i = 0; i < by->n_categories; i++)
        put_category(r, verdicts, &verdicts[i], out);
    mem_free(verdicts);
    return buf_check(out, err);
}
