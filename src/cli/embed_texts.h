/* cli/embed_texts.h: `ken embed --text` without an output: the vectors on standard output. */
#ifndef KEN_CLI_EMBED_TEXTS_H
#define KEN_CLI_EMBED_TEXTS_H

#include "models/model.h"
#include "tasks/inputs/inputs.h"

/* A JSON array a line for each text, in order; with --json one array of objects. Texts that cannot
 * be embedded get a note and are counted. No job, no table library: this is the quick way to a
 * query's vector. */
KEN_MUST_CHECK ken_status embed_print_texts(const ken_model *model, inputs *in, uint64_t *n_failed,
                                            ken_error *err);

#endif
