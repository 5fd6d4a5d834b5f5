/* image/row_resizer.h: both passes of a resize over a picture whose rows come in order, any number
 * at a time. Only the rows that the next outputs still need are kept, so a strip of a large picture
 * goes through both passes while it is in the cache. Not for other folders. */
#ifndef KEN_IMAGE_ROW_RESIZER_H
#define KEN_IMAGE_ROW_RESIZER_H

#include "image/resample.h"
#include "image/taps.h"

typedef struct resize_spec {
    resize_filter filter;
    size_t channels;
    axis x, y;    /* both change their size */
    bool y_first; /* which pass comes first shows in the rounding between them */
} resize_spec;

enum { ROW_RESIZER_LINES = 8 };

typedef struct row_resizer {
    const kernels *k;
    size_t channels;
    bool y_first;
    tap_table x, y;
    uint8_t *to;
    size_t to_stride;
    int n_done; /* rows of the result */

    /* The rows that outputs still need, after the first pass when that is x's: n_kept of at most
     * `capacity`, beginning with row kept_begin of the source. */
    uint8_t *kept;
    size_t kept_stride;
    int capacity, kept_begin, n_kept;

    uint8_t *lines; /* y first: rows between the passes */
    int n_lines;
} row_resizer;

/* The window of the source that is read: what row_resizer_feed takes begins at its left edge. */
window row_resizer_source(const row_resizer *r);
/* The result is [y.n, x.n, channels] at `to`. Free it also when this fails. */
KEN_MUST_CHECK ken_status row_resizer_init(row_resizer *r, const kernels *k,
                                           const resize_spec *spec, uint8_t *to, size_t to_stride,
                                           ken_error *err);
/* The next rows. When the last row of the source window is in, the result is complete. */
void row_resizer_feed(row_resizer *r, const uint8_t *rows, size_t stride, int n_rows);
void row_resizer_free(row_resizer *r);

#endif
