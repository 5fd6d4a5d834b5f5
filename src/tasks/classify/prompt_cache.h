/* tasks/classify/prompt_cache.h: the vectors of prompts, kept from one run to the next, so that an
 * edited rules file costs only the prompts that are new.
 *
 * The model's cache has one file for them: a checksum, then keys in order, then vectors. A key is
 * made of the token ids that the encoder gets; the file belongs to the model's weights,
 * configuration, CPU tier and precision, so a vector found here has the bits that encoding would
 * give. A file that is damaged is as good as none. */
#ifndef KEN_TASKS_PROMPT_CACHE_H
#define KEN_TASKS_PROMPT_CACHE_H

#include "models/model.h"

enum { PROMPT_KEY_BYTES = 32, PROMPT_CACHE_MAX = 65536 /* prompts */ };

typedef struct prompt_key {
    char bytes[PROMPT_KEY_BYTES];
} prompt_key;

KEN_MUST_CHECK ken_status prompt_key_of(const int32_t *ids, size_t n_ids, prompt_key *out,
                                        ken_error *err);

typedef struct prompt_cache {
    file_map map;
    const prompt_key *keys; /* [n] ascending */
    const float *vectors;   /* [n, E] */
    size_t n, dim;
} prompt_cache;

/* Empty when there is no file, or none that can be used. */
void prompt_cache_open(prompt_cache *c, const ken_model *model, size_t dim);
void prompt_cache_close(prompt_cache *c);
/* [E], or NULL. */
const float *prompt_cache_find(const prompt_cache *c, const prompt_key *key);
/* Keeps n prompts beside those in `c`, or instead of them when they would become too many. */
void prompt_cache_keep(const prompt_cache *c, const ken_model *model, const prompt_key *keys,
                       const float *vectors, size_t n);

#endif
