/* tasks/classify/rules.h: the rules file of `ken classify`: which prompts, margins and thresholds
 * make an image belong to a category (docs/rules.md). Reading checks everything; a wrong file is
 * refused with "FILE:LINE:COLUMN: ..." and what was expected. What a category inherits from its
 * file, and a file from the one that includes it, is settled here: a category is complete. */
#ifndef KEN_TASKS_RULES_H
#define KEN_TASKS_RULES_H

#include "base/mem.h"

typedef struct rules_texts {
    const char **items;
    size_t n;
} rules_texts;

/* What `ken moderate` does with a match; `ken classify` only checks and shows it. */
typedef enum rules_level { RULES_LEVEL_NONE, RULES_LEVEL_REVIEW, RULES_LEVEL_BLOCK } rules_level;

/* A set of neutral prompts; the categories that inherit it share it. */
typedef struct rules_neutral {
    rules_texts texts; /* always whole */
    size_t number;     /* from 0, in order of the file */
    struct rules_neutral *next;
} rules_neutral;

typedef struct rules_category {
    const char *name;
    rules_texts templates; /* that positive and negative prompts go through; none: taken whole */
    rules_texts positive, negative;
    const rules_neutral *neutral; /* NULL: no neutral test */
    float neutral_margin;
    rules_texts examples;  /* paths and globs of images, relative to `dir` */
    float examples_weight; /* of the images' prototype against the prompts'; 1 without prompts */
    float threshold;
    rules_level level;
    const char *where, *dir; /* the file that it stands in, and that file's folder */
    int line;                /* where its key stands; 0 when the rules come from no file */
} rules_category;

/* A file that was included. */
typedef struct rules_file {
    const char *where, *source;
    struct rules_file *next;
} rules_file;

typedef struct rules {
    arena memory;
    const char *where;    /* the file's name, for messages */
    const char *dir;      /* the folder that other files are relative to */
    const char *source;   /* the file's text */
    const char *all_text; /* the same and that of every included file, to keep with results */
    rules_file *included; /* in the order in which they were read; NULL: none */
    rules_neutral *neutral;
    size_t n_neutral;
    bool multiple;
    const char *none_label;
    rules_category *categories;
    size_t n_categories;
} rules;

enum {
    RULES_MAX_BYTES = 1 << 20,
    RULES_MAX_PROMPTS = 100000,
    RULES_MAX_DEPTH = 8,    /* of files that include files */
    RULES_MAX_FILES = 1000, /* that are included */
    RULES_MAX_SUGGESTED = 4096
};

/* The file, and those that it includes. */
KEN_MUST_CHECK ken_status rules_load(const char *path, rules **out, ken_error *err);
/* Rules from memory: no other file is opened, so `include` and templates from files are refused. */
KEN_MUST_CHECK ken_status rules_parse(const char *text, size_t size, const char *where,
                                      const char *dir, rules **out, ken_error *err);
/* The rules of an ad hoc list of classes: one name each, through every template. */
KEN_MUST_CHECK ken_status rules_from_classes(const char *const *classes, size_t n_classes,
                                             const rules_texts *templates, rules **out,
                                             ken_error *err);
void rules_free(rules *r);

const char *rules_level_name(rules_level level); /* "", "review" or "block" */
/* Of all sets, with their templates; those that are equal count each. */
size_t rules_n_prompts(const rules *r);
/* The category's index, or n_categories. */
size_t rules_find(const rules *r, const char *name);

#endif
