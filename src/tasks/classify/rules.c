/* tasks/classify/rules.c: YAML -> rules. Keys, types, ranges and contradictions are checked here,
 * so that what comes out can be used without a further question. */
#include "tasks/classify/rules.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/yaml.h"
#include "tasks/classify/prompt_files.h"
#include "tasks/classify/rules_build.h"

#include <stdio.h>
#include <string.h>

/* Scores are differences of two cosines. */
static const double score_min = -2, score_max = 2;

typedef struct reader {
    rules *r;
    const char *where;
    ken_error *err;
} reader;

static ken_status read_texts(const reader *rd, const yaml_node *node, rules_texts *out) {
    if (!node)
        return KEN_OK;
    if (node->kind != YAML_LIST) {
        ken_status status =
            yaml_error(node, rd->where, rd->err, "expected a list of texts for '%s'", node->key);
        return error_hint(rd->err, status, "write %s: [\"...\", \"...\"]", node->key);
    }
    if (node->n == 0)
        return yaml_error(node, rd->where, rd->err, "the list '%s' is empty", node->key);
    out->items = arena_array(&rd->r->memory, node->n, sizeof *out->items);
    if (!out->items)
        return error_no_memory(rd->err, node->n * sizeof *out->items);
    for (const yaml_node *item = node->first; item; item = item->next)
        TRY(yaml_get_text(item, rd->where, &out->items[out->n++], rd->err));
    return KEN_OK;
}

static ken_status read_number(const reader *rd, const yaml_node *map, const char *key, double min,
                              double max, float *out) {
    const yaml_node *node = yaml_find(map, key);
    if (!node)
        return KEN_OK;
    double value;
    TRY(yaml_get_number(node, rd->where, min, max, &value, rd->err));
    *out = (float)value;
    return KEN_OK;
}

/* ---- categories -------------------------------------------------------------------------------
 */

const char *rules_level_name(rules_level level) {
    static const char *const names[] = {"", "review", "block"};
    return names[level];
}

static ken_status read_level(const reader *rd, const yaml_node *node, rules_level *out) {
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

static ken_status check_prompts(const reader *rd, const yaml_node *node, rules_category *c) {
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

static ken_status read_category(const reader *rd, const yaml_node *node, rules_category *c) {
    static const char *const keys[] = {"positive", "negative",        "threshold",
                                       "examples", "examples_weight", "level"};
    if (!*node->key)
        return yaml_key_error(node, rd->where, rd->err, "a category's name is empty");
    if (node->kind != YAML_MAP)
        return yaml_error(node, rd->where, rd->err,
                          "expected a mapping with 'positive' for category '%s'", node->key);
    char what[128];
    snprintf(what, sizeof what, "category '%.100s'", node->key);
    TRY(yaml_check_keys(node, what, keys, sizeof keys / sizeof *keys, rd->where, rd->err));

    c->name = node->key;
    c->line = node->key_line;
    c->examples_weight = 0.5f;
    TRY(read_texts(rd, yaml_find(node, "positive"), &c->positive));
    TRY(read_texts(rd, yaml_find(node, "negative"), &c->negative));
    TRY(read_texts(rd, yaml_find(node, "examples"), &c->examples));
    TRY(read_number(rd, node, "threshold", score_min, score_max, &c->threshold));
    TRY(read_number(rd, node, "examples_weight", 0, 1, &c->examples_weight));
    TRY(read_level(rd, yaml_find(node, "level"), &c->level));
    return check_prompts(rd, node, c);
}

static ken_status read_categories(const reader *rd, const yaml_node *root, float threshold) {
    const yaml_node *node = yaml_find(root, "categories");
    if (!node) {
        ken_status status = yaml_error(root, rd->where, rd->err, "there is no 'categories' key");
        return error_hint(rd->err, status, "add categories: with a name and its prompts each");
    }
    if (node->kind != YAML_MAP || node->n == 0)
        return yaml_error(node, rd->where, rd->err,
                          "expected a mapping of at least one category for 'categories'");
    rules *r = rd->r;
    r->categories = arena_array(&r->memory, node->n, sizeof *r->categories);
    if (!r->categories)
        return error_no_memory(rd->err, node->n * sizeof *r->categories);
    for (const yaml_node *item = node->first; item; item = item->next) {
        rules_category *c = &r->categories[r->n_categories++];
        c->threshold = threshold;
        TRY(read_category(rd, item, c));
        if (strcmp(c->name, r->none_label) == 0)
            return yaml_key_error(item, rd->where, rd->err,
                                  "category '%s' has the name of 'none_label'", c->name);
    }
    return KEN_OK;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

/* A list of templates, or the name or file of one. */
static ken_status read_template_texts(const reader *rd, const yaml_node *node) {
    rules *r = rd->r;
    if (!node || node->kind != YAML_SCALAR)
        return read_texts(rd, node, &r->templates);
    const char *spec;
    TRY(yaml_get_text(node, rd->where, &spec, rd->err));
    ken_status status = templates_read(spec, r->dir, &r->memory, &r->templates, rd->err);
    if (status == KEN_OK)
        return KEN_OK;
    if (status == KEN_BAD_ARGUMENT)
        status = KEN_BAD_FORMAT; /* the file is spelt wrongly, not the command */
    if (rd->err)
        rd->err->status = status;
    return error_prefix(rd->err, status, "%s:%d:%d", rd->where, node->line, node->column);
}

static ken_status read_templates(const reader *rd, const yaml_node *root) {
    rules *r = rd->r;
    const yaml_node *node = yaml_find(root, "templates");
    TRY(read_template_texts(rd, node));
    for (const yaml_node *item = node ? node->first : NULL; item; item = item->next) {
        if (!template_has_place(item->text)) {
            ken_status status = yaml_error(item, rd->where, rd->err,
                                           "template '%s' has no place for the name", item->text);
            return error_hint(rd->err, status, "write {} where the name goes");
        }
    }
    r->prompts_are_names = r->templates.n > 0;
    const yaml_node *are = yaml_find(root, "prompts_are");
    if (!are)
        return KEN_OK;
    const char *word;
    TRY(yaml_get_text(are, rd->where, &word, rd->err));
    if (strcmp(word, "names") != 0 && strcmp(word, "sentences") != 0)
        return yaml_error(are, rd->where, rd->err,
                          "expected names or sentences for 'prompts_are', found '%s'", word);
    r->prompts_are_names = strcmp(word, "names") == 0;
    if (r->prompts_are_names && r->templates.n == 0)
        return yaml_error(are, rd->where, rd->err,
                          "'prompts_are' is names, but there are no 'templates'");
    return KEN_OK;
}

static ken_status check_version(const reader *rd, const yaml_node *root) {
    const yaml_node *node = yaml_find(root, "version");
    if (!node) {
        ken_status status = yaml_error(root, rd->where, rd->err, "there is no 'version' key");
        return error_hint(rd->err, status, "add the line version: 1");
    }
    double version;
    TRY(yaml_get_number(node, rd->where, 1, 1e9, &version, rd->err));
    if (version != 1) {
        ken_status status =
            yaml_error(node, rd->where, rd->err, "rules have version %s, this ken reads version 1",
                       node->text);
        return error_hint(rd->err, status, "use a newer ken, or write version: 1");
    }
    return KEN_OK;
}

static ken_status read_root(const reader *rd, const yaml_node *root) {
    static const char *const keys[] = {"version",  "templates",      "prompts_are",
                                       "neutral",  "neutral_margin", "threshold",
                                       "multiple", "none_label",     "categories"};
    rules *r = rd->r;
    if (root->kind != YAML_MAP) {
        ken_status status = yaml_error(root, rd->where, rd->err, "expected a mapping of rules");
        return error_hint(rd->err, status, "begin with version: 1 and categories:");
    }
    TRY(yaml_check_keys(root, "the rules", keys, sizeof keys / sizeof *keys, rd->where, rd->err));
    TRY(check_version(rd, root));
    TRY(read_templates(rd, root));
    TRY(read_texts(rd, yaml_find(root, "neutral"), &r->neutral));
    TRY(read_number(rd, root, "neutral_margin", score_min, score_max, &r->neutral_margin));
    const yaml_node *margin = yaml_find(root, "neutral_margin");
    if (margin && r->neutral.n == 0)
        return yaml_key_error(margin, rd->where, rd->err,
                              "there is a 'neutral_margin' but no 'neutral' prompts");
    float threshold = 0;
    TRY(read_number(rd, root, "threshold", score_min, score_max, &threshold));
    r->multiple = true;
    const yaml_node *node = yaml_find(root, "multiple");
    if (node)
        TRY(yaml_get_bool(node, rd->where, &r->multiple, rd->err));
    r->none_label = rules_default_none_label;
    node = yaml_find(root, "none_label");
    if (node)
        TRY(yaml_get_text(node, rd->where, &r->none_label, rd->err));
    TRY(read_categories(rd, root, threshold));
    return rules_check_size(r, rd->err);
}

ken_status rules_parse(const char *text, size_t size, const char *where, const char *dir,
                       rules **out, ken_error *err) {
    *out = NULL;
    rules *r;
    if (size > RULES_MAX_BYTES)
        return error_set(err, KEN_TOO_LARGE, "'%s' is %zu bytes, the limit is %d", where, size,
                         RULES_MAX_BYTES);
    TRY(rules_new(where, dir, &r, err));
    const yaml_node *root = NULL;
    r->source = arena_strndup(&r->memory, text, size);
    ken_status status = r->source ? KEN_OK : error_no_memory(err, size);
    if (status == KEN_OK)
        status = yaml_parse(text, size, r->where, &r->memory, &root, err);
    if (status == KEN_OK)
        status = read_root(&(reader){r, r->where, err}, root);
    if (status == KEN_OK)
        *out = r;
    else
        rules_free(r);
    return status;
}

ken_status rules_load(const char *path, rules **out, ken_error *err) {
    *out = NULL;
    buf text;
    buf_init(&text, RULES_MAX_BYTES);
    ken_status status = file_read(path, &text, err);
    char *dir = mem_strdup(path);
    if (status == KEN_OK && !dir)
        status = error_no_memory(err, strlen(path) + 1);
    if (status == KEN_OK) {
        size_t n = (size_t)(file_name(path) - path);
        dir[n > 1 ? n - 1 : n] = '\0'; /* without the slash, but for the root's */
        status =
            rules_parse(text.data ? text.data : "", text.size, path, *dir ? dir : ".", out, err);
    }
    mem_free(dir);
    buf_free(&text);
    return status;
}
