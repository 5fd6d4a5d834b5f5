/* cli/compare_entries.h: from what the user named - rules, heads, models, collections, images - to
 * the entries of a comparison: each way to decide on each set of vectors. */
#ifndef KEN_CLI_COMPARE_ENTRIES_H
#define KEN_CLI_COMPARE_ENTRIES_H

#include "cli/cli.h"
#include "tasks/compare/compare.h"

typedef struct compare_request {
    option_list rules, heads; /* neither: the labels are the classes */
    option_list collections, images, models;
    const char *template_text; /* around a label, when the labels are the classes */
    const char *mode;          /* of rules; NULL: rules */
    bool no_sandbox;
} compare_request;

/* Sorts an argument into the request by what it is. */
KEN_MUST_CHECK ken_status compare_request_add(compare_request *r, const char *argument,
                                              bool has_data, ken_error *err);
/* "demo", or with a precision "demo:int8". */
KEN_MUST_CHECK ken_status compare_request_add_model(compare_request *r, const char *model,
                                                    ken_error *err);
void compare_request_free(compare_request *r);
/* How many entries there will be at most. */
size_t compare_request_count(const compare_request *r);

/* Entries with everything behind them. */
typedef struct compare_entries {
    arena memory;
    ken_pool *pool;
    compare_entry *items; /* [n] */
    size_t n;
    struct compare_source *sources; /* [n_sources] */
    size_t n_sources;
    struct compare_decider *deciders; /* [n_deciders] */
    size_t n_deciders;
    size_t n_failures; /* images that could not be embedded */
} compare_entries;

/* Opens, loads and embeds all of it, one model at a time. */
KEN_MUST_CHECK ken_status compare_entries_new(const compare_request *r, const labels *l,
                                              compare_entries *out, ken_error *err);
void compare_entries_free(compare_entries *e);

#endif
