/* tasks/classify/rules_read.h: the keys of a rules file that a category may have, too: read once
 * for the file, as what its categories inherit, and once for each category. */
#ifndef KEN_TASKS_RULES_READ_H
#define KEN_TASKS_RULES_READ_H

#include "base/yaml.h"
#include "tasks/classify/rules.h"

/* A file that is being read. */
typedef struct rules_reader {
    rules *r;
    const char *where, *dir;
    bool opens_files; /* may templates and other rules come from files? */
    ken_error *err;
} rules_reader;

/* What a category has that does not say otherwise. */
typedef struct rules_defaults {
    rules_texts templates; /* given, whether prompts go through them or not */
    bool prompts_are_names;
    rules_texts negative;
    const rules_neutral *neutral;
    float neutral_margin, threshold, examples_weight;
    rules_level level;
} rules_defaults;

/* A list of texts; NULL leaves `out` as it is. */
KEN_MUST_CHECK ken_status rules_read_texts(const rules_reader *rd, const yaml_node *node,
                                           rules_texts *out);
/* Puts what the file or category `map` says over what `d` has. `what` names it in messages. */
KEN_MUST_CHECK ken_status rules_read_defaults(const rules_reader *rd, const yaml_node *map,
                                              const char *what, rules_defaults *d);
KEN_MUST_CHECK ken_status rules_read_category(const rules_reader *rd, const yaml_node *node,
                                              const rules_defaults *inherited, rules_category *c);

#endif
