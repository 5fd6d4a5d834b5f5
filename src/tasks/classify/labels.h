/* tasks/classify/labels.h: what the images really show: from a table of ids and labels, or from the
 * names of the folders that they lie in.
 *
 * A table that names an id again with another label gives the image both: then an image may have
 * any number of labels. */
#ifndef KEN_TASKS_LABELS_H
#define KEN_TASKS_LABELS_H

#include "base/buf.h"
#include "tasks/classify/text_index.h"

typedef struct label_text {
    const char *text; /* `size` bytes */
    size_t size;
} label_text;

typedef struct labels {
    bool folders;      /* the label is the folder's name; the rest is of a table */
    bool several;      /* some image has more than one label */
    text_index ids;    /* in the order of the table */
    text_index names;  /* the distinct labels */
    label_text *items; /* the labels of the ids, grouped by id */
    size_t *first;     /* [ids.n + 1] into `items` */
    bool *found;       /* [ids.n] an image with this id was asked for */
} labels;

/* CSV (or TSV, by extension) with the columns id and label; an empty label is none. */
KEN_MUST_CHECK ken_status labels_read(const char *path, labels **out, ken_error *err);
/* "test/dress/1.jpg" has the label "dress". */
KEN_MUST_CHECK ken_status labels_from_folders(labels **out, ken_error *err);
void labels_free(labels *l);

typedef struct label_set {
    const label_text *items;
    size_t n;
    label_text folder; /* where `items` points when labels are folders */
} label_set;

/* The labels of an image; `out` borrows from the labels, the id and the path. */
void labels_of(const labels *l, const char *id, const char *path, label_set *out);
bool label_set_has(const label_set *set, const char *name);
/* Appends them as "a; b". */
void label_set_put(const label_set *set, buf *out);

/* Adds the distinct labels of n images to `out`, in byte order. */
KEN_MUST_CHECK ken_status labels_distinct(const labels *l, const char *const *ids,
                                          const char *const *paths, size_t n, text_index *out,
                                          ken_error *err);

/* The error of n images of which none has a label; `example_id` (may be NULL) is the id of one. */
ken_status labels_fail_none(const labels *l, size_t n_images, const char *example_id,
                            ken_error *err);

/* Ids of the table that no image had so far: their number; the first `n_names` into `names`, the
 * rest of which becomes NULL. */
size_t labels_unused(const labels *l, const char **names, size_t n_names);

#endif
