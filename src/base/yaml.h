/* base/yaml.h: a small YAML document as a tree that knows where everything stands, through
 * libyaml's events.
 *
 * What a configuration has no use for is refused, with its place: several documents, anchors and
 * aliases, tags, keys that are not texts, the same key twice in a mapping, nesting deeper than 16,
 * more than 4096 keys in a mapping. Order is kept. A getter fails with "FILE:LINE:COLUMN: ..." and
 * says what was expected and what was found. */
#ifndef KEN_BASE_YAML_H
#define KEN_BASE_YAML_H

#include "base/mem.h"

typedef enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP } yaml_kind;

typedef struct yaml_node {
    yaml_kind kind;
    int line, column; /* from 1; column in characters */
    size_t at, end;   /* bytes of the value in the text; `end` is set for YAML_SCALAR only */
    bool flow;        /* YAML_LIST, YAML_MAP: written with brackets or braces */
    const char *text; /* YAML_SCALAR: valid UTF-8 without NUL */
    bool plain; /* YAML_SCALAR: written without quotes, so that null, true and 1 mean themselves */
    const char *key; /* in a mapping: this node's key, and where that stands */
    int key_line, key_column;
    size_t key_at;           /* byte of the text */
    struct yaml_node *first; /* YAML_LIST, YAML_MAP: the children */
    struct yaml_node *next;
    size_t n; /* children */
} yaml_node;

/* `where` (the file's name in messages) must outlive the tree only for the getters' messages. The
 * tree lies in `memory`. An empty document gives a scalar that is null. */
KEN_MUST_CHECK ken_status yaml_parse(const char *text, size_t size, const char *where,
                                     arena *memory, const yaml_node **out, ken_error *err);

/* Fills `err` with "where:line:column: ..." for the node's value. Returns KEN_BAD_FORMAT. */
ken_status yaml_error(const yaml_node *node, const char *where, ken_error *err, const char *format,
                      ...) KEN_PRINTF(4, 5);
/* The same, at the node's key. */
ken_status yaml_key_error(const yaml_node *node, const char *where, ken_error *err,
                          const char *format, ...) KEN_PRINTF(4, 5);

bool yaml_is_null(const yaml_node *node);
/* Fails when `map` has a key that is not in `keys`, and suggests the closest one. `what` names the
 * mapping in the message: "category 'dress'". */
KEN_MUST_CHECK ken_status yaml_check_keys(const yaml_node *map, const char *what,
                                          const char *const *keys, size_t n_keys, const char *where,
                                          ken_error *err);
/* The child with this key, or NULL. */
const yaml_node *yaml_find(const yaml_node *map, const char *key);

/* The node's value, which must be of the type. Numbers are finite and within min..max. Texts are
 * not empty; a plain number or word is a text, null is not. */
KEN_MUST_CHECK ken_status yaml_get_text(const yaml_node *node, const char *where, const char **out,
                                        ken_error *err);
KEN_MUST_CHECK ken_status yaml_get_number(const yaml_node *node, const char *where, double min,
                                          double max, double *out, ken_error *err);
KEN_MUST_CHECK ken_status yaml_get_bool(const yaml_node *node, const char *where, bool *out,
                                        ken_error *err);

#endif
