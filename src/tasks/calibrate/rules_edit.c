#include "tasks/calibrate/rules_edit.h"

#include "base/yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the edits --------------------------------------------------------------------------------
 */

typedef struct editor {
    const rules *r;
    buf *out;
    size_t copied; /* bytes of the source that are in `out` */
} editor;

static void copy_until(editor *e, size_t at) {
    buf_append(e->out, e->r->source + e->copied, at - e->copied);
    e->copied = at;
}

static bool ends_line(char c) {
    return c == '\n' || c == '\r';
}

/* Puts a key before the first one of a category: in its line between braces, else in a line of its
 * own with the same indentation. */
static void insert_key(editor *e, const yaml_node *category, const char *value) {
    const char *source = e->r->source;
    size_t at = category->first->key_at, line = at;
    copy_until(e, at);
    if (category->flow) {
        const char *quote = source[at] == '"' ? "\"" : "";
        buf_printf(e->out, "%sthreshold%s: %s, ", quote, quote, value);
        return;
    }
    while (line > 0 && !ends_line(source[line - 1]))
        line--;
    buf_printf(e->out, "threshold: %s%s", value, strstr(source, "\r\n") ? "\r\n" : "\n");
    buf_append(e->out, source + line, at - line);
}

static void replace_value(editor *e, const yaml_node *node, const char *value) {
    copy_until(e, node->at);
    buf_puts(e->out, value);
    e->copied = node->end;
}

static void edit(editor *e, const yaml_node *root, const char *const *thresholds) {
    size_t i = 0;
    for (const yaml_node *c = yaml_find(root, "categories")->first; c; c = c->next, i++) {
        if (!thresholds[i])
            continue;
        const yaml_node *node = yaml_find(c, "threshold");
        if (node)
            replace_value(e, node, thresholds[i]);
        else
            insert_key(e, c, thresholds[i]);
    }
    copy_until(e, strlen(e->r->source));
}

/* ---- the proof --------------------------------------------------------------------------------
 */

static bool is_threshold(const yaml_node *node, int depth) {
    return depth == 3 && node->key && strcmp(node->key, "threshold") == 0;
}

/* Are two trees alike but for the thresholds of categories? */
static bool same_tree(const yaml_node *a, const yaml_node *b, int depth) {
    if (a->kind != b->kind || (a->key && strcmp(a->key, b->key) != 0))
        return false;
    if (a->kind == YAML_SCALAR)
        return a->plain == b->plain && strcmp(a->text, b->text) == 0;
    a = a->first;
    b = b->first;
    for (;;) {
        if (a && is_threshold(a, depth + 1))
            a = a->next;
        if (b && is_threshold(b, depth + 1))
            b = b->next;
        if (!a || !b)
            return a == b;
        if (!same_tree(a, b, depth + 1))
            return false;
        a = a->next;
        b = b->next;
    }
}

static bool has_thresholds(const yaml_node *root, const rules *r, const char *const *thresholds) {
    const yaml_node *c = yaml_find(root, "categories")->first;
    for (size_t i = 0; i < r->n_categories; i++, c = c->next) {
        const yaml_node *node = yaml_find(c, "threshold");
        if (thresholds[i] && (!node || !node->text || strcmp(node->text, thresholds[i]) != 0))
            return false;
    }
    return true;
}

static bool is_as_wanted(const editor *e, const yaml_node *before, const char *const *thresholds,
                         size_t from) {
    arena memory = {0};
    const yaml_node *after;
    bool good = yaml_parse(e->out->data + from, e->out->size - from, e->r->where, &memory, &after,
                           NULL) == KEN_OK &&
                same_tree(before, after, 0) && has_thresholds(after, e->r, thresholds);
    arena_free(&memory);
    return good;
}

ken_status rules_edit_check(const rules *r, ken_error *err) {
    if (!r->included)
        return KEN_OK;
    ken_status status =
        error_set(err, KEN_UNSUPPORTED, "'%s' includes '%s', and thresholds go into one file only",
                  r->where, r->included->where);
    return error_hint(err, status, "put the categories into one file, without 'include'");
}

ken_status rules_edit_thresholds(const rules *r, const char *const *thresholds, buf *out,
                                 ken_error *err) {
    arena memory = {0};
    const yaml_node *root;
    size_t from = out->size;
    editor e = {.r = r, .out = out};
    TRY(rules_edit_check(r, err));
    ken_status status = yaml_parse(r->source, strlen(r->source), r->where, &memory, &root, err);
    if (status == KEN_OK) {
        edit(&e, root, thresholds);
        status = buf_check(out, err);
    }
    if (status == KEN_OK && !is_as_wanted(&e, root, thresholds, from)) {
        status = error_set(err, KEN_UNSUPPORTED, "'%s' has no place where thresholds could be put",
                           r->where);
        error_hint(err, status, "write a line 'threshold: 0' into each category");
    }
    arena_free(&memory);
    return status;
}
