/* cli/progress.h: how far a long run has come, on standard error: a bar with rate, time left and
 * error count on a terminal; otherwise a line a minute. */
#ifndef KEN_CLI_PROGRESS_H
#define KEN_CLI_PROGRESS_H

#include "tasks/pipeline/pipeline.h"

typedef struct progress_view {
    const char *noun; /* "images" */
    bool bar, lines;
    bool drawn;   /* a bar stands on the terminal's current line */
    double shown; /* seconds of the run when it was shown last */
} progress_view;

/* What --progress, --quiet and the terminal ask for. */
void progress_begin(progress_view *view, const char *noun);
/* For pipeline_options.progress; the context is the progress_view. */
void progress_show(void *view, const embed_progress *progress);
/* Clears the bar. Also before anything else is printed. */
void progress_clear(progress_view *view);

#endif
