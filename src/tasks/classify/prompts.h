/* tasks/classify/prompts.h: the rules' prompts after templates, each distinct text once, and which
 * of them make each set. */
#ifndef KEN_TASKS_PROMPTS_H
#define KEN_TASKS_PROMPTS_H

#include "models/model.h"
#include "tasks/classify/rules.h"

/* Indices of texts; a text that stands twice in a set counts twice. */
typedef struct prompt_set {
    uint32_t *texts;
    size_t n;
} prompt_set;

typedef struct prompts {
    arena memory;
    const char **texts; /* distinct, in order of first use */
    size_t n_texts;
    prompt_set *positive, *negative; /* of each category; n is 0 where it has none */
    prompt_set *neutral;             /* of each of the rules' neutral sets */
    size_t n_neutral;
    uint32_t *slots; /* hash table of indices + 1 while texts are gathered */
    size_t n_slots;
} prompts;

KEN_MUST_CHECK ken_status prompts_new(const rules *r, prompts **out, ken_error *err);
void prompts_free(prompts *p);

/* Embeds every distinct text once: `out` is [n_texts, E], normalised. *n_truncated (may be NULL)
 * counts the texts that were longer than the model's context. */
KEN_MUST_CHECK ken_status prompts_embed(const prompts *p, const ken_model *model, ken_pool *pool,
                                        float *out, size_t *n_truncated, ken_error *err);

#endif
