#include "text/tokenizer_steps.h"

#include "base/doc.h"
#include "base/utf8.h"
#include "text/base64.h"

#include <string.h>

static const char gpt2_words[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char clip_words[] =
    "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|"
    "[^\\s\\p{L}\\p{N}]+";

static ken_status too_many(const char *what, ken_error *err) {
    return error_set(err, KEN_TOO_LARGE, "more than %d %s steps", max_steps, what);
}

/* `type` of a step. */
static ken_status step_type(const json_t *step, const char *where, const char *section,
                            const char **type, ken_error *err) {
    *type = NULL;
    if (json_is_object(step))
        TRY(doc_get_string(step, "type", where, type, err));
    if (!*type)
        return error_set(err, KEN_BAD_FORMAT, "'%s': a step of '%s' has no 'type'", where, section);
    return KEN_OK;
}

static ken_status add_normalizer(tokenizer *t, normalizer_kind kind, normalizer **out,
                                 ken_error *err) {
    if (t->n_normalizers == max_steps)
        return too_many("normalizer", err);
    *out = &t->normalizers[t->n_normalizers++];
    **out = (normalizer){.kind = kind};
    return KEN_OK;
}

static ken_status add_pretokenizer(tokenizer *t, pretokenizer_kind kind, pretokenizer **out,
                                   ken_error *err) {
    if (t->n_pretokenizers == max_steps)
        return too_many("pre-tokenizer", err);
    *out = &t->pretokenizers[t->n_pretokenizers++];
    **out = (pretokenizer){.kind = kind};
    return KEN_OK;
}

/* A string that may hold a NUL, with its length. */
static ken_status get_text(const json_t *object, const char *key, const char *where,
                           const json_t **out, ken_error *err) {
    *out = json_object_get(object, key);
    if (!json_is_string(*out))
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' of a step is missing or not a string",
                         where, key);
    return KEN_OK;
}

static ken_status get_pattern(const json_t *step, const char *where, pattern *out, ken_error *err) {
    const json_t *section = json_object_get(step, "pattern");
    const json_t *string = json_object_get(section, "String");
    const json_t *regex = json_object_get(section, "Regex");
    ken_status status;
    if (json_is_string(string))
        status =
            pattern_init_string(out, json_string_value(string), json_string_length(string), err);
    else if (json_is_string(regex))
        status = pattern_init_regex(out, json_string_value(regex), json_string_length(regex), err);
    else
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'pattern' of a step is neither 'String' nor 'Regex'", where);
    return status == KEN_OK ? status : error_prefix(err, status, "'%s'", where);
}

static ken_status get_content(const json_t *step, const char *key, const char *where, codes *out,
                              ken_error *err) {
    const json_t *text;
    TRY(get_text(step, key, where, &text, err));
    codes_append_utf8(out, json_string_value(text), json_string_length(text));
    return codes_check(out, err);
}

static ken_status get_charsmap(const json_t *step, const char *where, charsmap *out,
                               ken_error *err) {
    const json_t *text = json_object_get(step, "precompiled_charsmap");
    if (!text || json_is_null(text))
        return KEN_OK;
    TRY(get_text(step, "precompiled_charsmap", where, &text, err));
    buf blob;
    buf_init(&blob, json_string_length(text));
    ken_status status = KEN_OK;
    if (!base64_decode(&blob, json_string_value(text), json_string_length(text)))
        status =
            error_set(err, KEN_BAD_FORMAT, "'%s': 'precompiled_charsmap' is not base64", where);
    if (status == KEN_OK)
        status = charsmap_init(out, (const uint8_t *)blob.data, blob.size, err);
    buf_free(&blob);
    return status;
}

static const struct {
    const char *type;
    normalizer_kind kind;
    unicode_form form;
} normalizer_types[] = {
    {"NFC", NORMALIZER_FORM, UNICODE_NFC},
    {"NFD", NORMALIZER_FORM, UNICODE_NFD},
    {"NFKC", NORMALIZER_FORM, UNICODE_NFKC},
    {"NFKD", NORMALIZER_FORM, UNICODE_NFKD},
    {"Lowercase", NORMALIZER_LOWERCASE, UNICODE_NFC},
    {"Replace", NORMALIZER_REPLACE, UNICODE_NFC},
    {"Prepend", NORMALIZER_PREPEND, UNICODE_NFC},
    {"Precompiled", NORMALIZER_PRECOMPILED, UNICODE_NFC},
    {"Strip", NORMALIZER_STRIP, UNICODE_NFC},
    {"StripAccents", NORMALIZER_STRIP_ACCENTS, UNICODE_NFC},
    {"Nmt", NORMALIZER_NMT, UNICODE_NFC},
};

static ken_status fill_normalizer(normalizer *n, const json_t *step, const char *where,
                                  ken_error *err) {
    switch (n->kind) {
    case NORMALIZER_REPLACE:
        TRY(get_pattern(step, where, &n->pattern, err));
        return get_content(step, "content", where, &n->content, err);
    case NORMALIZER_PREPEND:
        return get_content(step, "prepend", where, &n->content, err);
    case NORMALIZER_PRECOMPILED:
        return get_charsmap(step, where, &n->map, err);
    case NORMALIZER_STRIP:
        n->left = n->right = true;
        TRY(doc_get_bool(step, "strip_left", where, &n->left, err));
        return doc_get_bool(step, "strip_right", where, &n->right, err);
    default:
        return KEN_OK;
    }
}

/* The steps of a "Sequence", or NULL. */
static const json_t *sequence_of(const json_t *step, const char *type, const char *key) {
    const json_t *list = strcmp(type, "Sequence") == 0 ? json_object_get(step, key) : NULL;
    return json_is_array(list) ? list : NULL;
}

ken_status steps_parse_normalizer(tokenizer *t, const json_t *section, const char *where,
                                  ken_error *err) {
    if (!section || json_is_null(section))
        return KEN_OK;
    const char *type;
    TRY(step_type(section, where, "normalizer", &type, err));
    const json_t *list = sequence_of(section, type, "normalizers");
    if (list) {
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(steps_parse_normalizer(t, json_array_get(list, i), where, err));
        return KEN_OK;
    }
    for (size_t i = 0; i < sizeof normalizer_types / sizeof *normalizer_types; i++) {
        if (strcmp(type, normalizer_types[i].type) != 0)
            continue;
        normalizer *n = NULL;
        TRY(add_normalizer(t, normalizer_types[i].kind, &n, err));
        n->form = normalizer_types[i].form;
        return fill_normalizer(n, section, where, err);
    }
    return error_set(err, KEN_UNSUPPORTED, "'%s': normalizer '%.100s' is not supported", where,
                     type);
}

static ken_status fill_split(pretokenizer *p, const json_t *step, const char *where,
                             ken_error *err) {
    static const struct {
        const char *name;
        split_behavior behavior;
    } behaviors[] = {
        {"Removed", SPLIT_REMOVED},
        {"Isolated", SPLIT_ISOLATED},
        {"MergedWithPrevious", SPLIT_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", SPLIT_MERGED_WITH_NEXT},
        {"Contiguous", SPLIT_CONTIGUOUS},
    };
    TRY(get_pattern(step, where, &p->pattern, err));
    TRY(doc_get_bool(step, "invert", where, &p->invert, err));
    const char *name = "";
    TRY(doc_get_string(step, "behavior", where, &name, err));
    for (size_t i = 0; i < sizeof behaviors / sizeof *behaviors; i++) {
        if (strcmp(name, behaviors[i].name) == 0) {
            p->behavior = behaviors[i].behavior;
            return KEN_OK;
        }
    }
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': 'behavior' of a split is '%.100s', expected "
                     "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous",
                     where, name);
}

static ken_status fill_byte_level(pretokenizer *p, const json_t *step, const char *where,
                                  ken_error *err) {
    bool prefix = true;
    p->cut = true;
    p->behavior = SPLIT_ISOLATED;
    TRY(doc_get_bool(step, "add_prefix_space", where, &prefix, err));
    TRY(doc_get_bool(step, "use_regex", where, &p->cut, err));
    p->scheme = prefix ? PREPEND_ALWAYS : PREPEND_NEVER;
    return pattern_init_regex(&p->pattern, gpt2_words, strlen(gpt2_words), err);
}

static ken_status fill_metaspace(pretokenizer *p, const json_t *step, const char *where,
                                 ken_error *err) {
    const char *scheme = "always", *replacement = "\xe2\x96\x81";
    bool prefix = true;
    p->cut = true;
    TRY(doc_get_bool(step, "split", where, &p->cut, err));
    TRY(doc_get_bool(step, "add_prefix_space", where, &prefix, err));
    TRY(doc_get_string(step, "prepend_scheme", where, &scheme, err));
    TRY(doc_get_string(step, "replacement", where, &replacement, err));
    size_t size = strlen(replacement);
    if (size == 0 || utf8_decode(replacement, size, &p->replacement) != size)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'replacement' is '%.100s', expected one character", where,
                         replacement);
    bool always = strcmp(scheme, "always") == 0, first = strcmp(scheme, "first") == 0;
    if (!always && !first && strcmp(scheme, "never") != 0)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'prepend_scheme' is '%.100s', expected always, first or never",
                         where, scheme);
    p->scheme = !prefix || (!always && !first) ? PREPEND_NEVER
                : always                       ? PREPEND_ALWAYS
                                               : PREPEND_FIRST;
    return KEN_OK;
}

ken_status steps_parse_pretokenizer(tokenizer *t, const json_t *section, const char *where,
                                    ken_error *err) {
    static const struct {
        const char *type;
        pretokenizer_kind kind;
        ken_status (*fill)(pretokenizer *, const json_t *, const char *, ken_error *);
    } types[] = {
        {"Split", PRETOKENIZER_SPLIT, fill_split},
        {"ByteLevel", PRETOKENIZER_BYTE_LEVEL, fill_byte_level},
        {"Metaspace", PRETOKENIZER_METASPACE, fill_metaspace},
        {"WhitespaceSplit", PRETOKENIZER_WHITESPACE_SPLIT, NULL},
    };
    if (!section || json_is_null(section))
        return KEN_OK;
    const char *type;
    TRY(step_type(section, where, "pre_tokenizer", &type, err));
    const json_t *list = sequence_of(section, type, "pretokenizers");
    if (list) {
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(steps_parse_pretokenizer(t, json_array_get(list, i), where, err));
        return KEN_OK;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].type) != 0)
            continue;
        pretokenizer *p = NULL;
        TRY(add_pretokenizer(t, types[i].kind, &p, err));
        return types[i].fill ? types[i].fill(p, section, where, err) : KEN_OK;
    }
    return error_set(err, KEN_UNSUPPORTED, "'%s': pre-tokenizer '%.100s' is not supported", where,
                     type);
}

static ken_status push_special(int32_t *ids, size_t *n, int64_t id, const char *where,
                               ken_error *err) {
    if (*n == max_special_ids)
        return error_set(err, KEN_TOO_LARGE, "'%s': more than %d special tokens on one side", where,
                         max_special_ids);
    ids[(*n)++] = (int32_t)id;
    return KEN_OK;
}

/* "sep": ["</s>", 2] of RobertaProcessing and BertProcessing. */
static ken_status get_pair_id(const json_t *section, const char *key, const char *where,
                              int64_t *id, ken_error *err) {
    const json_t *number = json_array_get(json_object_get(section, key), 1);
    *id = json_is_integer(number) ? json_integer_value(number) : -1;
    if (*id < 0 || *id >= vocab_max_id)
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' of the post-processor has no valid id",
                         where, key);
    return KEN_OK;
}

/* One element of a template: the text itself, or a special token with its ids. */
static ken_status template_element(tokenizer *t, const json_t *section, const json_t *element,
                                   bool *seen_text, const char *where, ken_error *err) {
    if (json_object_get(element, "Sequence")) {
        *seen_text = true;
        return KEN_OK;
    }
    const char *name = NULL;
    const json_t *special = json_object_get(element, "SpecialToken");
    TRY(doc_get_string(special, "id", where, &name, err));
    const json_t *tokens = json_object_get(section, "special_tokens");
    const json_t *ids = json_object_get(json_object_get(tokens, name ? name : ""), "ids");
    if (!json_is_array(ids))
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': the template's special token '%.100s' is not listed", where,
                         name ? name : "");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        int64_t number = json_is_integer(id) ? json_integer_value(id) : -1;
        if (number < 0 || number >= vocab_max_id)
            return error_set(err, KEN_BAD_FORMAT, "'%s': special token '%.100s' has no valid id",
                             where, name);
        TRY(*seen_text ? push_special(t->after, &t->n_after, number, where, err)
                       : push_special(t->before, &t->n_before, number, where, err));
    }
    return KEN_OK;
}

static ken_status parse_template(tokenizer *t, const json_t *section, const char *where,
                                 ken_error *err) {
    const json_t *single = json_object_get(section, "single");
    if (!json_is_array(single))
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'single' of the template is not an array",
                         where);
    bool seen_text = false;
    for (size_t i = 0; i < json_array_size(single); i++)
        TRY(template_element(t, section, json_array_get(single, i), &seen_text, where, err));
    return KEN_OK;
}

ken_status steps_parse_post_processor(tokenizer *t, const json_t *section, const char *where,
                                      ken_error *err) {
    if (!section || json_is_null(section))
        return KEN_OK;
    const char *type;
    TRY(step_type(section, where, "post_processor", &type, err));
    const json_t *list = sequence_of(section, type, "processors");
    if (list) {
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(steps_parse_post_processor(t, json_array_get(list, i), where, err));
        return KEN_OK;
    }
    if (strcmp(type, "ByteLevel") == 0) /* moves offsets only */
        return KEN_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return parse_template(t, section, where, err);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) {
        int64_t before, after;
        TRY(get_pair_id(section, "cls", where, &before, err));
        TRY(get_pair_id(section, "sep", where, &after, err));
        TRY(push_special(t->before, &t->n_before, before, where, err));
        return push_special(t->after, &t->n_after, after, where, err);
    }
    return error_set(err, KEN_UNSUPPORTED, "'%s': post-processor '%.100s' is not supported", where,
                     type);
}

ken_status steps_use_clip(tokenizer *t, ken_error *err) {
    normalizer *n = NULL;
    TRY(add_normalizer(t, NORMALIZER_FORM, &n, err));
    TRY(add_normalizer(t, NORMALIZER_REPLACE, &n, err));
    TRY(pattern_init_regex(&n->pattern, "\\s+", 3, err));
    codes_push(&n->content, ' ');
    TRY(codes_check(&n->content, err));
    TRY(add_normalizer(t, NORMALIZER_LOWERCASE, &n, err));
    pretokenizer *p = NULL;
    TRY(add_pretokenizer(t, PRETOKENIZER_SPLIT, &p, err));
    p->invert = true;
    TRY(pattern_init_regex(&p->pattern, clip_words, strlen(clip_words), err));
    TRY(add_pretokenizer(t, PRETOKENIZER_BYTE_LEVEL, &p, err));
    p->cut = true;
    p->behavior = SPLIT_ISOLATED;
    return pattern_init_regex(&p->pattern, gpt2_words, strlen(gpt2_words), err);
}

ken_status steps_prepend_lowercase(tokenizer *t, ken_error *err) {
    normalizer *n = NULL;
    TRY(add_normalizer(t, NORMALIZER_LOWERCASE, &n, err));
    normalizer lowercase = *n;
    memmove(t->normalizers + 1, t->normalizers, (t->n_normalizers - 1) * sizeof *n);
    t->normalizers[0] = lowercase;
    return KEN_OK;
}
