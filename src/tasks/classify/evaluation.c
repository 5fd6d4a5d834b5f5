#include "tasks/classify/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { max_other_labels = 4096 };

/* ---- classes ----------------------------------------------------------------------------------
 */

static size_t find_class(const evaluation *e, const char *name) {
    size_t i = 0;
    while (i < e->n_classes && strcmp(e->classes[i].name, name) != 0)
        i++;
    return i;
}

static ken_status name_classes(evaluation *e, const rules *r, const labels *l, size_t n_samples,
                               ken_error *err) {
    size_t capacity = r->n_categories + 1 + max_other_labels;
    e->classes = arena_array(&e->memory, capacity, sizeof *e->classes);
    if (!e->classes)
        return error_no_memory(err, capacity * sizeof *e->classes);
    for (size_t i = 0; i < r->n_categories; i++)
        e->classes[e->n_classes++].name = r->categories[i].name;
    e->classes[e->n_classes++].name = r->none_label;
    e->n_answers = e->n_classes;
    for (size_t i = 0; i < n_samples; i++) {
        const char *label = l->of_sample[i];
        if (!label || find_class(e, label) < e->n_classes)
            continue;
        if (e->n_classes - e->n_answers == max_other_labels)
            return error_set(err, KEN_TOO_LARGE,
                             "more than %d different labels are not categories, such as '%s'",
                             max_other_labels, label);
        e->classes[e->n_classes++].name = label;
    }
    return KEN_OK;
}

/* ---- average precision ------------------------------------------------------------------------
 */

typedef struct scored {
    float score;
    bool positive;
} scored;

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

/* `column` is [n] and gets sorted. */
static double average_precision(scored *column, size_t n, size_t n_positive) {
    if (n_positive == 0)
        return NAN;
    qsort(column, n, sizeof *column, by_score);
    double sum = 0;
    size_t seen_positive = 0;
    for (size_t i = 0; i < n;) {
        size_t step = 0, end = i;
        while (end < n && column[end].score == column[i].score)
            step += column[end++].positive;
        seen_positive += step;
        sum += (double)step / (double)n_positive * ((double)seen_positive / (double)end);
        i = end;
    }
    return sum;
}

/* ---- counting ---------------------------------------------------------------------------------
 */

/* Fills the confusion matrix, and scores [categories, n_labelled] for the average precision. */
static void count(evaluation *e, const results *r, const labels *l, verdict *verdicts,
                  scored *scores) {
    size_t n_categories = r->classifier->rules->n_categories;
    size_t none = n_categories, at = 0;
    for (size_t i = 0; i < r->samples->n; i++) {
        if (!l->of_sample[i])
            continue;
        results_decide(r, i, verdicts);
        size_t truth = find_class(e, l->of_sample[i]), answer = results_predicted(r, verdicts);
        e->confusion[truth * e->n_answers + answer]++;
        e->classes[truth].n_labelled++;
        e->classes[answer].n_predicted++;
        if (answer == (truth < none ? truth : none)) {
            e->classes[truth].n_right++;
            e->n_right++;
        }
        for (size_t k = 0; k < n_categories; k++) {
            size_t c = verdicts[k].category;
            scores[c * l->n_labelled + at] = (scored){verdicts[k].score, c == truth};
        }
        at++;
    }
}

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

static void summarize(evaluation *e, scored *scores) {
    size_t none = e->n_answers - 1, n_with_labels = 0;
    for (size_t i = 0; i < e->n_classes; i++) {
        evaluation_class *c = &e->classes[i];
        size_t n_right = c->n_right, n_labelled = c->n_labelled;
        /* What was rightly left alone may carry none_label or a label that is no category. */
        for (size_t other = e->n_answers; i == none && other < e->n_classes; other++) {
            n_right += e->classes[other].n_right;
            n_labelled += e->classes[other].n_labelled;
        }
        c->precision = ratio(n_right, c->n_predicted);
        c->recall = ratio(n_right, n_labelled);
        /* A label that is no category can be no answer. */
        c->f1 = i > none ? NAN : ratio(2 * n_right, c->n_predicted + n_labelled);
        c->average_precision = NAN;
        if (i >= none || c->n_labelled == 0)
            continue;
        c->average_precision =
            average_precision(scores + i * e->n_labelled, e->n_labelled, c->n_labelled);
        e->macro_f1 += c->f1;
        e->mean_average_precision += c->average_precision;
        n_with_labels++;
    }
    e->accuracy = ratio(e->n_right, e->n_labelled);
    e->macro_f1 = n_with_labels ? e->macro_f1 / (double)n_with_labels : NAN;
    e->mean_average_precision =
        n_with_labels ? e->mean_average_precision / (double)n_with_labels : NAN;
}

static ken_status evaluate(evaluation *e, const results *r, const labels *l, ken_error *err) {
    const rules *by = r->classifier->rules;
    TRY(name_classes(e, by, l, r->samples->n, err));
    e->n_labelled = l->n_labelled;
    e->n_unused_labels = l->n_unused;
    e->confusion = arena_array(&e->memory, e->n_classes * e->n_answers, sizeof *e->confusion);
    verdict *verdicts = mem_zalloc(by->n_categories, sizeof *verdicts);
    scored *scores = mem_zalloc(by->n_categories * l->n_labelled, sizeof *scores);
    ken_status status = KEN_OK;
    if (e->confusion && verdicts && scores) {
        count(e, r, l, verdicts, scores);
        summarize(e, scores);
    } else {
        status = error_no_memory(err, by->n_categories * l->n_labelled * sizeof *scores);
    }
    mem_free(verdicts);
    mem_free(scores);
    return status;
}

ken_status evaluation_new(const results *r, const labels *l, evaluation **out, ken_error *err) {
    *out = NULL;
    evaluation *e = mem_zalloc(1, sizeof *e);
    if (!e)
        return error_no_memory(err, sizeof *e);
    ken_status status = evaluate(e, r, l, err);
    if (status == KEN_OK)
        *out = e;
    else
        evaluation_free(e);
    return status;
}

void evaluation_free(evaluation *e) {
    if (!e)
        return;
    arena_free(&e->memory);
    mem_free(e);
}

/* ---- output -----------------------------------------------------------------------------------
 */

/* A percentage in 8 columns, or a dash. */
static void put_percent(double value, buf *out) {
    if (isnan(value))
        buf_puts(out, "       -");
    else
        buf_printf(out, " %6.1f%%", 100 * value);
}

static int name_width(const evaluation *e) {
    size_t width = 5;
    for (size_t i = 0; i < e->n_classes; i++)
        if (strlen(e->classes[i].name) > width)
            width = strlen(e->classes[i].name);
    return width > 40 ? 40 : (int)width;
}

static void put_confusion(const evaluation *e, int width, buf *out) {
    buf_printf(out, "\n%-*s  answers, in the same order\n", width, "label");
    for (size_t i = 0; i < e->n_classes; i++) {
        if (e->classes[i].n_labelled == 0)
            continue;
        buf_printf(out, "%-*.*s ", width, width, e->classes[i].name);
        for (size_t j = 0; j < e->n_answers; j++)
            buf_printf(out, " %4zu", e->confusion[i * e->n_answers + j]);
        buf_putc(out, '\n');
    }
}

ken_status evaluation_put_text(const evaluation *e, buf *out, ken_error *err) {
    int width = name_width(e);
    buf_printf(out, "accuracy %.1f%% (%zu of %zu labelled images)", 100 * e->accuracy, e->n_right,
               e->n_labelled);
    if (!isnan(e->mean_average_precision))
        buf_printf(out, ", macro F1 %.1f%%, mean average precision %.1f%%", 100 * e->macro_f1,
                   100 * e->mean_average_precision);
    buf_printf(out, "\n\n%-*s  labels answers precision  recall      F1      AP\n", width, "class");
    for (size_t i = 0; i < e->n_classes; i++) {
        const evaluation_class *c = &e->classes[i];
        if (c->n_labelled == 0 && c->n_predicted == 0)
            continue;
        buf_printf(out, "%-*.*s  %6zu %7zu ", width, width, c->name, c->n_labelled, c->n_predicted);
        put_percent(c->precision, out);
        put_percent(c->recall, out);
        put_percent(c->f1, out);
        put_percent(c->average_precision, out);
        buf_putc(out, '\n');
    }
    if (e->n_answers <= 24)
        put_confusion(e, width, out);
    return buf_check(out, err);
}

static void put_member(const char *key, double value, buf *out) {
    if (isnan(value))
        buf_printf(out, "\"%s\":null,", key);
    else
        buf_printf(out, "\"%s\":%.6g,", key, value);
}

ken_status evaluation_put_json(const evaluation *e, buf *out, ken_error *err) {
    buf_putc(out, '{');
    put_member("accuracy", e->accuracy, out);
    put_member("macro_f1", e->macro_f1, out);
    put_member("mean_average_precision", e->mean_average_precision, out);
    buf_printf(out, "\"n_labelled\":%zu,\"n_right\":%zu,\"n_unused_labels\":%zu,\"classes\":[",
               e->n_labelled, e->n_right, e->n_unused_labels);
    for (size_t i = 0; i < e->n_classes; i++) {
        const evaluation_class *c = &e->classes[i];
        buf_printf(out, "%s{\"label\":", i ? "," : "");
        buf_put_json(out, c->name, strlen(c->name));
        buf_putc(out, ',');
        put_member("precision", c->precision, out);
        put_member("recall", c->recall, out);
        put_member("f1", c->f1, out);
        put_member("average_precision", c->average_precision, out);
        buf_printf(out, "\"n_labelled\":%zu,\"n_predicted\":%zu}", c->n_labelled, c->n_predicted);
    }
    buf_puts(out, "],\"confusion\":[");
    for (size_t i = 0; i < e->n_classes; i++) {
        for (size_t j = 0; j < e->n_answers; j++)
            buf_printf(out, "%s%zu", j ? "," : i ? ",[" : "[", e->confusion[i * e->n_answers + j]);
        buf_putc(out, ']');
    }
    buf_puts(out, "]}\n");
    return buf_check(out, err);
}
