/* tasks/classify/labels.h: what the images really show, one label an image: from a table or from
 * the names of the folders they lie in. */
#ifndef KEN_TASKS_LABELS_H
#define KEN_TASKS_LABELS_H

#include "tasks/classify/samples.h"

typedef struct labels {
    arena memory;
    const char **of_sample; /* [samples] NULL: the image has no label */
    size_t n_labelled;
    size_t n_unused; /* labels of ids that are not among the samples */
} labels;

/* CSV (or TSV, by extension) with the columns id and label; an empty label is none. */
KEN_MUST_CHECK ken_status labels_read(const char *path, const samples *s, labels **out,
                                      ken_error *err);
/* "test/dress/1.jpg" has the label "dress". */
KEN_MUST_CHECK ken_status labels_from_folders(const samples *s, labels **out, ken_error *err);
void labels_free(labels *l);

#endif
