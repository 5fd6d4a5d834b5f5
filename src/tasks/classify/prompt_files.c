#include "tasks/classify/prompt_files.h"

#include "base/buf.h"
#include "base/doc.h"
#include "base/file.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tasks/classify/rules_build.h"

#include <string.h>
#include <strings.h>

enum { max_file_bytes = 64 << 20, max_texts = 1 << 20 };

#include "tasks/classify/templates_openai.inc"

static const char *const set_names[] = {"openai-80", "openai-7"};
enum { n_sets = sizeof set_names / sizeof *set_names };

bool template_has_place(const char *template_text) {
    return strstr(template_text, "{}") || strstr(template_text, "{c}") ||
           strstr(template_text, "{label}");
}

/* ---- files ----------------------------------------------------------------------------------- */

/* A file that is being read. `key` is NULL without a '#'. */
typedef struct source {
    const char *path, *key;
    arena *memory;
    ken_error *err;
} source;

static ken_status split_spec(const char *spec, const char *dir, source *s) {
    const char *hash = strrchr(spec, '#');
    const char *path = hash ? arena_strndup(s->memory, spec, (size_t)(hash - spec)) : spec;
    s->key = hash ? hash + 1 : NULL;
    s->path = path && *path != '/' && strcmp(dir, ".") != 0
                  ? arena_printf(s->memory, "%s/%s", dir, path)
                  : path;
    return s->path ? KEN_OK : error_no_memory(s->err, strlen(spec));
}

static ken_status bad_file(const source *s, const char *found) {
    ken_status status = error_set(s->err, KEN_BAD_FORMAT,
                                  "'%s': expected a list of texts, found %s", s->path, found);
    return error_hint(s->err, status, "write [\"...\", \"...\"]");
}

/* The names of an object's members, as far as a hint has room. */
static ken_status need_key(const source *s, const json_t *object) {
    buf names;
    buf_init(&names, 160);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (!buf_printf(&names, "%s%.40s", names.size ? ", " : "", key))
            break;
    }
    ken_status status =
        error_set(s->err, KEN_BAD_ARGUMENT, "'%s' has %zu members, and none of them was named",
                  s->path, json_object_size(object));
    error_hint(s->err, status, "add # and one of: %s; '%.80s#' means all of the file",
               names.data ? names.data : "", file_name(s->path));
    buf_free(&names);
    return status;
}

/* What the spec names in a document: itself, the only member, or the member KEY. */
static ken_status find_member(const source *s, const json_t *doc, const json_t **out) {
    *out = doc;
    if (!json_is_object(doc) || (s->key && !*s->key))
        return KEN_OK;
    if (!s->key && json_object_size(doc) != 1)
        return need_key(s, doc);
    *out = s->key ? json_object_get(doc, s->key)
                  : json_object_iter_value(json_object_iter((json_t *)(uintptr_t)doc));
    return *out ? KEN_OK
                : error_set(s->err, KEN_BAD_ARGUMENT, "'%s' has no member '%s'", s->path, s->key);
}

static ken_status read_list(const source *s, const json_t *list, rules_texts *out) {
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0)
        return bad_file(s, json_is_array(list) ? "an empty list" : "something else");
    if (n > max_texts)
        return error_set(s->err, KEN_TOO_LARGE, "'%s' holds %zu texts, the limit is %d", s->path, n,
                         max_texts);
    out->n = 0;
    out->items = arena_array(s->memory, n, sizeof *out->items);
    if (!out->items)
        return error_no_memory(s->err, n * sizeof *out->items);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !*text)
            return bad_file(s, text ? "an empty text" : "something else");
        out->items[out->n] = arena_strdup(s->memory, text);
        if (!out->items[out->n++])
            return error_no_memory(s->err, strlen(text));
    }
    return KEN_OK;
}

/* A text a line; blank lines are passed over. */
static ken_status read_lines(const source *s, rules_texts *out) {
    buf text;
    buf_init(&text, max_file_bytes);
    ken_status status = file_read(s->path, &text, s->err);
    if (status == KEN_OK && !utf8_valid(text.data ? text.data : "", text.size))
        status = error_set(s->err, KEN_BAD_FORMAT, "'%s' is not UTF-8", s->path);
    size_t n_lines = 1;
    for (size_t i = 0; status == KEN_OK && i < text.size; i++)
        n_lines += text.data[i] == '\n';
    out->n = 0;
    out->items = status == KEN_OK ? arena_array(s->memory, n_lines, sizeof *out->items) : NULL;
    if (status == KEN_OK && !out->items)
        status = error_no_memory(s->err, n_lines * sizeof *out->items);
    for (size_t at = 0, end; status == KEN_OK && at < text.size; at = end + 1) {
        const char *newline = memchr(text.data + at, '\n', text.size - at);
        end = newline ? (size_t)(newline - text.data) : text.size;
        size_t n = end - at;
        while (n && strchr(" \t\r", text.data[at + n - 1]))
            n--;
        if (n == 0)
            continue;
        out->items[out->n] = arena_strndup(s->memory, text.data + at, n);
        if (!out->items[out->n++])
            status = error_no_memory(s->err, n);
    }
    buf_free(&text);
    if (status == KEN_OK && out->n == 0)
        status = error_set(s->err, KEN_BAD_FORMAT, "'%s' holds no text", s->path);
    return status;
}

static bool is_json(const char *path) {
    return strcasecmp(file_extension(path), ".json") == 0;
}

/* ---- templates ------------------------------------------------------------------------------- */

static bool find_set(const char *name, rules_texts *out) {
    static const rules_texts sets[n_sets] = {
        {(const char **)(uintptr_t)openai_80, sizeof openai_80 / sizeof *openai_80},
        {(const char **)(uintptr_t)openai_7, sizeof openai_7 / sizeof *openai_7},
    };
    for (size_t i = 0; i < n_sets; i++) {
        if (strcmp(name, set_names[i]) == 0) {
            *out = sets[i];
            return true;
        }
    }
    return false;
}

static ken_status unknown_set(const char *spec, ken_error *err) {
    ken_status status =
        error_set(err, KEN_BAD_ARGUMENT, "there are no templates with the name '%s'", spec);
    const char *closest = suggest_word(spec, set_names, n_sets);
    if (closest)
        return error_hint(err, status, "did you mean '%s'?", closest);
    return error_hint(err, status, "give openai-80, openai-7, a .txt or a .json file");
}

ken_status templates_read(const char *spec, const char *dir, arena *memory, rules_texts *out,
                          ken_error *err) {
    source s = {.memory = memory, .err = err};
    if (find_set(spec, out))
        return KEN_OK;
    TRY(split_spec(spec, dir ? dir : ".", &s));
    bool is_text = strcasecmp(file_extension(s.path), ".txt") == 0;
    if (!is_json(s.path) && !is_text)
        return unknown_set(spec, err);
    if (!dir)
        return error_set(err, KEN_BAD_FORMAT,
                         "templates cannot come from the file '%s': the rules come from none",
                         spec);
    if (is_text) {
        TRY(read_lines(&s, out));
    } else {
        json_t *doc;
        const json_t *list = NULL;
        TRY(doc_read(s.path, max_file_bytes, &doc, err));
        ken_status status = find_member(&s, doc, &list);
        if (status == KEN_OK)
            status = read_list(&s, list, out);
        json_decref(doc);
        TRY(status);
    }
    for (size_t i = 0; i < out->n; i++)
        if (!template_has_place(out->items[i]))
            return error_hint(err,
                              error_set(err, KEN_BAD_FORMAT,
                                        "'%s': template '%s' has no place for the name", s.path,
                                        out->items[i]),
                              "write {} where the name goes");
    return KEN_OK;
}

/* ---- classes --------------------------------------------------------------------------------- */

static ken_status add_names(rules *r, const rules_texts *names, ken_error *err) {
    TRY(rules_reserve(r, names->n, err));
    for (size_t i = 0; i < names->n; i++)
        TRY(rules_add_category(r, names->items[i], &(rules_texts){&names->items[i], 1}, err));
    return KEN_OK;
}

/* {"tench": ["A tench is ...", ...]} */
static ken_status add_descriptions(const source *s, rules *r, const json_t *object) {
    const char *name;
    json_t *list;
    TRY(rules_reserve(r, json_object_size(object), s->err));
    json_object_foreach((json_t *)(uintptr_t)object, name, list) {
        rules_texts sentences;
        TRY(read_list(s, list, &sentences));
        TRY(rules_add_category(r, name, &sentences, s->err));
    }
    return KEN_OK;
}

static ken_status add_json(const source *s, rules *r, bool *are_sentences) {
    json_t *doc;
    const json_t *member = NULL;
    TRY(doc_read(s->path, max_file_bytes, &doc, s->err));
    ken_status status = find_member(s, doc, &member);
    *are_sentences = status == KEN_OK && json_is_object(member);
    rules_texts names;
    if (*are_sentences)
        status = add_descriptions(s, r, member);
    else if (status == KEN_OK && (status = read_list(s, member, &names)) == KEN_OK)
        status = add_names(r, &names, s->err);
    json_decref(doc);
    return status;
}

static ken_status add_classes(const char *spec, const rules_texts *templates, rules *r,
                              ken_error *err) {
    source s = {.memory = &r->memory, .err = err};
    bool are_sentences = false;
    TRY(split_spec(spec, ".", &s));
    if (is_json(s.path)) {
        TRY(add_json(&s, r, &are_sentences));
    } else {
        rules_texts names;
        TRY(read_lines(&s, &names));
        TRY(add_names(r, &names, err));
    }
    if (!are_sentences)
        TRY(rules_set_templates(r, templates, err));
    return rules_check_size(r, err);
}

ken_status rules_from_class_file(const char *spec, const rules_texts *templates, rules **out,
                                 ken_error *err) {
    TRY(rules_new(spec, ".", out, err));
    ken_status status = add_classes(spec, templates, *out, err);
    if (status != KEN_OK) {
        rules_free(*out);
        *out = NULL;
    }
    return status;
}
