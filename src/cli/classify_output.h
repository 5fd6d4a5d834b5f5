/* cli/classify_output.h: where the results of `ken classify` go, and in which form. */
#ifndef KEN_CLI_CLASSIFY_OUTPUT_H
#define KEN_CLI_CLASSIFY_OUTPUT_H

#include "tasks/report/report.h"

typedef struct classify_output {
    const char *path;                /* -o; NULL: standard output */
    const char *format;              /* --format; NULL: by the extension of `path`, else a table */
    const char *report_path;         /* --report */
    const char *explain;             /* --explain: the id */
    const char *clip_benchmark_path; /* --clip-benchmark */
    const char *dataset;             /* its name in there: the input's */
    int64_t max_thumbnails;
} classify_output;

/* Settles format and paths. Returns 0, or the exit code of a usage error. */
int classify_output_check(classify_output *o);
/* Writes the rows, the report, the error table and the summary. */
KEN_MUST_CHECK ken_status classify_write(const classify_output *o, const results *r,
                                         const labels *l, const evaluation *e, thumbnailer *t,
                                         ken_error *err);

#endif
