#include "tasks/classify/observations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting ---------------------------------------------------------------------------------
 */

ken_status tally_init(tally *t, size_t n_classes, ken_error *err) {
    *t = (tally){.n_labelled = mem_zalloc(4 * n_classes, sizeof *t->n_labelled)};
    if (!t->n_labelled)
        return error_no_memory(err, 4 * n_classes * sizeof *t->n_labelled);
    t->n_predicted = t->n_labelled + n_classes;
    t->n_right = t->n_predicted + n_classes;
    t->n_best_right = t->n_right + n_classes;
    return KEN_OK;
}

void tally_reset(tally *t) {
    mem_free(t->n_labelled);
    *t = (tally){0};
}

static bool contains(const uint32_t *items, size_t n, size_t item) {
    for (size_t i = 0; i < n; i++)
        if (items[i] == item)
            return true;
    return false;
}

/* One image's labels and answers, `weight` times. */
static void count_image(tally *t, const observed *o, const uint32_t *truths,
                        const uint32_t *answers, size_t none, size_t weight) {
    for (size_t i = 0; i < o->n_truths; i++) {
        size_t truth = truths[i];
        t->n_labelled[truth] += weight;
        if (contains(answers, o->n_answers, truth < none ? truth : none))
            t->n_right[truth] += weight;
    }
    for (size_t i = 0; i < o->n_answers; i++)
        t->n_predicted[answers[i]] += weight;
    t->n += weight;
    t->n_exact += o->right ? weight : 0;
    if (o->place == 0)
        return;
    t->n_ranked += weight;
    t->n_acc1 += o->place == 1 ? weight : 0;
    t->n_acc5 += o->place <= 5 ? weight : 0;
    t->n_best_right[truths[0]] += o->place == 1 ? weight : 0;
}

void tally_count(tally *t, const evaluation *e, const uint32_t *weights) {
    const observations *seen = e->observations;
    const observed *images = (const observed *)seen->images.data;
    const uint32_t *truths = (const uint32_t *)seen->truths.data;
    const uint32_t *answers = (const uint32_t *)seen->answers.data;
    memset(t->n_labelled, 0, 4 * e->n_classes * sizeof *t->n_labelled);
    t->n = t->n_exact = t->n_ranked = t->n_acc1 = t->n_acc5 = 0;
    for (size_t i = 0; i < seen->n; i++) {
        if (!weights || weights[i])
            count_image(t, &images[i], truths, answers, e->rules->n_categories,
                        weights ? weights[i] : 1);
        truths += images[i].n_truths;
        answers += images[i].n_answers;
    }
}

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

void tally_figures(const tally *t, const evaluation *e, double figures[N_FIGURES]) {
    size_t n_present = 0, right = 0, labelled_and_predicted = 0;
    double f1 = 0, recall = 0, best_recall = 0;
    for (size_t c = 0; c < e->rules->n_categories; c++) {
        right += t->n_right[c];
        labelled_and_predicted += t->n_labelled[c] + t->n_predicted[c];
        if (t->n_labelled[c] == 0)
            continue;
        n_present++;
        f1 += ratio(2 * t->n_right[c], t->n_labelled[c] + t->n_predicted[c]);
        recall += ratio(t->n_right[c], t->n_labelled[c]);
        best_recall += ratio(t->n_best_right[c], t->n_labelled[c]);
    }
    double n = n_present ? (double)n_present : NAN;
    figures[FIGURE_ACCURACY] = ratio(t->n_exact, t->n);
    figures[FIGURE_MACRO_F1] = f1 / n;
    figures[FIGURE_MICRO_F1] = n_present ? ratio(2 * right, labelled_and_predicted) : NAN;
    figures[FIGURE_MEAN_RECALL] = recall / n;
    figures[FIGURE_MEAN_AVERAGE_PRECISION] = NAN;
    figures[FIGURE_ACC1] = ratio(t->n_acc1, t->n_ranked);
    figures[FIGURE_ACC5] = e->rules->n_categories >= 5 ? ratio(t->n_acc5, t->n_ranked) : NAN;
    figures[FIGURE_ACC1_MEAN_RECALL] = t->n_ranked ? best_recall / n : NAN;
}

/* ---- average precision ------------------------------------------------------------------------
 */

static int by_score(const void *a, const void *b) {
    const scored *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

void observations_sort(const evaluation *e, size_t category, scored *out) {
    const observations *seen = e->observations;
    const observed *images = (const observed *)seen->images.data;
    const uint32_t *truths = (const uint32_t *)seen->truths.data;
    const float *scores = (const float *)seen->scores.data;
    size_t n_categories = e->rules->n_categories;
    for (size_t i = 0; i < seen->n; i++) {
        out[i] = (scored){scores[i * n_categories + category], (uint32_t)i,
                          contains(truths, images[i].n_truths, category)};
        truths += images[i].n_truths;
    }
    qsort(out, seen->n, sizeof *out, by_score);
}

double average_precision(const scored *sorted, size_t n, const uint32_t *weights) {
    size_t n_seen = 0, n_positive = 0;
    double sum = 0;
    for (size_t i = 0; i < n;) {
        size_t step = 0, end = i;
        for (; end < n && sorted[end].score == sorted[i].score; end++) {
            size_t weight = weights ? weights[sorted[end].image] : 1;
            n_seen += weight;
            step += sorted[end].positive ? weight : 0;
        }
        n_positive += step;
        if (step)
            sum += (double)step * (double)n_positive / (double)n_seen;
        i = end;
    }
    return n_positive ? sum / (double)n_positive : NAN;
}
