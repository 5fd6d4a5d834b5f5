/* tasks/classify/rules.c: rules files -> rules: the keys of a file, and the files that it includes.
 * Keys, types, ranges and contradictions are checked here and in rules_read.c, so that what comes
 * out can be used without a further question. */
#include "tasks/classify/rules.h"

#include "base/buf.h"
#include "base/file.h"
#include "tasks/classify/rules_build.h"
#include "tasks/classify/rules_read.h"
#include "tasks/classify/text_index.h"

#include <string.h>

/* What all files of one reading share. */
typedef struct reading {
    text_index names; /* of the categories, in their order */
    size_t capacity;  /* of the categories */
    size_t n_files;   /* that were included */
} reading;

/* A file among those that included one another. */
typedef struct source {
    rules_reader reader;
    reading *shared;
    const struct source *from; /* NULL: nobody included it */
    file_identity identity;
    int depth;
} source;

static ken_status read_root(source *s, const yaml_node *root, const rules_defaults *inherited);

/* ---- included files --------------------------------------------------------------------------
 */

/* The path from the folder of the file that names it; NULL without memory. */
static const char *join(arena *memory, const char *dir, const char *path) {
    bool whole = path[0] == '/' || strcmp(dir, ".") == 0;
    return whole ? arena_strdup(memory, path) : arena_printf(memory, "%s/%s", dir, path);
}

static const char *folder_of(arena *memory, const char *path) {
    size_t n = (size_t)(file_name(path) - path);
    if (n == 0)
        return arena_strdup(memory, ".");
    return arena_strndup(memory, path, n > 1 ? n - 1 : n); /* without the slash, but for the root */
}

static ken_status check_cycle(const source *s, const yaml_node *item, const char *path,
                              const file_identity *identity) {
    const rules_reader *rd = &s->reader;
    for (const source *up = s; up; up = up->from)
        if (up->identity.device == identity->device && up->identity.inode == identity->inode)
            return yaml_error(item, rd->where, rd->err, "'%s' includes itself", path);
    if (s->depth == RULES_MAX_DEPTH)
        return yaml_error(item, rd->where, rd->err, "files include files more than %d levels deep",
                          RULES_MAX_DEPTH);
    if (++s->shared->n_files > RULES_MAX_FILES)
        return yaml_error(item, rd->where, rd->err, "more than %d files are included",
                          RULES_MAX_FILES);
    return KEN_OK;
}

/* Keeps the text of a file that was included. */
static ken_status keep_file(rules *r, const char *path, const buf *text, ken_error *err) {
    rules_file *file = arena_alloc(&r->memory, sizeof *file);
    const char *copy = arena_strndup(&r->memory, text->data ? text->data : "", text->size);
    if (!file || !copy)
        return error_no_memory(err, text->size + sizeof *file);
    *file = (rules_file){.where = path, .source = copy};
    rules_file **last = &r->included;
    while (*last)
        last = &(*last)->next;
    *last = file;
    return KEN_OK;
}

static ken_status read_file(const rules_reader *rd, const yaml_node *item, const char *path,
                            const yaml_node **root) {
    buf text;
    buf_init(&text, RULES_MAX_BYTES);
    ken_status status = file_read(path, &text, rd->err);
    if (status != KEN_OK)
        error_prefix(rd->err, status, "%s:%d:%d", rd->where, item->line, item->column);
    else
        status = keep_file(rd->r, path, &text, rd->err);
    if (status == KEN_OK)
        status =
            yaml_parse(text.data ? text.data : "", text.size, path, &rd->r->memory, root, rd->err);
    buf_free(&text);
    return status;
}

static ken_status include_file(const source *s, const yaml_node *item,
                               const rules_defaults *defaults) {
    const rules_reader *rd = &s->reader;
    arena *memory = &rd->r->memory;
    const char *name;
    TRY(yaml_get_text(item, rd->where, &name, rd->err));
    const char *path = join(memory, rd->dir, name);
    const char *dir = path ? folder_of(memory, path) : NULL;
    if (!dir)
        return error_no_memory(rd->err, strlen(name));
    source inner = {{rd->r, path, dir, true, rd->err}, s->shared, s, {0}, s->depth + 1};
    if (file_identify(path, &inner.identity))
        TRY(check_cycle(s, item, path, &inner.identity));
    const yaml_node *root = NULL;
    TRY(read_file(rd, item, path, &root));
    return read_root(&inner, root, defaults);
}

static ken_status include_files(const source *s, const yaml_node *root,
                                const rules_defaults *defaults) {
    const rules_reader *rd = &s->reader;
    const yaml_node *node = yaml_find(root, "include");
    if (!node)
        return KEN_OK;
    if (!rd->opens_files)
        return yaml_key_error(node, rd->where, rd->err,
                              "rules that come from no file cannot include one");
    rules_texts checked;
    TRY(rules_read_texts(rd, node, &checked));
    for (const yaml_node *item = node->first; item; item = item->next)
        TRY(include_file(s, item, defaults));
    return KEN_OK;
}

/* ---- categories ------------------------------------------------------------------------------ */

/* Room for one more. What is outgrown stays in the arena: less than what is used. */
static ken_status make_room(rules *r, size_t *capacity, ken_error *err) {
    if (r->n_categories < *capacity)
        return KEN_OK;
    size_t grown = *capacity ? 2 * *capacity : 16;
    rules_category *categories = arena_array(&r->memory, grown, sizeof *categories);
    if (!categories)
        return error_no_memory(err, grown * sizeof *categories);
    if (r->n_categories)
        memcpy(categories, r->categories, r->n_categories * sizeof *categories);
    r->categories = categories;
    *capacity = grown;
    return KEN_OK;
}

static ken_status add_category(const source *s, const yaml_node *node,
                               const rules_defaults *defaults) {
    const rules_reader *rd = &s->reader;
    rules *r = rd->r;
    TRY(make_room(r, &s->shared->capacity, rd->err));
    TRY(rules_read_category(rd, node, defaults, &r->categories[r->n_categories]));
    uint32_t number;
    TRY(text_index_add(&s->shared->names, node->key, strlen(node->key), &number, rd->err));
    if (number < r->n_categories) {
        const rules_category *first = &r->categories[number];
        return yaml_key_error(node, rd->where, rd->err,
                              "duplicate category '%s', first given in %s:%d", node->key,
                              first->where, first->line);
    }
    r->n_categories++;
    if (strcmp(node->key, r->none_label) == 0)
        return yaml_key_error(node, rd->where, rd->err,
                              "category '%s' has the name of 'none_label'", node->key);
    return KEN_OK;
}

static ken_status read_categories(const source *s, const yaml_node *root,
                                  const rules_defaults *defaults) {
    const rules_reader *rd = &s->reader;
    const yaml_node *node = yaml_find(root, "categories");
    if (!node && yaml_find(root, "include"))
        return KEN_OK;
    if (!node) {
        ken_status status = yaml_error(root, rd->where, rd->err, "there is no 'categories' key");
        return error_hint(rd->err, status, "add categories: with a name and its prompts each");
    }
    if (node->kind != YAML_MAP || node->n == 0)
        return yaml_error(node, rd->where, rd->err,
                          "expected a mapping of at least one category for 'categories'");
    for (const yaml_node *item = node->first; item; item = item->next)
        TRY(add_category(s, item, defaults));
    return KEN_OK;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static ken_status check_version(const rules_reader *rd, const yaml_node *root) {
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

/* The keys that count for all categories together, in the outermost file. */
static ken_status read_whole(const source *s, const yaml_node *root) {
    const rules_reader *rd = &s->reader;
    const yaml_node *multiple = yaml_find(root, "multiple"), *none = yaml_find(root, "none_label");
    bool many = true;
    const char *none_label = rules_default_none_label;
    if (multiple)
        TRY(yaml_get_bool(multiple, rd->where, &many, rd->err));
    if (none)
        TRY(yaml_get_text(none, rd->where, &none_label, rd->err));
    if (!s->from) {
        rd->r->multiple = many;
        rd->r->none_label = none_label;
    }
    return KEN_OK;
}

static ken_status read_root(source *s, const yaml_node *root, const rules_defaults *inherited) {
    static const char *const keys[] = {
        "version",         "include",  "templates", "prompts_are", "neutral",
        "neutral_margin",  "negative", "threshold", "multiple",    "none_label",
        "examples_weight", "level",    "categories"};
    const rules_reader *rd = &s->reader;
    if (root->kind != YAML_MAP) {
        ken_status status = yaml_error(root, rd->where, rd->err, "expected a mapping of rules");
        return error_hint(rd->err, status, "begin with version: 1 and categories:");
    }
    TRY(yaml_check_keys(root, "the rules", keys, sizeof keys / sizeof *keys, rd->where, rd->err));
    TRY(check_version(rd, root));
    rules_defaults defaults = *inherited;
    TRY(rules_read_defaults(rd, root, "the file", &defaults));
    TRY(read_whole(s, root));
    TRY(include_files(s, root, &defaults));
    return read_categories(s, root, &defaults);
}

/* Each included file's text behind a line with its name. */
static ken_status keep_all_text(rules *r, ken_error *err) {
    if (!r->included) {
        r->all_text = r->source;
        return KEN_OK;
    }
    buf all;
    buf_init(&all, (size_t)RULES_MAX_FILES * 2 * RULES_MAX_BYTES);
    buf_puts(&all, r->source);
    for (const rules_file *file = r->included; file; file = file->next)
        buf_printf(&all, "\n# ---- included: %s\n%s", file->where, file->source);
    ken_status status = buf_check(&all, err);
    if (status == KEN_OK && !(r->all_text = arena_strndup(&r->memory, all.data, all.size)))
        status = error_no_memory(err, all.size);
    buf_free(&all);
    return status;
}

static ken_status parse(rules *r, const char *text, size_t size, const char *path, ken_error *err) {
    reading shared = {0};
    source s = {.reader = {r, r->where, r->dir, path != NULL, err}, .shared = &shared};
    if (path)
        (void)file_identify(path, &s.identity);
    const yaml_node *root = NULL;
    const rules_defaults none = {.examples_weight = 0.5f};
    TRY(yaml_parse(text, size, r->where, &r->memory, &root, err));
    ken_status status = read_root(&s, root, &none);
    text_index_reset(&shared.names);
    TRY(status);
    TRY(rules_check_size(r, err));
    return keep_all_text(r, err);
}

/* `path` is NULL when no files may be opened. */
static ken_status parse_text(const char *text, size_t size, const char *where, const char *dir,
                             const char *path, rules **out, ken_error *err) {
    *out = NULL;
    rules *r;
    if (size > RULES_MAX_BYTES)
        return error_set(err, KEN_TOO_LARGE, "'%s' is %zu bytes, the limit is %d", where, size,
                         RULES_MAX_BYTES);
    TRY(rules_new(where, dir, &r, err));
    r->source = arena_strndup(&r->memory, text, size);
    ken_status status = r->source ? parse(r, text, size, path, err) : error_no_memory(err, size);
    if (status == KEN_OK)
        *out = r;
    else
        rules_free(r);
    return status;
}

ken_status rules_parse(const char *text, size_t size, const char *where, const char *dir,
                       rules **out, ken_error *err) {
    return parse_text(text, size, where, dir, NULL, out, err);
}

ken_status rules_load(const char *path, rules **out, ken_error *err) {
    *out = NULL;
    buf text;
    arena memory = {0};
    buf_init(&text, RULES_MAX_BYTES);
    ken_status status = file_read(path, &text, err);
    const char *dir = folder_of(&memory, path);
    if (status == KEN_OK && !dir)
        status = error_no_memory(err, strlen(path) + 1);
    if (status == KEN_OK)
        status = parse_text(text.data ? text.data : "", text.size, path, dir, path, out, err);
    arena_free(&memory);
    buf_free(&text);
    return status;
}
