/* cli/classify_output.h: where the results of `ken classify` go, and in which form. */
#ifndef KEN_CLI_CLASSIFY_OUTPUT_H
#define KEN_CLI_CLASSIFY_OUTPUT_H

#include "cli/preview.h"
#include "tasks/report/report.h"

typedef struct classify_output {
    const char *path;                /* -o; NULL: standard output */
    const char *format;              /* --format; NULL: by the extension of `path`, else a table */
    const char *report_path;         /* --report */
    const char *explain;             /* --explain: the id */
    const char *clip_benchmark_path; /* --clip-benchmark */
    const char *preview;             /* --preview; NULL: no pictures */
    const char *dataset;             /* its name in there: the input's */
    int64_t max_thumbnails;
} classify_output;

/* Settles format and paths. Returns 0, or the exit code of a usage error. */
int classify_output_check(classify_output *o);
/* How pictures are shown on standard output: PREVIEW_NONE unless they are wanted, there is a
 * terminal, and rows go there. */
preview_way classify_output_preview(const classify_output *o, terminal *t);
/* Writes the rows, the report, the error table and the summary. */
KEN_MUST_CHECK ken_status classify_write(const classify_output *o, const results *r,
                                         const labels *l, const evaluation *e, thumbnailer *t,
                                         ken_error *err);

#endif
