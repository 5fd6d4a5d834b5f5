/* tasks/compare/compare_output.c: a comparison as a table with its conclusion, as CSV and as JSON.
 */
#include "tasks/compare/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double level = 0.05;

/* ---- cells ------------------------------------------------------------------------------------
 */

static const char *percent(double value, char out[32]) {
    if (isnan(value))
        return "-";
    snprintf(out, 32, "%.1f%%", 100 * value);
    return out;
}

static const char *range(evaluation_interval i, bool is_difference, char out[48]) {
    if (isnan(i.low))
        return "-";
    if (is_difference)
        snprintf(out, 48, "%+.1f to %+.1f", 100 * i.low, 100 * i.high);
    else
        snprintf(out, 48, "%.1f to %.1f", 100 * i.low, 100 * i.high);
    return out;
}

static const char *p_text(double p, char out[32]) {
    if (p < 0.001)
        return "<0.001";
    snprintf(out, 32, "%.3f", p);
    return out;
}

static const char *megabytes(uint64_t size_bytes, char out[32]) {
    if (size_bytes == 0)
        return "-";
    snprintf(out, 32, "%.0f", (double)size_bytes / 1e6);
    return out;
}

static const double *figures_of(const compare_row *row) {
    return row->evaluation->figures;
}

/* ---- the table --------------------------------------------------------------------------------
 */

static void put_row(const comparison *c, const compare_row *row, int width, buf *out) {
    char text[7][48];
    bool is_reference = row == &c->rows[c->reference];
    const evaluation *e = row->evaluation;
    char difference[32] = "-";
    if (!is_reference)
        snprintf(difference, sizeof difference, "%+.1f", 100 * row->difference);
    buf_printf(out, "%-*.*s  %8s  %-14s  %8s  %10s  %-14s  %7s  %9.3g  %8s  %8s\n", width, width,
               row->entry->name, percent(e->figures[FIGURE_ACCURACY], text[0]),
               range(e->intervals[FIGURE_ACCURACY], false, text[1]),
               percent(e->figures[FIGURE_MACRO_F1], text[2]), difference,
               is_reference ? "-" : range(row->interval, true, text[3]),
               is_reference ? "-" : p_text(row->p, text[4]), compare_seconds_per_1000(row),
               megabytes(row->entry->cost.model_bytes, text[5]),
               megabytes(row->entry->cost.memory_bytes, text[6]));
}

static int name_width(const comparison *c) {
    size_t longest = strlen("entry");
    for (size_t i = 0; i < c->n; i++)
        if (strlen(c->rows[i].entry->name) > longest)
            longest = strlen(c->rows[i].entry->name);
    return longest > 60 ? 60 : (int)longest;
}

/* The entry that answers soonest among those that cannot be told from the reference. */
static const compare_row *quickest_equal(const comparison *c) {
    const compare_row *best = &c->rows[c->reference];
    for (size_t i = 0; i < c->n; i++)
        if (c->rows[i].p >= level &&
            compare_seconds_per_1000(&c->rows[i]) < compare_seconds_per_1000(best))
            best = &c->rows[i];
    return best;
}

static bool all_embedded(const comparison *c) {
    for (size_t i = 0; i < c->n; i++)
        if (isnan(c->rows[i].entry->cost.embed_seconds))
            return false;
    return true;
}

static void put_conclusion(const comparison *c, buf *out) {
    const char *reference = c->rows[c->reference].entry->name;
    size_t n_worse = 0, n_better = 0;
    for (size_t i = 0; i < c->n; i++) {
        n_worse += c->rows[i].p < level && c->rows[i].difference < 0;
        n_better += c->rows[i].p < level && c->rows[i].difference > 0;
    }
    size_t n_equal = c->n - 1 - n_worse - n_better;
    if (c->n == 1)
        return;
    buf_printf(out, "'%s' is %s: ", reference,
               c->options.against_first ? "the first, which the others are measured against"
                                        : "right most often");
    buf_printf(out, "%zu of the %zu others %s worse", n_worse, c->n - 1,
               n_worse == 1 ? "is" : "are");
    if (n_better)
        buf_printf(out, ", %zu better", n_better);
    buf_printf(out, ", and %zu could be as good (p of 0.05 or more)\n", n_equal);
    const compare_row *quickest = quickest_equal(c);
    if (n_equal && all_embedded(c) && quickest != &c->rows[c->reference])
        buf_printf(out, "of those that could be as good, '%s' takes the least time\n",
                   quickest->entry->name);
}

static void put_notes(const comparison *c, buf *out) {
    buf_printf(out,
               "%zu labelled images that all have; %zu labelled ones that some lack and %zu "
               "without a label are left out\n",
               c->n_compared, c->n_left_out, c->n_unlabelled);
    buf_puts(out, "p: McNemar's test on the images that only one of the two gets right (mid-p), "
                  "corrected by Holm\n");
    if (c->options.n_resamples)
        buf_printf(out, "intervals: 95%% of %zu bootstrap resamples of the images, seed %llu\n",
                   c->options.n_resamples, (unsigned long long)c->options.seed);
    if (!all_embedded(c))
        buf_puts(out, "vectors that were stored before cost no time here; name models and images "
                      "to measure embedding, too\n");
}

ken_status comparison_put_text(const comparison *c, buf *out, ken_error *err) {
    int width = name_width(c);
    buf_printf(out, "%-*s  %8s  %-14s  %8s  %10s  %-14s  %7s  %9s  %8s  %8s\n", width, "entry",
               "accuracy", "95% interval", "macro F1", "difference", "95% interval", "p", "s/1,000",
               "model MB", "peak MB");
    for (size_t i = 0; i < c->n; i++)
        put_row(c, &c->rows[i], width, out);
    put_conclusion(c, out);
    put_notes(c, out);
    return buf_check(out, err);
}

/* ---- CSV and JSON -----------------------------------------------------------------------------
 */

/* A row's texts and numbers under the names that both formats use. */
enum { n_texts = 5, n_numbers = 20 };
typedef struct cells {
    const char *texts[n_texts];
    double numbers[n_numbers];
} cells;
static const char *const text_names[n_texts] = {"name", "decider", "data", "model", "precision"};
static const char *const number_names[n_numbers] = {
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
    "mean_per_class_recall",
    "mean_average_precision",
    "difference",
    "difference_low",
    "difference_high",
    "n_only_this",
    "n_only_reference",
    "p_exact",
    "p_mid",
    "p_holm",
    "embed_seconds_per_1000",
    "decide_seconds_per_1000",
    "model_bytes",
    "memory_bytes",
};

static cells cells_of(const compare_row *row) {
    const evaluation *e = row->evaluation;
    const compare_entry *entry = row->entry;
    const compare_cost *cost = &entry->cost;
    const evaluation_interval *i = e->intervals;
    const double *f = figures_of(row);
    return (cells){
        .texts = {entry->name, entry->decider, entry->data, entry->model,
                  entry->samples->meta.precision},
        .numbers = {f[FIGURE_ACCURACY],
                    i[FIGURE_ACCURACY].low,
                    i[FIGURE_ACCURACY].high,
                    f[FIGURE_MACRO_F1],
                    i[FIGURE_MACRO_F1].low,
                    i[FIGURE_MACRO_F1].high,
                    f[FIGURE_MEAN_RECALL],
                    f[FIGURE_MEAN_AVERAGE_PRECISION],
                    row->difference,
                    row->interval.low,
                    row->interval.high,
                    (double)row->n_only_this,
                    (double)row->n_only_ref,
                    row->test.p_exact,
                    row->test.p_mid,
                    row->p,
                    1000 * cost->embed_seconds / (double)cost->n_embedded,
                    1000 * row->decide_seconds / (double)e->n_labelled,
                    cost->model_bytes ? (double)cost->model_bytes : NAN,
                    cost->memory_bytes ? (double)cost->memory_bytes : NAN},
    };
}

ken_status comparison_put_csv(const comparison *c, buf *out, ken_error *err) {
    for (size_t i = 0; i < n_texts; i++)
        buf_printf(out, "%s,", text_names[i]);
    for (size_t i = 0; i < n_numbers; i++)
        buf_printf(out, "%s%s", number_names[i], i + 1 < n_numbers ? "," : "\n");
    for (size_t r = 0; r < c->n; r++) {
        cells row = cells_of(&c->rows[r]);
        for (size_t i = 0; i < n_texts; i++) {
            const char *text = row.texts[i] ? row.texts[i] : "";
            buf_put_csv(out, text, strlen(text));
            buf_putc(out, ',');
        }
        for (size_t i = 0; i < n_numbers; i++) {
            if (isfinite(row.numbers[i]))
                buf_printf(out, "%.12g", row.numbers[i]);
            buf_putc(out, i + 1 < n_numbers ? ',' : '\n');
        }
    }
    return buf_check(out, err);
}

static void put_object(const compare_row *row, buf *out) {
    cells c = cells_of(row);
    for (size_t i = 0; i < n_texts; i++) {
        const char *text = c.texts[i] ? c.texts[i] : "";
        buf_printf(out, "%s\"%s\":", i ? "," : "{", text_names[i]);
        buf_put_json(out, text, strlen(text));
    }
    for (size_t i = 0; i < n_numbers; i++) {
        if (isfinite(c.numbers[i]))
            buf_printf(out, ",\"%s\":%.12g", number_names[i], c.numbers[i]);
        else
            buf_printf(out, ",\"%s\":null", number_names[i]);
    }
    buf_printf(out, ",\"n_lacking\":%zu}", row->n_lacking);
}

ken_status comparison_put_json(const comparison *c, buf *out, ken_error *err) {
    const char *reference = c->rows[c->reference].entry->name;
    buf_puts(out, "{\"reference\":");
    buf_put_json(out, reference, strlen(reference));
    buf_printf(out,
               ",\"n_compared\":%zu,\"n_left_out\":%zu,\"n_unlabelled\":%zu,\"level\":0.95,"
               "\"n_resamples\":%zu,\"seed\":%llu,\"entries\":[",
               c->n_compared, c->n_left_out, c->n_unlabelled, c->options.n_resamples,
               (unsigned long long)c->options.seed);
    for (size_t i = 0; i < c->n; i++) {
        buf_puts(out, i ? ",\n " : "\n ");
        put_object(&c->rows[i], out);
    }
    buf_puts(out, "\n]}\n");
    return buf_check(out, err);
}

/* ---- warnings ---------------------------------------------------------------------------------
 */

ken_status comparison_put_warnings(const comparison *c, buf *out, ken_error *err) {
    const char *first;
    size_t n_unused = labels_unused(c->rows[0].evaluation->labels, &first, 1);
    if (n_unused)
        buf_printf(out, "%zu labelled %s not among the images, such as '%.200s'\n", n_unused,
                   n_unused == 1 ? "id is" : "ids are", first);
    for (size_t r = 0; r < c->n; r++) {
        const evaluation *e = c->rows[r].evaluation;
        if (e->n_classes > e->n_answers)
            buf_printf(out,
                       "'%.200s': %zu labels are no category, and right when nothing matches, such "
                       "as '%.200s'\n",
                       c->rows[r].entry->name, e->n_classes - e->n_answers,
                       e->classes[e->n_answers].name);
    }
    return buf_check(out, err);
}
