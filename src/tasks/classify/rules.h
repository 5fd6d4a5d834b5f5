/* tasks/classify/rules.h: the rules file of `ken classify`: which prompts, margins and thresholds
 * make an image belong to a category (docs/rules.md). Reading checks everything; a wrong file is
 * refused with "FILE:LINE:COLUMN: ..." and what was expected. */
#ifndef KEN_TASKS_RULES_H
#define KEN_TASKS_RULES_H

#include "base/mem.h"

typedef struct rules_texts {
    const char **items;
    size_t n;
} rules_texts;

/* What `ken moderate` does with a match; `ken classify` only checks and shows it. */
typedef enum rules_level { RULES_LEVEL_NONE, RULES_LEVEL_REVIEW, RULES_LEVEL_BLOCK } rules_level;

typedef struct rules_category {
    const char *name;
    rules_texts positive, negative;
    rules_texts examples;  /* paths and globs of images, relative to the rules file */
    float examples_weight; /* of the images' prototype against the prompts'; 1 without prompts */
    float threshold;
    rules_level level;
    int line; /* where its key stands; 0 when the rules come from no file */
} rules_category;

typedef struct rules {
    arena memory;
    const char *where;  /* the file's name, for messages */
    const char *dir;    /* the folder that `examples` are relative to */
    const char *source; /* the file's text, for the report's provenance */
    rules_texts templates;
    bool prompts_are_names; /* positive and negative prompts go through every template */
    rules_texts neutral;
    float neutral_margin;
    bool multiple;
    const char *none_label;
    rules_category *categories;
    size_t n_categories;
} rules;

enum { RULES_MAX_BYTES = 1 << 20, RULES_MAX_PROMPTS = 100000, RULES_MAX_SUGGESTED = 4096 };

KEN_MUST_CHECK ken_status rules_load(const char *path, rules **out, ken_error *err);
KEN_MUST_CHECK ken_status rules_parse(const char *text, size_t size, const char *where,
                                      const char *dir, rules **out, ken_error *err);
/* The rules of an ad hoc list of classes: one name each, through every template. */
KEN_MUST_CHECK ken_status rules_from_classes(const char *const *classes, size_t n_classes,
                                             const rules_texts *templates, rules **out,
                                             ken_error *err);
void rules_free(rules *r);

const char *rules_level_name(rules_level level); /* "", "review" or "block" */
/* The category's index, or n_categories. */
size_t rules_find(const rules *r, const char *name);

#endif
