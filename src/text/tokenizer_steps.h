/* text/tokenizer_steps.h: the sections of tokenizer.json that say what happens to the text around
 * the model: normalizer, pre_tokenizer, post_processor. */
#ifndef KEN_TEXT_TOKENIZER_STEPS_H
#define KEN_TEXT_TOKENIZER_STEPS_H

#include "text/tokenizer_parts.h"

/* Each takes the section, which may be NULL, and appends to the tokenizer's steps. */
KEN_MUST_CHECK ken_status steps_parse_normalizer(tokenizer *t, const json_t *section,
                                                 const char *where, ken_error *err);
KEN_MUST_CHECK ken_status steps_parse_pretokenizer(tokenizer *t, const json_t *section,
                                                   const char *where, ken_error *err);
KEN_MUST_CHECK ken_status steps_parse_post_processor(tokenizer *t, const json_t *section,
                                                     const char *where, ken_error *err);
/* The steps that transformers' CLIPTokenizer takes, whatever its files say. */
KEN_MUST_CHECK ken_status steps_use_clip(tokenizer *t, ken_error *err);
/* Lower-cases before all else. */
KEN_MUST_CHECK ken_status steps_prepend_lowercase(tokenizer *t, ken_error *err);

#endif
