/* text/tokenizer_config.h: tokenizer_config.json and special_tokens_map.json: which tokens have a
 * role, and on which side to pad and cut. */
#ifndef KEN_TEXT_TOKENIZER_CONFIG_H
#define KEN_TEXT_TOKENIZER_CONFIG_H

#include "text/tokenizer_parts.h"

/* The spelling of a role such as "pad_token", which is a string or an object with `content`. Leaves
 * *out alone when it is absent. `config` may be NULL. */
KEN_MUST_CHECK ken_status config_token(const json_t *config, const char *role, const char **out,
                                       ken_error *err);
/* The id of a role's token, or of `fallback` (may be NULL) when the role is absent; leaves *id
 * alone when neither is there. A role whose token is not in the vocabulary counts as absent. */
KEN_MUST_CHECK ken_status config_token_id(const tokenizer *t, const json_t *config,
                                          const char *role, const char *fallback, int32_t *id,
                                          ken_error *err);
/* padding_side and truncation_side. */
KEN_MUST_CHECK ken_status config_sides(tokenizer *t, const json_t *config, ken_error *err);
/* Makes a token of the vocabulary one that is found in the raw text, or, with `normalized`, in the
 * normalized one; gives it `id` when the vocabulary lacks it. Nothing happens when it is added
 * already. */
KEN_MUST_CHECK ken_status config_add_token(tokenizer *t, const char *content, size_t size,
                                           int64_t id, added_token token, ken_error *err);
/* Adds the tokens that have a role, as transformers does after loading. */
KEN_MUST_CHECK ken_status config_add_roles(tokenizer *t, const json_t *config, ken_error *err);

#endif
