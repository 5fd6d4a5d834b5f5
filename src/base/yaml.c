#include "base/yaml.h"

#include "base/buf.h"
#include "base/suggest.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { max_depth = 16, max_keys = 4096 };

typedef struct builder {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; zeroed when there is none */
    const char *where;
    arena *memory;
    ken_error *err;
    const char *text;
    size_t size;
    size_t mark, mark_at; /* a character of the text, and the byte where it begins */
} builder;

/* ---- errors ---------------------------------------------------------------------------------- */

static ken_status KEN_PRINTF(5, 0) fail_at(ken_error *err, const char *where, int line, int column,
                                           const char *format, va_list args) {
    char message[512];
    vsnprintf(message, sizeof message, format, args);
    return error_set(err, KEN_BAD_FORMAT, "%s:%d:%d: %s", where, line, column, message);
}

ken_status yaml_error(const yaml_node *node, const char *where, ken_error *err, const char *format,
                      ...) {
    va_list args;
    va_start(args, format);
    ken_status status = fail_at(err, where, node->line, node->column, format, args);
    va_end(args);
    return status;
}

ken_status yaml_key_error(const yaml_node *node, const char *where, ken_error *err,
                          const char *format, ...) {
    va_list args;
    va_start(args, format);
    ken_status status = fail_at(err, where, node->key_line, node->key_column, format, args);
    va_end(args);
    return status;
}

static ken_status KEN_PRINTF(2, 3) fail_here(const builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ken_status status = fail_at(b->err, b->where, (int)b->event.start_mark.line + 1,
                                (int)b->event.start_mark.column + 1, format, args);
    va_end(args);
    return status;
}

static ken_status fail_parser(const builder *b) {
    const yaml_parser_t *p = &b->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return error_no_memory(b->err, 0);
    if (p->error == YAML_READER_ERROR)
        return error_at(b->err, KEN_BAD_FORMAT, (int64_t)p->problem_offset,
                        "%s: not UTF-8 text at byte %zu: %s", b->where, p->problem_offset,
                        p->problem ? p->problem : "bad character");
    return error_set(b->err, KEN_BAD_FORMAT, "%s:%zu:%zu: not valid YAML: %s%s%s", b->where,
                     p->problem_mark.line + 1, p->problem_mark.column + 1,
                     p->context ? p->context : "", p->context ? ", " : "",
                     p->problem ? p->problem : "unknown problem");
}

/* ---- building the tree ------------------------------------------------------------------------
 */

static ken_status next_event(builder *b) {
    yaml_event_delete(&b->event);
    memset(&b->event, 0, sizeof b->event);
    if (!yaml_parser_parse(&b->parser, &b->event))
        return fail_parser(b);
    return KEN_OK;
}

static ken_status refuse_extras(const builder *b) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (b->event.type) {
    case YAML_ALIAS_EVENT:
        return fail_here(b, "aliases are not used here, found '*%s'",
                         (const char *)b->event.data.alias.anchor);
    case YAML_SCALAR_EVENT:
        anchor = b->event.data.scalar.anchor;
        tag = b->event.data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = b->event.data.sequence_start.anchor;
        tag = b->event.data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = b->event.data.mapping_start.anchor;
        tag = b->event.data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor)
        return fail_here(b, "anchors are not used here, found '&%s'", (const char *)anchor);
    if (tag)
        return fail_here(b, "tags are not used here, found '%s'", (const char *)tag);
    return KEN_OK;
}

/* The current event's scalar as a string of the arena. */
static ken_status copy_scalar(const builder *b, const char **out) {
    const char *value = (const char *)b->event.data.scalar.value;
    size_t size = b->event.data.scalar.length;
    if (memchr(value, '\0', size))
        return fail_here(b, "a text may not hold a NUL character");
    *out = arena_strndup(b->memory, value, size);
    return *out ? KEN_OK : error_no_memory(b->err, size);
}

/* The byte where a mark's character begins. Marks count characters, and come nearly in order. */
static size_t byte_of(builder *b, const yaml_mark_t *mark) {
    if (mark->index < b->mark)
        b->mark = b->mark_at = 0;
    for (; b->mark < mark->index && b->mark_at < b->size; b->mark++) {
        b->mark_at++;
        while (b->mark_at < b->size && ((unsigned char)b->text[b->mark_at] & 0xC0) == 0x80)
            b->mark_at++;
    }
    return b->mark_at;
}

static ken_status build_node(builder *b, int depth, yaml_node *node);

static ken_status build_list(builder *b, int depth, yaml_node *list) {
    yaml_node **link = &list->first;
    for (;;) {
        TRY(next_event(b));
        if (b->event.type == YAML_SEQUENCE_END_EVENT)
            return KEN_OK;
        yaml_node *item = arena_alloc(b->memory, sizeof *item);
        if (!item)
            return error_no_memory(b->err, sizeof *item);
        TRY(build_node(b, depth + 1, item));
        *link = item;
        link = &item->next;
        list->n++;
    }
}

static ken_status build_key(builder *b, const yaml_node *map, yaml_node *item) {
    TRY(refuse_extras(b));
    if (b->event.type != YAML_SCALAR_EVENT)
        return fail_here(b, "a key must be a text");
    TRY(copy_scalar(b, &item->key));
    item->key_line = (int)b->event.start_mark.line + 1;
    item->key_column = (int)b->event.start_mark.column + 1;
    item->key_at = byte_of(b, &b->event.start_mark);
    const yaml_node *same = yaml_find(map, item->key);
    if (same)
        return fail_here(b, "duplicate key '%s', first given in line %d", item->key,
                         same->key_line);
    return KEN_OK;
}

static ken_status build_map(builder *b, int depth, yaml_node *map) {
    yaml_node **link = &map->first;
    for (;;) {
        TRY(next_event(b));
        if (b->event.type == YAML_MAPPING_END_EVENT)
            return KEN_OK;
        if (map->n == max_keys)
            return fail_here(b, "more than %d keys in one mapping", max_keys);
        yaml_node *item = arena_alloc(b->memory, sizeof *item);
        if (!item)
            return error_no_memory(b->err, sizeof *item);
        TRY(build_key(b, map, item));
        TRY(next_event(b));
        TRY(build_node(b, depth + 1, item));
        *link = item;
        link = &item->next;
        map->n++;
    }
}

/* Builds the value that the current event begins. */
static ken_status build_node(builder *b, int depth, yaml_node *node) {
    if (depth > max_depth)
        return fail_here(b, "nested deeper than %d levels", max_depth);
    TRY(refuse_extras(b));
    node->line = (int)b->event.start_mark.line + 1;
    node->column = (int)b->event.start_mark.column + 1;
    node->at = byte_of(b, &b->event.start_mark);
    if (b->event.type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YAML_LIST;
        node->flow = b->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        return build_list(b, depth, node);
    }
    if (b->event.type == YAML_MAPPING_START_EVENT) {
        node->kind = YAML_MAP;
        node->flow = b->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
        return build_map(b, depth, node);
    }
    node->kind = YAML_SCALAR;
    node->end = byte_of(b, &b->event.end_mark);
    node->plain = b->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return copy_scalar(b, &node->text);
}

static ken_status build_document(builder *b, yaml_node *root) {
    do {
        TRY(next_event(b));
    } while (b->event.type == YAML_STREAM_START_EVENT ||
             b->event.type == YAML_DOCUMENT_START_EVENT);
    if (b->event.type == YAML_STREAM_END_EVENT) {
        *root = (yaml_node){.kind = YAML_SCALAR, .line = 1, .column = 1, .text = "", .plain = true};
        return KEN_OK;
    }
    TRY(build_node(b, 0, root));
    TRY(next_event(b)); /* the document's end */
    TRY(next_event(b));
    if (b->event.type != YAML_STREAM_END_EVENT)
        return fail_here(b, "expected one YAML document, found a second one");
    return KEN_OK;
}

ken_status yaml_parse(const char *text, size_t size, const char *where, arena *memory,
                      const yaml_node **out, ken_error *err) {
    *out = NULL;
    builder b = {.where = where, .memory = memory, .err = err, .text = text, .size = size};
    yaml_node *root = arena_alloc(memory, sizeof *root);
    if (!root || !yaml_parser_initialize(&b.parser))
        return error_no_memory(err, sizeof *root);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, size);
    ken_status status = build_document(&b, root);
    yaml_event_delete(&b.event);
    yaml_parser_delete(&b.parser);
    if (status == KEN_OK)
        *out = root;
    return status;
}

/* ---- getters ----------------------------------------------------------------------------------
 */

bool yaml_is_null(const yaml_node *node) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

const yaml_node *yaml_find(const yaml_node *map, const char *key) {
    for (const yaml_node *item = map->first; item; item = item->next)
        if (strcmp(item->key, key) == 0)
            return item;
    return NULL;
}

ken_status yaml_check_keys(const yaml_node *map, const char *what, const char *const *keys,
                           size_t n_keys, const char *where, ken_error *err) {
    for (const yaml_node *item = map->first; item; item = item->next) {
        size_t i = 0;
        while (i < n_keys && strcmp(keys[i], item->key) != 0)
            i++;
        if (i < n_keys)
            continue;
        ken_status status =
            yaml_key_error(item, where, err, "unknown key '%s' in %s", item->key, what);
        const char *closest = suggest_word(item->key, keys, n_keys);
        if (closest)
            return error_hint(err, status, "did you mean '%s'?", closest);
        char list[256];
        size_t used = 0;
        for (i = 0; i < n_keys && used < sizeof list; i++)
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", keys[i]);
        return error_hint(err, status, "known keys: %s", list);
    }
    return KEN_OK;
}

/* What stands there, for "expected ..., found ...". */
static const char *describe(const yaml_node *node, char *out, size_t size) {
    if (node->kind == YAML_LIST)
        return "a list";
    if (node->kind == YAML_MAP)
        return "a mapping";
    if (yaml_is_null(node))
        return "nothing";
    snprintf(out, size, "'%.80s'", node->text);
    return out;
}

ken_status yaml_get_text(const yaml_node *node, const char *where, const char **out,
                         ken_error *err) {
    char found[96];
    if (node->kind != YAML_SCALAR || yaml_is_null(node) || !*node->text)
        return yaml_error(node, where, err, "expected a text%s%s%s, found %s",
                          node->key ? " for '" : "", node->key ? node->key : "",
                          node->key ? "'" : "", describe(node, found, sizeof found));
    *out = node->text;
    return KEN_OK;
}

ken_status yaml_get_number(const yaml_node *node, const char *where, double min, double max,
                           double *out, ken_error *err) {
    char found[96];
    double value = NAN;
    bool digits = node->kind == YAML_SCALAR && node->plain && *node->text &&
                  strspn(node->text, "+-.0123456789eE") == strlen(node->text);
    if (digits) {
        char *end;
        value = strtod(node->text, &end);
        if (*end)
            value = NAN;
    }
    if (!(value >= min && value <= max))
        return yaml_error(node, where, err, "expected a number from %g to %g for '%s', found %s",
                          min, max, node->key ? node->key : "item",
                          describe(node, found, sizeof found));
    *out = value;
    return KEN_OK;
}

ken_status yaml_get_bool(const yaml_node *node, const char *where, bool *out, ken_error *err) {
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"True", true},   {"TRUE", true},
                 {"false", false}, {"False", false}, {"FALSE", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (node->kind == YAML_SCALAR && node->plain && strcmp(node->text, words[i].word) == 0) {
            *out = words[i].value;
            return KEN_OK;
        }
    }
    char found[96];
    return yaml_error(node, where, err, "expected true or false for '%s', found %s",
                      node->key ? node->key : "item", describe(node, found, sizeof found));
}
