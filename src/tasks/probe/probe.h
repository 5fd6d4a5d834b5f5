/* tasks/probe/probe.h: a linear probe: logistic regression on a collection's embeddings.
 *
 * The penalty is chosen as CLIP's authors did (Radford et al. 2021, appendix A.3): C on a held-out
 * part, first in steps of a hundredfold from 1e-6 to 1e6, then in ever smaller steps around the
 * best until eight steps make a decade; then the head is fitted on both parts. Images that are in
 * neither part (the rest of a few-shot draw) only measure the result. */
#ifndef KEN_TASKS_PROBE_H
#define KEN_TASKS_PROBE_H

#include "tasks/probe/head.h"
#include "tasks/probe/split.h"

#include <signal.h>

typedef struct probe_options {
    double c;      /* scikit-learn's; 0: the sweep, or 1 where nothing could be held out */
    bool balanced; /* classes weigh alike, however many samples they have */
    split_options split;
    const kernels *kernels;
    ken_pool *pool;
    const volatile sig_atomic_t *cancel; /* may be NULL */
} probe_options;

typedef struct probe_candidate {
    double c;
    double accuracy, loss; /* on the held-out part */
    int n_iterations;
} probe_candidate;

enum { PROBE_MAX_CANDIDATES = 32 };

typedef struct probe_report {
    size_t n_classes, n_train, n_validation, n_rest;
    probe_candidate candidates[PROBE_MAX_CANDIDATES]; /* in ascending order of c */
    size_t n_candidates;
    double c;
    double objective, loss; /* of the final fit, per sample */
    int n_iterations;
    bool converged;
    double train_accuracy; /* on the parts that it was fitted on */
    double rest_accuracy;  /* on the rest; NAN: there is none */
    double seconds;
} probe_report;

KEN_MUST_CHECK ken_status probe_train(const samples *s, const labels *l,
                                      const probe_options *options, head **out,
                                      probe_report *report, ken_error *err);

#endif
