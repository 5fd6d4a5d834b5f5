/* tasks/calibrate/calibrate.h: thresholds of categories from labelled images.
 *
 * For each category the threshold is chosen that serves the goal best on all labelled images. What
 * to expect of it on other images is estimated out of fold: the images are dealt into K folds, each
 * fold is decided by the classifier with thresholds fitted on the others, and these decisions are
 * counted. Templates, prompts, margins and `multiple` stay as they are. */
#ifndef KEN_TASKS_CALIBRATE_H
#define KEN_TASKS_CALIBRATE_H

#include "tasks/calibrate/probability.h"
#include "tasks/calibrate/threshold.h"
#include "tasks/classify/labels.h"
#include "tasks/classify/results.h"

typedef struct calibrate_options {
    threshold_goal goal;
    size_t n_folds;
    uint64_t seed; /* of the deal */
} calibrate_options;

enum { CALIBRATE_DEFAULT_FOLDS = 5, CALIBRATE_BINS = 10 };

/* Decisions against labels. */
typedef struct calibrated_counts {
    size_t n_right, n_matched, n_labelled;
} calibrated_counts;
double counts_precision(const calibrated_counts *c); /* NAN: nothing matched */
double counts_recall(const calibrated_counts *c);
double counts_f1(const calibrated_counts *c);

/* How probabilities given out of fold came true. */
typedef struct reliability {
    double brier, log_loss; /* means over the images */
    struct {
        size_t n, n_positive;
        double sum; /* of the probabilities */
    } bins[CALIBRATE_BINS];
} reliability;

typedef enum calibrated_state {
    CALIBRATION_FITTED,
    CALIBRATION_TOO_FEW,     /* fewer labelled images of its own, or of others, than folds */
    CALIBRATION_NOT_REACHED, /* no threshold serves the goal */
} calibrated_state;

typedef struct calibrated_category {
    const char *name; /* the rules' */
    calibrated_state state;
    size_t n_own, n_other; /* labelled images */
    double threshold_before, threshold;
    char text[THRESHOLD_TEXT_BYTES]; /* the threshold as it goes into the rules file */
    double best_precision;           /* CALIBRATION_NOT_REACHED */
    calibrated_counts expected;      /* out of fold; of unfitted categories with their thresholds */
    calibrated_counts before;        /* with the thresholds that the rules had */
    bool has_probability;            /* enough labelled images for the rest */
    platt platt;
    isotonic isotonic;
    reliability platt_reliability, isotonic_reliability;
} calibrated_category;

typedef struct calibrated {
    calibrate_options options;
    size_t n_images, n_labelled, n_fitted;
    calibrated_category *categories;
    size_t n_categories;
} calibrated;

/* `r` is made with the rules `by`, whose thresholds are changed while folds are decided and are as
 * before afterwards. Fails when no image has a label, or when not one category could be fitted. */
KEN_MUST_CHECK ken_status calibrate(const results *r, rules *by, const labels *l,
                                    const calibrate_options *options, calibrated **out,
                                    ken_error *err);
void calibrated_free(calibrated *c);

KEN_MUST_CHECK ken_status calibrated_put_text(const calibrated *c, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status calibrated_put_json(const calibrated *c, buf *out, ken_error *err);
/* A line for each category that was left alone, or whose target is not certain. */
KEN_MUST_CHECK ken_status calibrated_put_warnings(const calibrated *c, buf *out, ken_error *err);
/* An SVG: for each category, how often probabilities given out of fold came true. */
KEN_MUST_CHECK ken_status calibrated_put_plot(const calibrated *c, buf *out, ken_error *err);

#endif
