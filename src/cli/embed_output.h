/* cli/embed_output.h: what `ken embed` says at its end, in words or as JSON. */
#ifndef KEN_CLI_EMBED_OUTPUT_H
#define KEN_CLI_EMBED_OUTPUT_H

#include "tasks/embed/embed.h"

typedef struct embed_outcome {
    const char *output;
    const char *noun; /* "images" or "texts" */
    bool update;
    double list_seconds, load_seconds; /* by the clock: the inputs' names; the model */
    embed_report report;
} embed_outcome;

/* One line of JSON on standard output. */
void embed_print_json(const embed_outcome *o);
/* Lines on standard error; with --verbose also where the time went. */
void embed_say(const embed_outcome *o);

#endif
