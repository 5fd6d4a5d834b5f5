/* text/pattern.h: what tokenizer.json searches for: a string, or a regular expression.
 *
 * The expressions that CLIP-like tokenizers use are matched by hand, with the reference's own
 * character classes (text/words.h). All others go to PCRE2 with Unicode properties; the reference
 * uses Oniguruma, whose `^` and `$` match at every line, which is asked of PCRE2 too. */
#ifndef KEN_TEXT_PATTERN_H
#define KEN_TEXT_PATTERN_H

#include "text/added.h"
#include "text/words.h"

typedef enum pattern_kind {
    PATTERN_STRING,
    PATTERN_SPACES, /* \s+ */
    PATTERN_WORDS,
    PATTERN_REGEX,
} pattern_kind;

typedef struct pattern {
    pattern_kind kind;
    codes literal;
    words_pattern words;
    struct pcre2_real_code_8 *regex;
} pattern;

KEN_MUST_CHECK ken_status pattern_init_string(pattern *p, const char *text, size_t size,
                                              ken_error *err);
KEN_MUST_CHECK ken_status pattern_init_regex(pattern *p, const char *text, size_t size,
                                             ken_error *err);
void pattern_free(pattern *p);
/* Appends the matches in order; empty ones are left out. */
KEN_MUST_CHECK ken_status pattern_find_all(const pattern *p, const uint32_t *text, size_t n,
                                           span_list *out, ken_error *err);

#endif
