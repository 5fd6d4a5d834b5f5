/* tasks/classify/rules_build.h: rules made piece by piece, for whoever reads them from somewhere.
 */
#ifndef KEN_TASKS_RULES_BUILD_H
#define KEN_TASKS_RULES_BUILD_H

#include "tasks/classify/rules.h"

extern const char rules_default_none_label[];

/* No categories yet; `where` and `dir` are copied. */
KEN_MUST_CHECK ken_status rules_new(const char *where, const char *dir, rules **out,
                                    ken_error *err);
/* Room for n categories, before the first is added. */
KEN_MUST_CHECK ken_status rules_reserve(rules *r, size_t n, ken_error *err);
/* Copies the name and the prompts. Refuses an empty name, and one that is there. */
KEN_MUST_CHECK ken_status rules_add_category(rules *r, const char *name,
                                             const rules_texts *positive, ken_error *err);
/* Copies them; the prompts of all categories that were added go through them. */
KEN_MUST_CHECK ken_status rules_set_templates(rules *r, const rules_texts *templates,
                                              ken_error *err);
/* Fails when the prompts are too many, before anything is made of them. */
KEN_MUST_CHECK ken_status rules_check_size(const rules *r, ken_error *err);

#endif
