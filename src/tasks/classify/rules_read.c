#include "tasks/classify/rules_read.h"

#include "tasks/classify/prompt_files.h"

#include <stdio.h>
#include <string.h>

/* Scores are differences of two cosines. */
static const double score_min = -2, score_max = 2;

/* ---- values ---------------------------------------------------------------------------------- */

ken_status rules_read_texts(const rules_reader *rd, const yaml_node *node, rules_texts *out) {
    if (!node)
        return KEN_OK;
    if (node->kind != YAML_LIST) {
        ken_status status =
            yaml_error(node, rd->where, rd->err, "expected a list of texts for '%s'", node->key);
        return error_hint(rd->err, status, "write %s: [\"...\", \"...\"]", node->key);
    }
    if (node->n == 0)
        return yaml_error(node, rd->where, rd->err, "the list '%s' is empty", node->key);
    *out = (rules_texts){.items = arena_array(&rd->r->memory, node->n, sizeof *out->items)};
    if (!out->items)
        return error_no_memory(rd->err, node->n * sizeof *out->items);
    for (const yaml_node *item = node->first; item; item = item->next)
        TRY(yaml_get_text(item, rd->where, &out->items[out->n++], rd->err));
    return KEN_OK;
}

/* [] in a category: nothing of what its file has. */
static bool is_none(const yaml_node *node, bool inherits) {
    return inherits && node && node->kind == YAML_LIST && node->n == 0;
}

static ken_status read_number(const rules_reader *rd, const yaml_node *map, const char *key,
                              double min, double max, float *out) {
    const yaml_node *node = yaml_find(map, key);
    if (!node)
        return KEN_OK;
    double value;
    TRY(yaml_get_number(node, rd->where, min, max, &value, rd->err));
    *out = (float)value;
    return KEN_OK;
}

const char *rules_level_name(rules_level level) {
    static const char *const names[] = {"", "review", "block"};
    return names[level];
}

static ken_status read_level(const rules_reader *rd, const yaml_node *node, rules_level *out) {
    if (!node)
        return KEN_OK;
    const char *name;
    TRY(yaml_get_text(node, rd->where, &name, rd->err));
    for (rules_level level = RULES_LEVEL_REVIEW; level <= RULES_LEVEL_BLOCK; level++) {
        if (strcmp(name, rules_level_name(level)) == 0) {
            *out = level;
            return KEN_OK;
        }
    }
    return yaml_error(node, rd->where, rd->err, "expected review or block for 'level', found '%s'",
                      name);
}

/* ---- templates ------------------------------------------------------------------------------- */

/* A template set by its name, or the file of one. */
static ken_status read_named_templates(const rules_reader *rd, const yaml_node *node,
                                       rules_texts *out) {
    const char *spec;
    TRY(yaml_get_text(node, rd->where, &spec, rd->err));
    const char *dir = rd->opens_files ? rd->dir : NULL;
    ken_status status = templates_read(spec, dir, &rd->r->memory, out, rd->err);
    if (status == KEN_OK)
        return KEN_OK;
    if (status == KEN_BAD_ARGUMENT)
        status = KEN_BAD_FORMAT; /* the file is spelt wrongly, not the command */
    if (rd->err)
        rd->err->status = status;
    return error_prefix(rd->err, status, "%s:%d:%d", rd->where, node->line, node->column);
}

static ken_status read_templates(const rules_reader *rd, const yaml_node *node, rules_defaults *d) {
    if (!node)
        return KEN_OK;
    if (is_none(node, d->templates.n > 0))
        d->templates.n = 0;
    else if (node->kind == YAML_SCALAR)
        TRY(read_named_templates(rd, node, &d->templates));
    else
        TRY(rules_read_texts(rd, node, &d->templates));
    for (const yaml_node *item = node->first; item; item = item->next) {
        if (!template_has_place(item->text)) {
            ken_status status = yaml_error(item, rd->where, rd->err,
                                           "template '%s' has no place for the name", item->text);
            return error_hint(rd->err, status, "write {} where the name goes");
        }
    }
    d->prompts_are_names = d->templates.n > 0;
    return KEN_OK;
}

static ken_status read_prompts_are(const rules_reader *rd, const yaml_node *node,
                                   rules_defaults *d) {
    if (!node)
        return KEN_OK;
    const char *word;
    TRY(yaml_get_text(node, rd->where, &word, rd->err));
    if (strcmp(word, "names") != 0 && strcmp(word, "sentences") != 0)
        return yaml_error(node, rd->where, rd->err,
                          "expected names or sentences for 'prompts_are', found '%s'", word);
    d->prompts_are_names = strcmp(word, "names") == 0;
    if (d->prompts_are_names && d->templates.n == 0)
        return yaml_error(node, rd->where, rd->err,
                          "'prompts_are' is names, but there are no 'templates'");
    return KEN_OK;
}

/* ---- what is inherited ----------------------------------------------------------------------- */

static ken_status read_neutral(const rules_reader *rd, const yaml_node *map, const char *what,
                               rules_defaults *d) {
    const yaml_node *node = yaml_find(map, "neutral");
    if (is_none(node, d->neutral != NULL)) {
        d->neutral = NULL;
    } else if (node) {
        rules_neutral *set = arena_alloc(&rd->r->memory, sizeof *set);
        if (!set)
            return error_no_memory(rd->err, sizeof *set);
        TRY(rules_read_texts(rd, node, &set->texts));
        set->number = rd->r->n_neutral++;
        set->next = rd->r->neutral;
        rd->r->neutral = set;
        d->neutral = set;
    }
    TRY(read_number(rd, map, "neutral_margin", score_min, score_max, &d->neutral_margin));
    const yaml_node *margin = yaml_find(map, "neutral_margin");
    if (margin && !d->neutral)
        return yaml_key_error(margin, rd->where, rd->err,
                              "%s has a 'neutral_margin' but no 'neutral' prompts", what);
    return KEN_OK;
}

ken_status rules_read_defaults(const rules_reader *rd, const yaml_node *map, const char *what,
                               rules_defaults *d) {
    TRY(read_templates(rd, yaml_find(map, "templates"), d));
    TRY(read_prompts_are(rd, yaml_find(map, "prompts_are"), d));
    const yaml_node *negative = yaml_find(map, "negative");
    if (is_none(negative, d->negative.n > 0))
        d->negative.n = 0;
    else
        TRY(rules_read_texts(rd, negative, &d->negative));
    TRY(read_neutral(rd, map, what, d));
    TRY(read_number(rd, map, "threshold", score_min, score_max, &d->threshold));
    TRY(read_number(rd, map, "examples_weight", 0, 1, &d->examples_weight));
    return read_level(rd, yaml_find(map, "level"), &d->level);
}

/* ---- categories ------------------------------------------------------------------------------ */

static ken_status check_prompts(const rules_reader *rd, const yaml_node *node, rules_category *c) {
    if (c->positive.n == 0 && c->examples.n == 0) {
        ken_status status = yaml_key_error(node, rd->where, rd->err,
                                           "category '%s' has no 'positive' prompts", c->name);
        return error_hint(rd->err, status, "add positive: [\"%s\"]", c->name);
    }
    const yaml_node *weight = yaml_find(node, "examples_weight");
    if (weight && c->examples.n == 0)
        return yaml_key_error(weight, rd->where, rd->err,
                              "category '%s' has 'examples_weight' but no 'examples'", c->name);
    if (c->positive.n == 0)
        c->examples_weight = 1;
    else if (c->examples.n == 0)
        c->examples_weight = 0;
    return KEN_OK;
}

ken_status rules_read_category(const rules_reader *rd, const yaml_node *node,
                               const rules_defaults *inherited, rules_category *c) {
    static const char *const keys[] = {
        "positive",       "negative",  "templates", "prompts_are",     "neutral",
        "neutral_margin", "threshold", "examples",  "examples_weight", "level"};
    if (!*node->key)
        return yaml_key_error(node, rd->where, rd->err, "a category's name is empty");
    if (node->kind != YAML_MAP)
        return yaml_error(node, rd->where, rd->err,
                          "expected a mapping with 'positive' for category '%s'", node->key);
    char what[128];
    snprintf(what, sizeof what, "category '%.100s'", node->key);
    TRY(yaml_check_keys(node, what, keys, sizeof keys / sizeof *keys, rd->where, rd->err));

    rules_defaults d = *inherited;
    TRY(rules_read_defaults(rd, node, what, &d));
    *c = (rules_category){
        .name = node->key,
        .negative = d.negative,
        .neutral = d.neutral,
        .neutral_margin = d.neutral_margin,
        .examples_weight = d.examples_weight,
        .threshold = d.threshold,
        .level = d.level,
        .where = rd->where,
        .dir = rd->dir,
        .line = node->key_line,
    };
    if (d.prompts_are_names)
        c->templates = d.templates;
    TRY(rules_read_texts(rd, yaml_find(node, "positive"), &c->positive));
    TRY(rules_read_texts(rd, yaml_find(node, "examples"), &c->examples));
    return check_prompts(rd, node, c);
}
