/* formats/weights_advice.h: messages for weights that are not there, or not as expected. */
#ifndef KEN_FORMATS_WEIGHTS_ADVICE_H
#define KEN_FORMATS_WEIGHTS_ADVICE_H

#include "formats/weights.h"

/* Fails: `dir` holds none of the names; says what it holds instead and what to do. */
ken_status advise_on_directory(const char *dir, const char *const *names, ken_error *err);
/* Fails: tensor `name` is `found`, or missing when NULL; names the nearest one. */
ken_status advise_on_tensor(const weights *w, const char *name, int rank, const int64_t *shape,
                            const tensor *found, ken_error *err);

#endif
