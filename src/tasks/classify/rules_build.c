#include "tasks/classify/rules_build.h"

#include "tasks/classify/prompt_files.h"

#include <string.h>

const char rules_default_none_label[] = "none of these";

ken_status rules_new(const char *where, const char *dir, rules **out, ken_error *err) {
    *out = NULL;
    rules *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return error_no_memory(err, sizeof *r);
    r->where = arena_strdup(&r->memory, where);
    r->dir = arena_strdup(&r->memory, dir);
    r->none_label = rules_default_none_label;
    if (!r->where || !r->dir) {
        rules_free(r);
        return error_no_memory(err, strlen(where) + strlen(dir));
    }
    *out = r;
    return KEN_OK;
}

void rules_free(rules *r) {
    if (!r)
        return;
    arena_free(&r->memory);
    mem_free(r);
}

size_t rules_find(const rules *r, const char *name) {
    size_t i = 0;
    while (i < r->n_categories && strcmp(r->categories[i].name, name) != 0)
        i++;
    return i;
}

static ken_status copy_texts(rules *r, const rules_texts *texts, rules_texts *out, ken_error *err) {
    out->n = 0;
    out->items = arena_array(&r->memory, texts->n, sizeof *out->items);
    if (!out->items)
        return error_no_memory(err, texts->n * sizeof *out->items);
    for (size_t i = 0; i < texts->n; i++) {
        out->items[out->n] = arena_strdup(&r->memory, texts->items[i]);
        if (!out->items[out->n++])
            return error_no_memory(err, strlen(texts->items[i]));
    }
    return KEN_OK;
}

ken_status rules_set_templates(rules *r, const rules_texts *templates, ken_error *err) {
    for (size_t i = 0; i < templates->n; i++)
        if (!template_has_place(templates->items[i]))
            return error_hint(err,
                              error_set(err, KEN_BAD_ARGUMENT,
                                        "template '%s' has no place for the name",
                                        templates->items[i]),
                              "write {} where the name goes");
    rules_texts copy;
    TRY(copy_texts(r, templates, &copy, err));
    for (size_t i = 0; i < r->n_categories; i++)
        r->categories[i].templates = copy;
    return KEN_OK;
}

ken_status rules_reserve(rules *r, size_t n, ken_error *err) {
    r->categories = arena_array(&r->memory, n, sizeof *r->categories);
    return r->categories ? KEN_OK : error_no_memory(err, n * sizeof *r->categories);
}

ken_status rules_add_category(rules *r, const char *name, const rules_texts *positive,
                              ken_error *err) {
    if (!*name)
        return error_set(err, KEN_BAD_ARGUMENT, "class %zu of %s is empty", r->n_categories + 1,
                         r->where);
    if (rules_find(r, name) < r->n_categories)
        return error_set(err, KEN_BAD_ARGUMENT, "class '%s' is given twice", name);
    rules_category *c = &r->categories[r->n_categories];
    c->where = r->where;
    c->dir = r->dir;
    c->name = arena_strdup(&r->memory, name);
    if (!c->name)
        return error_no_memory(err, strlen(name));
    TRY(copy_texts(r, positive, &c->positive, err));
    r->n_categories++;
    return KEN_OK;
}

size_t rules_n_prompts(const rules *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->n_categories; i++) {
        const rules_category *c = &r->categories[i];
        n += (c->positive.n + c->negative.n) * (c->templates.n ? c->templates.n : 1);
    }
    for (const rules_neutral *set = r->neutral; set; set = set->next)
        n += set->texts.n;
    return n;
}

ken_status rules_check_size(const rules *r, ken_error *err) {
    size_t n = rules_n_prompts(r);
    if (n > RULES_MAX_PROMPTS)
        return error_set(err, KEN_TOO_LARGE,
                         "%s: the rules make %zu prompts with their templates, the limit is %d",
                         r->where, n, RULES_MAX_PROMPTS);
    return KEN_OK;
}

static ken_status fill_classes(rules *r, const char *const *classes, size_t n_classes,
                               const rules_texts *templates, ken_error *err) {
    TRY(rules_reserve(r, n_classes, err));
    for (size_t i = 0; i < n_classes; i++) {
        const char *name = classes[i];
        TRY(rules_add_category(r, name, &(rules_texts){&name, 1}, err));
    }
    TRY(rules_set_templates(r, templates, err));
    return rules_check_size(r, err);
}

ken_status rules_from_classes(const char *const *classes, size_t n_classes,
                              const rules_texts *templates, rules **out, ken_error *err) {
    TRY(rules_new("--classes", ".", out, err));
    ken_status status = fill_classes(*out, classes, n_classes, templates, err);
    if (status != KEN_OK) {
        rules_free(*out);
        *out = NULL;
    }
    return status;
}
