/* tasks/classify/evaluation_output.c: figures as a table, as JSON, as CLIP_benchmark's result file,
 * and what is odd about the labels. */
#include "base/suggest.h"
#include "tasks/classify/evaluation.h"

#include <math.h>
#include <string.h>

enum { max_named = 3, max_confusion_columns = 24 };

static const struct {
    const char *key, *title;
} figures[N_FIGURES] = {
    [FIGURE_ACCURACY] = {"accuracy", "accuracy"},
    [FIGURE_MACRO_F1] = {"macro_f1", "macro F1"},
    [FIGURE_MICRO_F1] = {"micro_f1", "micro F1"},
    [FIGURE_MEAN_RECALL] = {"mean_per_class_recall", "mean recall of the classes"},
    [FIGURE_MEAN_AVERAGE_PRECISION] = {"mean_average_precision", "mean average precision"},
    [FIGURE_ACC1] = {"acc1", "top-1 by score"},
    [FIGURE_ACC5] = {"acc5", "top-5 by score"},
    [FIGURE_ACC1_MEAN_RECALL] = {"acc1_mean_per_class_recall", "mean top-1 of the classes"},
};

/* ---- text -------------------------------------------------------------------------------------
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

static void put_figures(const evaluation *e, buf *out) {
    buf_printf(out, "\n%-26s   value%s\n", "figure", e->n_resamples ? "  95% interval" : "");
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (isnan(e->figures[i]))
            continue;
        buf_printf(out, "%-26s", figures[i].title);
        put_percent(e->figures[i], out);
        if (!isnan(e->intervals[i].low) && e->n_resamples)
            buf_printf(out, "  %.1f%% to %.1f%%", 100 * e->intervals[i].low,
                       100 * e->intervals[i].high);
        buf_putc(out, '\n');
    }
    if (e->n_resamples)
        buf_printf(out, "intervals: %zu bootstrap resamples of %zu images, seed %llu\n",
                   e->n_resamples, e->n_labelled, (unsigned long long)e->seed);
}

static void put_classes(const evaluation *e, int width, buf *out) {
    buf_printf(out, "\n%-*s  labels answers precision  recall      F1      AP\n", width, "class");
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
    buf_printf(out, "accuracy %.1f%% (%zu of %zu labelled images)\n",
               100 * e->figures[FIGURE_ACCURACY], e->n_right, e->n_labelled);
    put_figures(e, out);
    put_classes(e, width, out);
    if (e->confusion && e->n_answers <= max_confusion_columns)
        put_confusion(e, width, out);
    return buf_check(out, err);
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static void put_number(double value, buf *out) {
    if (isnan(value))
        buf_puts(out, "null");
    else
        buf_printf(out, "%.12g", value);
}

static void put_member(const char *key, double value, buf *out) {
    buf_printf(out, "\"%s\":", key);
    put_number(value, out);
    buf_putc(out, ',');
}

static void put_intervals(const evaluation *e, buf *out) {
    if (e->n_resamples == 0) {
        buf_puts(out, "\"intervals\":null,");
        return;
    }
    buf_printf(out,
               "\"intervals\":{\"level\":0.95,\"method\":\"percentile bootstrap\","
               "\"n_resamples\":%zu,\"n_images\":%zu,\"seed\":%llu",
               e->n_resamples, e->n_labelled, (unsigned long long)e->seed);
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (isnan(e->intervals[i].low))
            continue;
        buf_printf(out, ",\"%s\":[%.12g,%.12g]", figures[i].key, e->intervals[i].low,
                   e->intervals[i].high);
    }
    buf_puts(out, "},");
}

static void put_unused(const evaluation *e, buf *out) {
    const char *names[max_named];
    buf_printf(out, "\"n_unused_labels\":%zu,\"unused_labels\":[",
               labels_unused(e->labels, names, max_named));
    for (size_t i = 0; i < max_named && names[i]; i++) {
        buf_puts(out, i ? "," : "");
        buf_put_json(out, names[i], strlen(names[i]));
    }
    buf_puts(out, "],");
}

static void put_class_objects(const evaluation *e, buf *out) {
    buf_puts(out, "\"classes\":[");
    for (size_t i = 0; i < e->n_classes; i++) {
        const evaluation_class *c = &e->classes[i];
        buf_printf(out, "%s{\"label\":", i ? "," : "");
        buf_put_json(out, c->name, strlen(c->name));
        buf_printf(out, ",\"is_category\":%s,", i + 1 < e->n_answers ? "true" : "false");
        put_member("precision", c->precision, out);
        put_member("recall", c->recall, out);
        put_member("f1", c->f1, out);
        put_member("average_precision", c->average_precision, out);
        buf_printf(out, "\"n_labelled\":%zu,\"n_predicted\":%zu,\"n_right\":%zu}", c->n_labelled,
                   c->n_predicted, c->n_right);
    }
    buf_putc(out, ']');
}

static void put_matrix(const evaluation *e, buf *out) {
    buf_putc(out, '[');
    for (size_t i = 0; i < e->n_classes; i++) {
        for (size_t j = 0; j < e->n_answers; j++)
            buf_printf(out, "%s%zu", j ? "," : i ? ",[" : "[", e->confusion[i * e->n_answers + j]);
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

ken_status evaluation_put_json(const evaluation *e, buf *out, ken_error *err) {
    buf_putc(out, '{');
    for (size_t i = 0; i < N_FIGURES; i++)
        put_member(figures[i].key, e->figures[i], out);
    put_intervals(e, out);
    buf_printf(out, "\"several_labels\":%s,\"n_images\":%zu,\"n_labelled\":%zu,\"n_right\":%zu,",
               e->labels->several ? "true" : "false", e->n_images, e->n_labelled, e->n_right);
    put_unused(e, out);
    put_class_objects(e, out);
    buf_puts(out, ",\"confusion\":");
    if (e->confusion)
        put_matrix(e, out);
    else
        buf_puts(out, "null");
    buf_puts(out, "}\n");
    return buf_check(out, err);
}

ken_status evaluation_put_clip_benchmark(const evaluation *e, const char *dataset,
                                         const collection_meta *meta, buf *out, ken_error *err) {
    const char *const texts[][2] = {
        {"dataset", dataset},
        {"model", meta->model_id ? meta->model_id : ""},
        {"pretrained", meta->model_revision ? meta->model_revision : ""},
        {"task", "zeroshot_classification"}};
    buf_putc(out, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf_printf(out, "\"%s\": ", texts[i][0]);
        buf_put_json(out, texts[i][1], strlen(texts[i][1]));
        buf_puts(out, ", ");
    }
    buf_puts(out, "\"metrics\": {");
    if (!e->labels->several) {
        buf_puts(out, "\"acc1\": ");
        put_number(e->figures[FIGURE_ACC1], out);
        buf_puts(out, ", \"acc5\": ");
        put_number(e->figures[FIGURE_ACC5], out);
        buf_puts(out, ", \"mean_per_class_recall\": ");
        put_number(e->figures[FIGURE_ACC1_MEAN_RECALL], out);
        buf_puts(out, ", ");
    }
    buf_puts(out, "\"mean_average_precision\": ");
    put_number(e->figures[FIGURE_MEAN_AVERAGE_PRECISION], out);
    buf_puts(out, "}, \"language\": \"en\"}\n");
    return buf_check(out, err);
}

/* ---- warnings ---------------------------------------------------------------------------------
 */

static void warn_of_ids(const evaluation *e, buf *out) {
    const char *names[max_named];
    size_t n = labels_unused(e->labels, names, max_named);
    if (n == 0)
        return;
    buf_printf(out, "%zu labelled %s not among the images: ", n, n == 1 ? "id is" : "ids are");
    for (size_t i = 0; i < max_named && names[i]; i++)
        buf_printf(out, "%s'%.200s'", i ? ", " : "", names[i]);
    buf_puts(out, n > max_named ? " and more\n" : "\n");
}

static void warn_of_labels(const evaluation *e, buf *out) {
    size_t n = e->n_classes - e->n_answers;
    if (n == 0)
        return;
    buf_printf(out, "%zu %s no category, and right when nothing matches: ", n,
               n == 1 ? "label is" : "labels are");
    const char *categories[RULES_MAX_SUGGESTED];
    size_t n_categories = 0;
    for (size_t i = 0; i < e->rules->n_categories && n_categories < RULES_MAX_SUGGESTED; i++)
        categories[n_categories++] = e->rules->categories[i].name;
    for (size_t i = 0; i < n && i < max_named; i++) {
        const evaluation_class *c = &e->classes[e->n_answers + i];
        buf_printf(out, "%s'%.200s' (%zu images", i ? ", " : "", c->name, c->n_labelled);
        const char *closest = suggest_word(c->name, categories, n_categories);
        if (closest)
            buf_printf(out, "; did you mean '%.200s'?", closest);
        buf_putc(out, ')');
    }
    buf_puts(out, n > max_named ? " and more\n" : "\n");
}

static void warn_of_one_class(const evaluation *e, buf *out) {
    const char *only = NULL;
    for (size_t i = 0; i < e->n_classes; i++) {
        if (e->classes[i].n_labelled && only)
            return;
        if (e->classes[i].n_labelled)
            only = e->classes[i].name;
    }
    buf_printf(out,
               "every labelled image has the label '%.200s': precision and average precision say "
               "nothing\n",
               only);
}

ken_status evaluation_put_warnings(const evaluation *e, buf *out, ken_error *err) {
    warn_of_ids(e, out);
    warn_of_labels(e, out);
    warn_of_one_class(e, out);
    return buf_check(out, err);
}
