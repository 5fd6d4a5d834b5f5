/* cli/classify_view.h: the results of `ken classify` for somebody who looks at a terminal: each
 * image with a picture where the terminal shows one, and a bar for every class. */
#ifndef KEN_CLI_CLASSIFY_VIEW_H
#define KEN_CLI_CLASSIFY_VIEW_H

#include "cli/preview.h"
#include "tasks/classify/results.h"
#include "tasks/report/thumbnails.h"

typedef struct classify_view {
    terminal terminal;
    preview_way preview;
    thumbnailer *thumbnailer; /* NULL: no pictures */
} classify_view;

/* Prints them to standard output. */
KEN_MUST_CHECK ken_status classify_view_print(const classify_view *v, const results *r,
                                              ken_error *err);

#endif
