/* models/precision_plan.h: KEN_PRECISION_AUTO: which layers keep s16.
 *
 * All layers in int8 are compared with f32 on the calibration inputs. When that is not near enough,
 * the layers are halved again and again where the loss is, each half measured alone: a checkpoint
 * with a few sensitive layers is understood in a few dozen measurements. Then as many groups as the
 * promise allows go to int8, those with the smallest loss first, and the result is measured as a
 * whole. The plan depends on the weights and the CPU tier alone. */
#ifndef KEN_MODELS_PRECISION_PLAN_H
#define KEN_MODELS_PRECISION_PLAN_H

#include "models/calibration.h"

/* The plan of a tower that is about to be read: from the cache, else made. `context` is the
 * loader. */
plan_fn precision_plan_for;
/* What model_cosines says from now on. */
void precision_learn(const ken_model *model, tower_kind tower, const cosines *found);

#endif
