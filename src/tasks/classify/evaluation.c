/* tasks/classify/evaluation.c: gathering what images show and what they were taken for. Counting is
 * in observations.c, intervals in evaluation_bootstrap.c, output in evaluation_output.c. */
#include "tasks/classify/evaluation.h"

#include "tasks/classify/observations.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { max_other_labels = 4096 };

/* ---- making -----------------------------------------------------------------------------------
 */

static ken_status begin(evaluation *e, ken_error *err) {
    observations *seen = e->observations = mem_zalloc(1, sizeof *seen);
    if (!seen)
        return error_no_memory(err, sizeof *seen);
    buf *const parts[] = {&seen->images, &seen->truths, &seen->answers, &seen->scores};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        buf_init(parts[i], SIZE_MAX / 4);
    uint32_t class;
    for (size_t i = 0; i < e->rules->n_categories; i++) {
        const char *name = e->rules->categories[i].name;
        TRY(text_index_add(&seen->classes, name, strlen(name), &class, err));
    }
    /* An ad hoc class may have the name that stands for none: then it is the label's class. */
    const char *none = e->rules->none_label;
    bool taken = text_index_find(&seen->classes, none, strlen(none)) != SIZE_MAX;
    return text_index_add(&seen->classes, taken ? "" : none, taken ? 0 : strlen(none), &class, err);
}

ken_status evaluation_new(const rules *r, const labels *l, evaluation **out, ken_error *err) {
    *out = NULL;
    evaluation *e = mem_zalloc(1, sizeof *e);
    if (!e)
        return error_no_memory(err, sizeof *e);
    e->rules = r;
    e->labels = l;
    e->n_answers = r->n_categories + 1;
    ken_status status = begin(e, err);
    if (status == KEN_OK)
        *out = e;
    else
        evaluation_free(e);
    return status;
}

void evaluation_free(evaluation *e) {
    if (!e)
        return;
    if (e->observations) {
        buf_free(&e->observations->images);
        buf_free(&e->observations->truths);
        buf_free(&e->observations->answers);
        buf_free(&e->observations->scores);
        text_index_reset(&e->observations->classes);
        mem_free(e->observations);
    }
    mem_free(e->classes);
    mem_free(e->confusion);
    mem_free(e);
}

/* ---- adding -----------------------------------------------------------------------------------
 */

static ken_status add_truths(evaluation *e, const label_set *set, ken_error *err) {
    observations *seen = e->observations;
    for (size_t i = 0; i < set->n; i++) {
        uint32_t class;
        TRY(text_index_add(&seen->classes, set->items[i].text, set->items[i].size, &class, err));
        if (class - e->n_answers == max_other_labels)
            return error_set(err, KEN_TOO_LARGE,
                             "more than %d different labels are not categories, such as '%s'",
                             max_other_labels, seen->classes.texts[class]);
        buf_append(&seen->truths, &class, sizeof class);
    }
    return KEN_OK;
}

/* The answers: the best match, or all of them when images have several labels; none is one, too. */
static void add_answers(const evaluation *e, const verdict *verdicts, observed *one) {
    buf *answers = &e->observations->answers;
    size_t n = e->rules->n_categories, limit = e->labels->several ? n : 1;
    for (size_t i = 0; i < limit && verdicts[i].test == VERDICT_MATCHED; i++) {
        buf_append(answers, &verdicts[i].category, sizeof verdicts[i].category);
        one->n_answers++;
    }
    if (one->n_answers == 0) {
        uint32_t none = (uint32_t)n;
        buf_append(answers, &none, sizeof none);
        one->n_answers = 1;
    }
}

/* Are the answers all that should be, and no more? */
static bool is_right(const evaluation *e, const observed *one) {
    const uint32_t *truths = (const uint32_t *)e->observations->truths.data +
                             e->observations->truths.size / sizeof *truths - one->n_truths;
    const uint32_t *answers = (const uint32_t *)e->observations->answers.data +
                              e->observations->answers.size / sizeof *answers - one->n_answers;
    uint32_t none = (uint32_t)e->rules->n_categories;
    size_t n_wanted = 0, n_hit = 0;
    for (size_t i = 0; i < one->n_truths; i++)
        for (size_t j = 0; j < one->n_answers && truths[i] < none; j++)
            n_hit += answers[j] == truths[i];
    for (size_t i = 0; i < one->n_truths; i++)
        n_wanted += truths[i] < none;
    if (n_wanted == 0)
        return answers[0] == none;
    return n_hit == n_wanted && one->n_answers == n_wanted;
}

/* Scores by category, and the label's place among them. */
static void add_scores(const evaluation *e, const verdict *verdicts, observed *one) {
    buf *out = &e->observations->scores;
    size_t n = e->rules->n_categories;
    float *scores = buf_reserve(out, n * sizeof *scores);
    if (!scores)
        return;
    out->size += n * sizeof *scores;
    for (size_t i = 0; i < n; i++)
        scores[verdicts[i].category] = verdicts[i].score;
    uint32_t truth =
        ((const uint32_t *)
             e->observations->truths.data)[e->observations->truths.size / sizeof truth - 1];
    if (e->labels->several || truth >= n)
        return;
    one->place = 1;
    for (size_t i = 0; i < n; i++)
        one->place += scores[i] > scores[truth] || (scores[i] == scores[truth] && i < truth);
}

ken_status evaluation_add(evaluation *e, const char *id, const char *path, const verdict *verdicts,
                          ken_error *err) {
    observations *seen = e->observations;
    label_set set;
    labels_of(e->labels, id, path, &set);
    if (e->n_images++ == 0)
        snprintf(seen->example_id, sizeof seen->example_id, "%.100s", id);
    if (set.n == 0)
        return KEN_OK;
    observed one = {.n_truths = (uint32_t)set.n};
    TRY(add_truths(e, &set, err));
    add_answers(e, verdicts, &one);
    TRY(buf_check(&seen->truths, err));
    TRY(buf_check(&seen->answers, err));
    add_scores(e, verdicts, &one);
    TRY(buf_check(&seen->scores, err));
    one.right = is_right(e, &one);
    buf_append(&seen->images, &one, sizeof one);
    seen->n++;
    return buf_check(&seen->images, err);
}

/* ---- figures ----------------------------------------------------------------------------------
 */

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

static void fill_class(const evaluation *e, const tally *t, size_t i) {
    size_t none = e->n_answers - 1;
    evaluation_class *c = &e->classes[i];
    c->name = i == none ? e->rules->none_label : e->observations->classes.texts[i];
    c->n_labelled = t->n_labelled[i];
    c->n_predicted = t->n_predicted[i];
    c->n_right = t->n_right[i];
    size_t n_right = c->n_right, n_labelled = c->n_labelled;
    /* What was rightly left alone may carry none_label or a label that is no category. */
    for (size_t other = e->n_answers; i == none && other < e->n_classes; other++) {
        n_right += t->n_right[other];
        n_labelled += t->n_labelled[other];
    }
    c->precision = ratio(n_right, c->n_predicted);
    c->recall = ratio(n_right, n_labelled);
    /* A label that is no category can be no answer. */
    c->f1 = i > none ? NAN : ratio(2 * n_right, c->n_predicted + n_labelled);
    c->average_precision = NAN;
}

static void fill_confusion(evaluation *e) {
    const observations *seen = e->observations;
    const uint32_t *truths = (const uint32_t *)seen->truths.data;
    const uint32_t *answers = (const uint32_t *)seen->answers.data;
    for (size_t i = 0; i < seen->n; i++)
        e->confusion[truths[i] * e->n_answers + answers[i]]++;
}

static ken_status rank_categories(evaluation *e, ken_error *err) {
    size_t n = e->observations->n, n_with_labels = 0;
    scored *sorted = mem_zalloc(n, sizeof *sorted);
    if (!sorted)
        return error_no_memory(err, n * sizeof *sorted);
    double sum = 0;
    for (size_t i = 0; i < e->rules->n_categories; i++) {
        if (e->classes[i].n_labelled == 0)
            continue;
        observations_sort(e, i, sorted);
        e->classes[i].average_precision = average_precision(sorted, n, NULL);
        sum += e->classes[i].average_precision;
        n_with_labels++;
    }
    mem_free(sorted);
    if (n_with_labels)
        e->figures[FIGURE_MEAN_AVERAGE_PRECISION] = sum / (double)n_with_labels;
    return KEN_OK;
}

static ken_status count(evaluation *e, ken_error *err) {
    e->n_classes = e->observations->classes.n;
    e->classes = mem_zalloc(e->n_classes, sizeof *e->classes);
    if (!e->labels->several)
        e->confusion = mem_zalloc(e->n_classes * e->n_answers, sizeof *e->confusion);
    if (!e->classes || (!e->labels->several && !e->confusion))
        return error_no_memory(err, e->n_classes * e->n_answers * sizeof *e->confusion);
    tally t;
    TRY(tally_init(&t, e->n_classes, err));
    tally_count(&t, e, NULL);
    e->n_labelled = t.n;
    e->n_right = t.n_exact;
    tally_figures(&t, e, e->figures);
    for (size_t i = 0; i < e->n_classes; i++)
        fill_class(e, &t, i);
    tally_reset(&t);
    if (e->confusion)
        fill_confusion(e);
    return rank_categories(e, err);
}

ken_status evaluation_finish(evaluation *e, const evaluation_options *options, ken_error *err) {
    const observations *seen = e->observations;
    if (seen->n == 0)
        return labels_fail_none(e->labels, e->n_images, e->n_images ? seen->example_id : NULL, err);
    TRY(count(e, err));
    return evaluation_bootstrap(e, options, err);
}

bool evaluation_was_right(const evaluation *e, size_t n) {
    return ((const observed *)e->observations->images.data)[n].right;
}

ken_status evaluation_of_results(const results *r, const labels *l,
                                 const evaluation_options *options, evaluation **out,
                                 ken_error *err) {
    *out = NULL;
    const rules *by = r->classifier->rules;
    verdict *verdicts = mem_zalloc(by->n_categories, sizeof *verdicts);
    if (!verdicts)
        return error_no_memory(err, by->n_categories * sizeof *verdicts);
    evaluation *e = NULL;
    ken_status status = evaluation_new(by, l, &e, err);
    for (size_t i = 0; i < r->samples->n && status == KEN_OK; i++) {
        results_matches(r, i, verdicts);
        status = evaluation_add(e, r->samples->ids[i], r->samples->paths[i], verdicts, err);
    }
    if (status == KEN_OK)
        status = evaluation_finish(e, options, err);
    mem_free(verdicts);
    if (status == KEN_OK)
        *out = e;
    else
        evaluation_free(e);
    return status;
}
