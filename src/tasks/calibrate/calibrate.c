/* tasks/calibrate/calibrate.c: folds, fits and counts. Text is in calibrate_output.c. */
#include "tasks/calibrate/calibrate.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- counts -----------------------------------------------------------------------------------
 */

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : NAN;
}

double counts_precision(const calibrated_counts *c) {
    return ratio(c->n_right, c->n_matched);
}

double counts_recall(const calibrated_counts *c) {
    return ratio(c->n_right, c->n_labelled);
}

double counts_f1(const calibrated_counts *c) {
    return ratio(2 * c->n_right, c->n_matched + c->n_labelled);
}

/* ---- the labelled images ----------------------------------------------------------------------
 */

/* An image's place in the deal: by label, at random within one. */
typedef struct dealt {
    uint64_t stratum, order;
    uint32_t image;
} dealt;

/* An image in a category's column. */
typedef struct entry {
    float score;
    uint32_t image;
} entry;

/* The arrays over images are [n], over images and categories [n, n_categories]. */
typedef struct work {
    const results *r;
    rules *rules;
    const labels *labels;
    calibrated *c;
    size_t n, n_categories;
    size_t *samples; /* of the labelled images */
    uint32_t *folds;
    float *scores;
    bool *own;         /* the category is among the image's labels */
    bool *can_pass;    /* a threshold decides: the neutral test is passed */
    verdict *verdicts; /* [n_categories] */
    entry *column;     /* [n] one category, by descending score */
    candidate *candidates;
    labelled_score *ascending;
    float *fold_thresholds; /* [n_folds, n_categories] */
} work;

static int by_deal(const void *a, const void *b) {
    const dealt *x = a, *y = b;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

/* Images of one label go round the folds, so that each fold has its share. */
static ken_status deal(work *w, ken_error *err) {
    dealt *cards = mem_zalloc(w->n, sizeof *cards);
    if (!cards)
        return error_no_memory(err, w->n * sizeof *cards);
    for (size_t i = 0; i < w->n; i++) {
        size_t stratum = 0;
        while (stratum < w->n_categories && !w->own[i * w->n_categories + stratum])
            stratum++;
        cards[i] = (dealt){stratum, random_at(w->c->options.seed, i), (uint32_t)i};
    }
    qsort(cards, w->n, sizeof *cards, by_deal);
    for (size_t i = 0; i < w->n; i++)
        w->folds[cards[i].image] = (uint32_t)(i % w->c->options.n_folds);
    mem_free(cards);
    return KEN_OK;
}

/* Where only the best category matches, a threshold decides over the images whose best it is. Those
 * that match a second one because the best fell below its own threshold are left out of the fit,
 * but not of the estimate. */
static void keep_best(work *w, size_t first) {
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < w->n_categories; k++)
        if (w->can_pass[first + k] &&
            (best == SIZE_MAX || w->scores[first + k] > w->scores[first + best]))
            best = k;
    for (size_t k = 0; k < w->n_categories; k++)
        w->can_pass[first + k] = k == best;
}

static void read_image(work *w, size_t i, const label_set *set) {
    size_t first = i * w->n_categories;
    results_matches(w->r, w->samples[i], w->verdicts);
    for (size_t k = 0; k < w->n_categories; k++) {
        const verdict *v = &w->verdicts[k];
        w->scores[first + v->category] = v->score;
        w->can_pass[first + v->category] = classifier_beats_neutral(w->r->classifier, v);
        w->own[first + k] = label_set_has(set, w->rules->categories[k].name);
    }
    if (!w->rules->multiple)
        keep_best(w, first);
}

static ken_status allocate(work *w, ken_error *err) {
    size_t cells = w->n * w->n_categories;
    w->folds = mem_zalloc(w->n, sizeof *w->folds);
    w->scores = mem_zalloc(cells, sizeof *w->scores);
    w->own = mem_zalloc(cells, sizeof *w->own);
    w->can_pass = mem_zalloc(cells, sizeof *w->can_pass);
    w->verdicts = mem_zalloc(w->n_categories, sizeof *w->verdicts);
    w->column = mem_zalloc(w->n, sizeof *w->column);
    w->candidates = mem_zalloc(w->n, sizeof *w->candidates);
    w->ascending = mem_zalloc(w->n, sizeof *w->ascending);
    w->fold_thresholds =
        mem_zalloc(w->c->options.n_folds * w->n_categories, sizeof *w->fold_thresholds);
    if (w->folds && w->scores && w->own && w->can_pass && w->verdicts && w->column &&
        w->candidates && w->ascending && w->fold_thresholds)
        return KEN_OK;
    return error_no_memory(err, cells * (sizeof *w->scores + 2));
}

static void release(work *w) {
    mem_free(w->samples);
    mem_free(w->folds);
    mem_free(w->scores);
    mem_free(w->own);
    mem_free(w->can_pass);
    mem_free(w->verdicts);
    mem_free(w->column);
    mem_free(w->candidates);
    mem_free(w->ascending);
    mem_free(w->fold_thresholds);
}

static ken_status read_images(work *w, ken_error *err) {
    const samples *s = w->r->samples;
    w->samples = mem_zalloc(s->n, sizeof *w->samples);
    if (!w->samples)
        return error_no_memory(err, s->n * sizeof *w->samples);
    label_set set;
    for (size_t i = 0; i < s->n; i++) {
        labels_of(w->labels, s->ids[i], s->paths[i], &set);
        if (set.n)
            w->samples[w->n++] = i;
    }
    w->c->n_images = s->n;
    w->c->n_labelled = w->n;
    if (w->n == 0)
        return labels_fail_none(w->labels, s->n, s->n ? s->ids[0] : NULL, err);
    TRY(allocate(w, err));
    for (size_t i = 0; i < w->n; i++) {
        labels_of(w->labels, s->ids[w->samples[i]], s->paths[w->samples[i]], &set);
        read_image(w, i, &set);
    }
    return deal(w, err);
}

/* ---- fitting ----------------------------------------------------------------------------------
 */

static int by_score(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static void sort_column(work *w, size_t category) {
    for (size_t i = 0; i < w->n; i++)
        w->column[i] = (entry){w->scores[i * w->n_categories + category], (uint32_t)i};
    qsort(w->column, w->n, sizeof *w->column, by_score);
}

/* On the images outside of `fold`; all when there is no such fold. */
static threshold_fit fit(work *w, size_t category, size_t fold) {
    size_t n = 0, n_positive = 0;
    for (size_t i = 0; i < w->n; i++) {
        size_t cell = w->column[i].image * w->n_categories + category;
        if (w->folds[w->column[i].image] == fold)
            continue;
        n_positive += w->own[cell];
        if (w->can_pass[cell])
            w->candidates[n++] = (candidate){w->column[i].score, w->own[cell]};
    }
    return threshold_find(w->candidates, n, n_positive, &w->c->options.goal);
}

/* The threshold of a category for each fold, and for all images. The column is sorted. */
static void fit_thresholds(work *w, size_t category) {
    calibrated_category *out = &w->c->categories[category];
    size_t n_folds = w->c->options.n_folds;
    float before = w->rules->categories[category].threshold;
    for (size_t f = 0; f < n_folds; f++)
        w->fold_thresholds[f * w->n_categories + category] = before;
    out->threshold = out->threshold_before = (double)before;
    if (out->state != CALIBRATION_FITTED)
        return;
    threshold_fit whole = fit(w, category, n_folds);
    if (!whole.reached) {
        out->state = CALIBRATION_NOT_REACHED;
        out->best_precision = whole.best_precision;
        return;
    }
    out->threshold = threshold_choose(&whole, out->text);
    w->c->n_fitted++;
    for (size_t f = 0; f < n_folds; f++) {
        char text[THRESHOLD_TEXT_BYTES];
        threshold_fit part = fit(w, category, f);
        w->fold_thresholds[f * w->n_categories + category] =
            part.reached ? (float)threshold_choose(&part, text) : INFINITY;
    }
}

/* ---- probabilities ----------------------------------------------------------------------------
 */

static void note_probability(reliability *r, double p, bool positive) {
    size_t bin = (size_t)(p * CALIBRATE_BINS);
    bin = bin < CALIBRATE_BINS ? bin : CALIBRATE_BINS - 1;
    r->bins[bin].n++;
    r->bins[bin].n_positive += positive;
    r->bins[bin].sum += p;
    r->brier += (p - positive) * (p - positive);
    /* A certain and wrong answer costs much, but not everything. */
    r->log_loss -= log(fmax(positive ? p : 1 - p, 1e-15));
}

/* The images outside of `fold` by ascending score; their number. */
static size_t training_scores(work *w, size_t category, size_t fold) {
    size_t n = 0;
    for (size_t i = w->n; i-- > 0;) {
        uint32_t at = w->column[i].image;
        if (w->folds[at] != fold)
            w->ascending[n++] =
                (labelled_score){w->column[i].score, w->own[at * w->n_categories + category]};
    }
    return n;
}

static ken_status fit_probability(work *w, size_t category, ken_error *err) {
    calibrated_category *out = &w->c->categories[category];
    for (size_t f = 0; f < w->c->options.n_folds; f++) {
        isotonic steps;
        size_t n = training_scores(w, category, f);
        platt curve = platt_fit(w->ascending, n);
        TRY(isotonic_fit(w->ascending, n, &steps, err));
        for (size_t i = 0; i < w->n; i++) {
            if (w->folds[i] != f)
                continue;
            size_t cell = i * w->n_categories + category;
            double score = w->scores[cell];
            note_probability(&out->platt_reliability, platt_at(&curve, score), w->own[cell]);
            note_probability(&out->isotonic_reliability, isotonic_at(&steps, score), w->own[cell]);
        }
        isotonic_reset(&steps);
    }
    reliability *const both[] = {&out->platt_reliability, &out->isotonic_reliability};
    for (size_t i = 0; i < 2; i++) {
        both[i]->brier /= (double)w->n;
        both[i]->log_loss /= (double)w->n;
    }
    size_t n = training_scores(w, category, w->c->options.n_folds);
    out->platt = platt_fit(w->ascending, n);
    out->has_probability = true;
    return isotonic_fit(w->ascending, n, &out->isotonic, err);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static ken_status fit_category(work *w, size_t category, ken_error *err) {
    calibrated_category *out = &w->c->categories[category];
    size_t n_folds = w->c->options.n_folds;
    out->name = w->rules->categories[category].name;
    for (size_t i = 0; i < w->n; i++)
        out->n_own += w->own[i * w->n_categories + category];
    out->n_other = w->n - out->n_own;
    bool enough = out->n_own >= n_folds && out->n_other >= n_folds;
    out->state = enough ? CALIBRATION_FITTED : CALIBRATION_TOO_FEW;
    sort_column(w, category);
    fit_thresholds(w, category);
    return enough ? fit_probability(w, category, err) : KEN_OK;
}

static void count_image(work *w, size_t i, bool before) {
    results_matches(w->r, w->samples[i], w->verdicts);
    for (size_t k = 0; k < w->n_categories; k++) {
        size_t category = w->verdicts[k].category;
        calibrated_category *c = &w->c->categories[category];
        calibrated_counts *counts = before ? &c->before : &c->expected;
        bool own = w->own[i * w->n_categories + category];
        bool matched = w->verdicts[k].test == VERDICT_MATCHED;
        counts->n_labelled += own;
        counts->n_matched += matched;
        counts->n_right += own && matched;
    }
}

static void set_thresholds(work *w, const float *thresholds) {
    for (size_t k = 0; k < w->n_categories; k++)
        w->rules->categories[k].threshold =
            thresholds ? thresholds[k] : (float)w->c->categories[k].threshold_before;
}

static void count_all(work *w) {
    for (size_t i = 0; i < w->n; i++)
        count_image(w, i, true);
    for (size_t f = 0; f < w->c->options.n_folds; f++) {
        set_thresholds(w, w->fold_thresholds + f * w->n_categories);
        for (size_t i = 0; i < w->n; i++)
            if (w->folds[i] == f)
                count_image(w, i, false);
    }
    set_thresholds(w, NULL);
}

static ken_status check_fitted(const calibrated *c, ken_error *err) {
    if (c->n_fitted)
        return KEN_OK;
    size_t n_few = 0;
    for (size_t i = 0; i < c->n_categories; i++)
        n_few += c->categories[i].state == CALIBRATION_TOO_FEW;
    ken_status status = error_set(err, KEN_BAD_FORMAT,
                                  "no category could be fitted: %zu of %zu have too few labels",
                                  n_few, c->n_categories);
    return error_hint(err, status,
                      "each needs at least %zu labelled images of its own and %zu of others",
                      c->options.n_folds, c->options.n_folds);
}

static ken_status run(work *w, ken_error *err) {
    TRY(read_images(w, err));
    w->c->n_categories = w->n_categories;
    w->c->categories = mem_zalloc(w->n_categories, sizeof *w->c->categories);
    if (!w->c->categories)
        return error_no_memory(err, w->n_categories * sizeof *w->c->categories);
    for (size_t k = 0; k < w->n_categories; k++)
        TRY(fit_category(w, k, err));
    TRY(check_fitted(w->c, err));
    count_all(w);
    return KEN_OK;
}

ken_status calibrate(const results *r, rules *by, const labels *l, const calibrate_options *options,
                     calibrated **out, ken_error *err) {
    *out = NULL;
    calibrated *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err, sizeof *c);
    c->options = *options;
    work w = {.r = r, .rules = by, .labels = l, .c = c, .n_categories = by->n_categories};
    ken_status status = run(&w, err);
    release(&w);
    if (status == KEN_OK)
        *out = c;
    else
        calibrated_free(c);
    return status;
}

void calibrated_free(calibrated *c) {
    if (!c)
        return;
    for (size_t i = 0; c->categories && i < c->n_categories; i++)
        isotonic_reset(&c->categories[i].isotonic);
    mem_free(c->categories);
    mem_free(c);
}
