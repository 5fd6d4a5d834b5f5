/* image/plan.h: sizes and offsets of a recipe for a picture of a given size, rounded as each
 * reference rounds them. Not for other folders. */
#ifndef KEN_IMAGE_PLAN_H
#define KEN_IMAGE_PLAN_H

#include "image/preprocess.h"
#include "image/resample.h"

typedef struct resize_plan {
    resize_filter filter;
    int width, height; /* of the resized picture */
    window w;          /* its part that is in the result */
    int left, top;     /* where that part lies in the result; around it is padding */
} resize_plan;

KEN_MUST_CHECK ken_status plan_resize(const preprocess *p, int width, int height, resize_plan *out,
                                      ken_error *err);
/* The value of padded pixels, 0 to 255. */
int plan_padding(const preprocess *p);

#endif
