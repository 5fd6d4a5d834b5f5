/* tasks/report/report.h: classified images as one HTML file that needs nothing else
 * (docs/report.md). */
#ifndef KEN_TASKS_REPORT_H
#define KEN_TASKS_REPORT_H

#include "tasks/classify/evaluation.h"
#include "tasks/classify/results.h"
#include "tasks/report/thumbnails.h"

typedef struct report_options {
    const evaluation *evaluation; /* NULL: there are no labels */
    const labels *labels;         /* NULL, or what the evaluation was made of */
    thumbnailer *thumbnailer;     /* NULL: no pictures */
    size_t max_thumbnails;        /* images with a picture; the rest are listed without */
    void (*progress)(void *context, size_t n_done, size_t n_total); /* of the pictures */
    void *progress_context;
} report_options;

enum { REPORT_DEFAULT_THUMBNAILS = 10000 };

/* Appends the whole file. */
KEN_MUST_CHECK ken_status report_put(const results *r, const report_options *options, buf *out,
                                     ken_error *err);

#endif
