/* text/words.h: cutting text into words as CLIP's and GPT-2's regular expressions do, and the
 * spelling of bytes as printable characters that byte-level BPE uses. */
#ifndef KEN_TEXT_WORDS_H
#define KEN_TEXT_WORDS_H

#include "text/codes.h"

/* Who defines \p{L}, \p{N} and \s, and which special tokens the pattern lists first. */
typedef enum words_pattern {
    /* <start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
     * with regex.IGNORECASE */
    WORDS_OPEN_CLIP,
    /* <\|startoftext\|>|<\|endoftext\|>|... as above, case as it is; by the tokenizers library */
    WORDS_CLIP_HF,
    /* the same without the special tokens: tokenizer.json files before transformers 5 */
    WORDS_CLIP_LEGACY,
    /* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
    WORDS_GPT2,
} words_pattern;

/* The end of the match that begins at `i` (< n), or `i` when none does. */
size_t words_match(words_pattern pattern, const uint32_t *text, size_t n, size_t i);

/* The character that stands for a byte. */
uint32_t words_byte_code(uint8_t byte);
/* Appends the UTF-8 bytes of the text, each as its character. */
void words_spell_bytes(const uint32_t *text, size_t n, codes *out);

#endif
