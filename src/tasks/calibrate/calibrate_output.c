/* tasks/calibrate/calibrate_output.c: what was fitted and what to expect of it: as a table, as
 * JSON, and what was not fitted or is not certain. */
#include "tasks/calibrate/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const goal_names[] = {
    [GOAL_F1] = "f1", [GOAL_PRECISION] = "precision", [GOAL_COST] = "cost"};
static const char *const state_names[] = {
    [CALIBRATION_FITTED] = "fitted",
    [CALIBRATION_TOO_FEW] = "too_few_labels",
    [CALIBRATION_NOT_REACHED] = "not_reached",
};

/* ---- the table --------------------------------------------------------------------------------
 */

/* "82.1% (70-91)" in 16 columns, or a dash. */
static void put_share(size_t k, size_t n, buf *out) {
    char text[64] = "-";
    if (n)
        snprintf(text, sizeof text, "%.1f%% (%.0f-%.0f)", 100 * (double)k / (double)n,
                 100 * share_low(k, n), 100 * share_high(k, n));
    buf_printf(out, "  %16s", text);
}

static void put_f1(double value, buf *out) {
    if (isnan(value))
        buf_puts(out, "        -");
    else
        buf_printf(out, "  %6.1f%%", 100 * value);
}

static void put_row(const calibrated_category *c, int width, buf *out) {
    char change[80];
    if (c->state == CALIBRATION_FITTED)
        snprintf(change, sizeof change, "%.4g -> %s", c->threshold_before, c->text);
    else
        snprintf(change, sizeof change, "%.4g", c->threshold_before);
    buf_printf(out, "%-*.*s  %6zu  %-18s", width, width, c->name, c->n_own, change);
    put_share(c->expected.n_right, c->expected.n_matched, out);
    put_share(c->expected.n_right, c->expected.n_labelled, out);
    put_f1(counts_f1(&c->expected), out);
    put_f1(counts_f1(&c->before), out);
    buf_putc(out, '\n');
}

/* Mean F1 over the categories that have labelled images. */
static double macro_f1(const calibrated *c, bool before) {
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < c->n_categories; i++) {
        if (c->categories[i].n_own == 0)
            continue;
        sum += counts_f1(before ? &c->categories[i].before : &c->categories[i].expected);
        n++;
    }
    return n ? sum / (double)n : NAN;
}

ken_status calibrated_put_text(const calibrated *c, buf *out, ken_error *err) {
    size_t longest = strlen("category");
    for (size_t i = 0; i < c->n_categories; i++)
        if (strlen(c->categories[i].name) > longest)
            longest = strlen(c->categories[i].name);
    int width = longest > 40 ? 40 : (int)longest;
    buf_printf(out, "%-*s  labels  %-18s  %16s  %16s  %7s  %7s\n", width, "category", "threshold",
               "precision", "recall", "F1", "before");
    for (size_t i = 0; i < c->n_categories; i++)
        put_row(&c->categories[i], width, out);
    buf_printf(
        out,
        "%zu of %zu categories fitted on %zu labelled images; mean F1 %.1f%%, before %.1f%%\n"
        "What to expect of other images: each was decided with thresholds fitted without it "
        "(%zu folds, seed %llu); in brackets the 95%% interval.\n",
        c->n_fitted, c->n_categories, c->n_labelled, 100 * macro_f1(c, false),
        100 * macro_f1(c, true), c->options.n_folds, (unsigned long long)c->options.seed);
    return buf_check(out, err);
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static void put_member(const char *key, double value, buf *out) {
    if (isnan(value))
        buf_printf(out, "\"%s\":null,", key);
    else
        buf_printf(out, "\"%s\":%.12g,", key, value);
}

static void put_counts(const char *key, const calibrated_counts *c, buf *out) {
    buf_printf(out, "\"%s\":{", key);
    put_member("precision", counts_precision(c), out);
    put_member("recall", counts_recall(c), out);
    put_member("f1", counts_f1(c), out);
    if (c->n_matched)
        buf_printf(out, "\"precision_interval\":[%.12g,%.12g],",
                   share_low(c->n_right, c->n_matched), share_high(c->n_right, c->n_matched));
    if (c->n_labelled)
        buf_printf(out, "\"recall_interval\":[%.12g,%.12g],", share_low(c->n_right, c->n_labelled),
                   share_high(c->n_right, c->n_labelled));
    buf_printf(out, "\"n_right\":%zu,\"n_matched\":%zu,\"n_labelled\":%zu}", c->n_right,
               c->n_matched, c->n_labelled);
}

static void put_reliability(const reliability *r, buf *out) {
    buf_printf(out, "\"brier\":%.12g,\"log_loss\":%.12g,\"bins\":[", r->brier, r->log_loss);
    for (size_t i = 0; i < CALIBRATE_BINS; i++) {
        buf_puts(out, i ? ",{" : "{");
        put_member("mean_probability", r->bins[i].n ? r->bins[i].sum / (double)r->bins[i].n : NAN,
                   out);
        buf_printf(out, "\"n\":%zu,\"n_positive\":%zu}", r->bins[i].n, r->bins[i].n_positive);
    }
    buf_puts(out, "]}");
}

static void put_probability(const calibrated_category *c, buf *out) {
    if (!c->has_probability) {
        buf_puts(out, "\"platt\":null,\"isotonic\":null");
        return;
    }
    buf_printf(out, "\"platt\":{\"slope\":%.12g,\"intercept\":%.12g,", c->platt.slope,
               c->platt.intercept);
    put_reliability(&c->platt_reliability, out);
    buf_puts(out, ",\"isotonic\":{\"points\":[");
    for (size_t i = 0; i < c->isotonic.n; i++)
        buf_printf(out, "%s[%.9g,%.12g]", i ? "," : "", c->isotonic.scores[i],
                   c->isotonic.probabilities[i]);
    buf_puts(out, "],");
    put_reliability(&c->isotonic_reliability, out);
}

static void put_category(const calibrated_category *c, buf *out) {
    buf_puts(out, "\n {\"label\":");
    buf_put_json(out, c->name, strlen(c->name));
    buf_printf(out, ",\"result\":\"%s\",\"threshold\":%s,", state_names[c->state],
               c->state == CALIBRATION_FITTED ? c->text : "null");
    put_member("threshold_before", c->threshold_before, out);
    put_counts("expected", &c->expected, out);
    buf_putc(out, ',');
    put_counts("before", &c->before, out);
    buf_putc(out, ',');
    put_probability(c, out);
    buf_putc(out, '}');
}

ken_status calibrated_put_json(const calibrated *c, buf *out, ken_error *err) {
    const threshold_goal *goal = &c->options.goal;
    buf_printf(out, "{\"goal\":\"%s\",", goal_names[goal->kind]);
    if (goal->kind == GOAL_PRECISION)
        put_member("target_precision", goal->precision, out);
    if (goal->kind == GOAL_COST)
        buf_printf(out, "\"cost_fp\":%.12g,\"cost_fn\":%.12g,", goal->cost_fp, goal->cost_fn);
    buf_printf(
        out, "\"n_folds\":%zu,\"seed\":%llu,\"n_images\":%zu,\"n_labelled\":%zu,\"n_fitted\":%zu,",
        c->options.n_folds, (unsigned long long)c->options.seed, c->n_images, c->n_labelled,
        c->n_fitted);
    put_member("macro_f1", macro_f1(c, false), out);
    put_member("macro_f1_before", macro_f1(c, true), out);
    buf_puts(out, "\"categories\":[");
    for (size_t i = 0; i < c->n_categories; i++) {
        buf_puts(out, i ? "," : "");
        put_category(&c->categories[i], out);
    }
    buf_puts(out, "\n]}\n");
    return buf_check(out, err);
}

/* ---- warnings ---------------------------------------------------------------------------------
 */

static void warn_of_state(const calibrated *c, const calibrated_category *k, buf *out) {
    if (k->state == CALIBRATION_TOO_FEW)
        buf_printf(
            out,
            "'%s' is left as it is: it has %zu labelled images of its own and %zu of others, "
            "needed are %zu of each\n",
            k->name, k->n_own, k->n_other, c->options.n_folds);
    else if (c->options.goal.kind == GOAL_PRECISION)
        buf_printf(out,
                   "'%s' is left as it is: no threshold has a precision of %g, the highest is "
                   "%.3f\n",
                   k->name, c->options.goal.precision, k->best_precision);
    else
        buf_printf(out,
                   "'%s' is left as it is: none of its images passes the neutral test, which "
                   "thresholds cannot change\n",
                   k->name);
}

static void warn_of_certainty(const calibrated *c, const calibrated_category *k, buf *out) {
    double target = c->options.goal.precision;
    const calibrated_counts *e = &k->expected;
    if (e->n_matched && share_low(e->n_right, e->n_matched) >= target)
        return;
    buf_printf(out,
               "'%s': a precision of %g is not certain: %zu of %zu matches were right on images "
               "that were left out; certain would be %zu of %zu, or a smaller share of more\n",
               k->name, target, e->n_right, e->n_matched, share_needed(target),
               share_needed(target));
}

ken_status calibrated_put_warnings(const calibrated *c, buf *out, ken_error *err) {
    for (size_t i = 0; i < c->n_categories; i++) {
        const calibrated_category *k = &c->categories[i];
        if (k->state != CALIBRATION_FITTED)
            warn_of_state(c, k, out);
        else if (c->options.goal.kind == GOAL_PRECISION)
            warn_of_certainty(c, k, out);
    }
    /* A fit to few images follows their chances: what was there before may be the better choice. */
    if (c->options.goal.kind == GOAL_F1 && macro_f1(c, false) < macro_f1(c, true))
        buf_printf(out,
                   "the thresholds that the rules had do better on images that were left out: mean "
                   "F1 %.1f%%, fitted %.1f%%; label more images, or keep them\n",
                   100 * macro_f1(c, true), 100 * macro_f1(c, false));
    return buf_check(out, err);
}
