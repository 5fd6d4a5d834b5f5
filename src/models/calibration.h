/* models/calibration.h: a few built-in pictures or texts, and how near a model's embeddings of them
 * are to those in f32.
 *
 * The inputs are made by integer arithmetic, so they are the same everywhere: clouds, shapes,
 * lettering and a dark picture; captions of several lengths. */
#ifndef KEN_MODELS_CALIBRATION_H
#define KEN_MODELS_CALIBRATION_H

#include "models/load.h"

enum { CALIBRATION_ITEMS = 4 };

typedef struct calibration {
    tower_kind tower;
    uint8_t *pixels;  /* [CALIBRATION_ITEMS, H, W, 3] */
    int32_t *ids;     /* [CALIBRATION_ITEMS, T] */
    float *reference; /* [CALIBRATION_ITEMS, E] in f32 */
    float *found;     /* likewise, of the last comparison */
    size_t width;     /* E */
} calibration;

/* Makes the inputs and loads the tower in f32 to embed them. `model` gives the directory and the
 * tier; it may still be loading. Free it in any case. */
KEN_MUST_CHECK ken_status calibration_make(const ken_model *model, tower_kind tower,
                                           calibration *out, ken_error *err);
void calibration_free(calibration *c);

typedef struct cosines {
    double min, mean;
} cosines;
/* Of the model's embeddings to the reference; -1 when one is not finite. */
KEN_MUST_CHECK ken_status calibration_compare(calibration *c, const ken_model *model, cosines *out,
                                              ken_error *err);

#endif
