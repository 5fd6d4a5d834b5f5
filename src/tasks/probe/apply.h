/* tasks/probe/apply.h: a head as a classifier, so that its answers take the same way to files,
 * reports and evaluations as those of rules. */
#ifndef KEN_TASKS_APPLY_H
#define KEN_TASKS_APPLY_H

#include "tasks/classify/classifier.h"
#include "tasks/probe/head.h"

/* The collection's and the head's provenance agree, or the head does not say its own and the widths
 * agree. */
KEN_MUST_CHECK ken_status head_match(const head *h, const char *head_path,
                                     const collection_meta *meta, const char *where,
                                     ken_error *err);

/* `rules` holds the head's labels as categories; the classifier borrows it. Mode: softmax or
 * argmax; a head of one class gives its number in both. Free both, the classifier first. */
KEN_MUST_CHECK ken_status head_classifier(const head *h, const kernels *k, classify_mode mode,
                                          rules **r, classifier **c, ken_error *err);

#endif
