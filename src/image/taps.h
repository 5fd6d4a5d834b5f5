/* image/taps.h: which inputs make each output of one side of a resize, and with which weights:
 * Pillow's coefficients, computed in double and rounded to 22 fraction bits. Not for other folders.
 */
#ifndef KEN_IMAGE_TAPS_H
#define KEN_IMAGE_TAPS_H

#include "image/preprocess.h"

/* One side of a resize: the outputs [first, first + n) of out_size, made from in_size inputs. */
typedef struct axis {
    int in_size, out_size;
    int first, n;
    bool mirrored; /* inputs come, and outputs go, in reverse order */
} axis;

typedef struct tap_table {
    resize_tap *taps; /* [n] */
    int32_t *coefs;   /* [n, taps_max] */
    size_t taps_max;
    int n;
    /* The inputs that the outputs read; taps[].first counts from there. */
    int inputs_begin, n_inputs;
} tap_table;

/* Not for RESIZE_NEAREST, which has no weights. `t` is freed with taps_free also when this fails.
 */
KEN_MUST_CHECK ken_status taps_make(tap_table *t, resize_filter filter, const axis *a,
                                    ken_error *err);
void taps_free(tap_table *t);

#endif
