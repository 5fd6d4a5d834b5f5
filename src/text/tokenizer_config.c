#include "text/tokenizer_config.h"

#include "base/doc.h"

#include <string.h>

static const char where[] = "tokenizer_config.json";

ken_status config_token(const json_t *config, const char *role, const char **out, ken_error *err) {
    const json_t *value = json_object_get(config, role);
    if (!value || json_is_null(value))
        return KEN_OK;
    if (json_is_object(value))
        return doc_get_string(value, "content", where, out, err);
    return doc_get_string(config, role, where, out, err);
}

ken_status config_token_id(const tokenizer *t, const json_t *config, const char *role,
                           const char *fallback, int32_t *id, ken_error *err) {
    const char *token = fallback;
    TRY(config_token(config, role, &token, err));
    int32_t found = token ? vocab_find(&t->vocab, token, strlen(token)) : -1;
    if (found < 0 && fallback && token != fallback)
        found = vocab_find(&t->vocab, fallback, strlen(fallback));
    if (found >= 0)
        *id = found;
    return KEN_OK;
}

static ken_status side(const json_t *config, const char *key, bool *left, ken_error *err) {
    const char *text = NULL;
    TRY(doc_get_string(config, key, where, &text, err));
    if (!text)
        return KEN_OK;
    if (strcmp(text, "left") != 0 && strcmp(text, "right") != 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' is '%.100s', expected 'left' or 'right'",
                         where, key, text);
    *left = text[0] == 'l';
    return KEN_OK;
}

ken_status config_sides(tokenizer *t, const json_t *config, ken_error *err) {
    TRY(side(config, "padding_side", &t->pad_left, err));
    return side(config, "truncation_side", &t->truncate_left, err);
}

ken_status config_add_token(tokenizer *t, const char *content, size_t size, int64_t id,
                            added_token token, ken_error *err) {
    token.id = vocab_find(&t->vocab, content, size);
    if (token.id < 0) {
        TRY(vocab_add(&t->vocab, content, size, id, err));
        token.id = (int32_t)id;
    }
    for (size_t i = 0; i < t->added.n_tokens; i++)
        if (t->added.tokens[i].id == token.id)
            return KEN_OK;
    codes text = {0}, spare = {0};
    codes_append_utf8(&text, content, size);
    ken_status status = codes_check(&text, err);
    for (size_t i = 0; token.normalized && status == KEN_OK && i < t->n_normalizers; i++)
        status = normalizer_apply(&t->normalizers[i], &text, &spare, err);
    if (status == KEN_OK)
        status = added_tokens_add(&t->added, &text, &token, err);
    codes_free(&text);
    codes_free(&spare);
    return status;
}

static ken_status add_role(tokenizer *t, const json_t *value, ken_error *err) {
    const char *content = NULL;
    bool lstrip = false, rstrip = false, single_word = false;
    if (json_is_string(value)) {
        content = json_string_value(value);
    } else if (json_is_object(value)) {
        TRY(doc_get_string(value, "content", where, &content, err));
        TRY(doc_get_bool(value, "lstrip", where, &lstrip, err));
        TRY(doc_get_bool(value, "rstrip", where, &rstrip, err));
        TRY(doc_get_bool(value, "single_word", where, &single_word, err));
    }
    /* A role without a token in the vocabulary would get an id that no model knows. */
    if (!content || vocab_find(&t->vocab, content, strlen(content)) < 0)
        return KEN_OK;
    added_token token = {.lstrip = lstrip, .rstrip = rstrip, .single_word = single_word};
    return config_add_token(t, content, strlen(content), -1, token, err);
}

ken_status config_add_roles(tokenizer *t, const json_t *config, ken_error *err) {
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        TRY(add_role(t, json_object_get(config, roles[i]), err));
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const json_t *list = json_object_get(config, lists[i]);
        for (size_t k = 0; json_is_array(list) && k < json_array_size(list); k++)
            TRY(add_role(t, json_array_get(list, k), err));
    }
    return KEN_OK;
}
