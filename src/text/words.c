#include "text/words.h"

#include "base/utf8.h"
#include "text/unicode.h"

#include <string.h>

typedef struct class_set {
    unsigned letter, number, space;
    bool ignore_case;
    const char *special[2];
} class_set;

static const class_set class_sets[] = {
    [WORDS_OPEN_CLIP] =
        {PY_LETTER, PY_NUMBER, PY_SKIPPED, true, {"<start_of_text>", "<end_of_text>"}},
    [WORDS_CLIP_HF] = {HF_LETTER, HF_NUMBER, HF_SPACE, false, {"<|startoftext|>", "<|endoftext|>"}},
    [WORDS_CLIP_LEGACY] = {HF_LETTER, HF_NUMBER, HF_SPACE, false, {NULL, NULL}},
    [WORDS_GPT2] = {HF_LETTER, HF_NUMBER, HF_SPACE, false, {NULL, NULL}},
};

static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

/* Case folding as far as the literals of the pattern need it: the long s folds to s. */
static uint32_t fold(uint32_t code) {
    if (code >= 'A' && code <= 'Z')
        return code + 32;
    return code == 0x17F ? 's' : code;
}

static size_t match_literal(const char *literal, bool ignore_case, const uint32_t *text, size_t n,
                            size_t i) {
    size_t k = 0;
    for (; literal[k]; k++) {
        if (i + k >= n)
            return i;
        uint32_t code = ignore_case ? fold(text[i + k]) : text[i + k];
        if (code != (unsigned char)literal[k])
            return i;
    }
    return i + k;
}

static size_t match_contraction(const class_set *set, const uint32_t *text, size_t n, size_t i) {
    for (size_t k = 0; text[i] == '\'' && k < sizeof contractions / sizeof *contractions; k++) {
        size_t end = match_literal(contractions[k], set->ignore_case, text, n, i);
        if (end > i)
            return end;
    }
    return i;
}

/* The end of the run of characters that have one of the classes, or with `any` == 0 none of `none`.
 */
static size_t run_of(unsigned any, unsigned none, const uint32_t *text, size_t n, size_t i) {
    while (i < n) {
        unsigned classes = unicode_class(text[i]);
        if (any ? !(classes & any) : (classes & none) != 0)
            break;
        i++;
    }
    return i;
}

static size_t match_clip(const class_set *set, const uint32_t *text, size_t n, size_t i) {
    for (size_t k = 0; k < 2 && set->special[k]; k++) {
        size_t end = match_literal(set->special[k], set->ignore_case, text, n, i);
        if (end > i)
            return end;
    }
    size_t end = match_contraction(set, text, n, i);
    if (end > i)
        return end;
    unsigned classes = unicode_class(text[i]);
    if (classes & set->letter)
        return run_of(set->letter, 0, text, n, i);
    if (classes & set->number)
        return i + 1;
    return run_of(0, set->letter | set->number | set->space, text, n, i);
}

static size_t match_gpt2(const class_set *set, const uint32_t *text, size_t n, size_t i) {
    size_t end = match_contraction(set, text, n, i);
    if (end > i)
        return end;
    unsigned all = set->letter | set->number | set->space;
    for (size_t space = text[i] == ' '; i + space < n; space--) {
        size_t begin = i + space;
        unsigned classes = unicode_class(text[begin]);
        if (classes & set->letter)
            return run_of(set->letter, 0, text, n, begin);
        if (classes & set->number)
            return run_of(set->number, 0, text, n, begin);
        if (!(classes & all))
            return run_of(0, all, text, n, begin);
        if (space == 0)
            break;
    }
    end = run_of(set->space, 0, text, n, i);
    /* The last space of a run belongs to the word after it, when there is one. */
    return end < n && end - i > 1 ? end - 1 : end;
}

size_t words_match(words_pattern pattern, const uint32_t *text, size_t n, size_t i) {
    const class_set *set = &class_sets[pattern];
    return pattern == WORDS_GPT2 ? match_gpt2(set, text, n, i) : match_clip(set, text, n, i);
}

uint32_t words_byte_code(uint8_t byte) {
    if (byte <= 32)
        return 256u + byte;
    if (byte < 127)
        return byte;
    if (byte <= 160)
        return 256u + 33 + (byte - 127u);
    return byte == 173 ? 256u + 67 : byte;
}

void words_spell_bytes(const uint32_t *text, size_t n, codes *out) {
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        size_t size = utf8_encode(text[i], bytes);
        for (size_t k = 0; k < size; k++)
            codes_push(out, words_byte_code((uint8_t)bytes[k]));
    }
}
