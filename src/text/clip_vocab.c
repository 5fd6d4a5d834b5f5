#include "text/clip_vocab.h"

#include "base/utf8.h"
#include "text/words.h"

#include <string.h>

__asm__(".pushsection .rodata\n"
        ".globl ken_clip_merges\n"
        ".hidden ken_clip_merges\n"
        "ken_clip_merges:\n"
        ".incbin \"" KEN_CLIP_MERGES "\"\n"
        ".globl ken_clip_merges_end\n"
        ".hidden ken_clip_merges_end\n"
        "ken_clip_merges_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const char ken_clip_merges[], ken_clip_merges_end[];

static const char word_end[] = "</w>";

/* The order of the ids is that in which Python's dict of printable bytes was filled: the printable
 * ones first. */
static ken_status add_bytes(vocab *v, const char *suffix, ken_error *err) {
    for (int printable = 1; printable >= 0; printable--) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint32_t code = words_byte_code((uint8_t)byte);
            if ((code == byte) != printable)
                continue;
            char piece[16];
            size_t size = utf8_encode(code, piece);
            memcpy(piece + size, suffix, strlen(suffix) + 1);
            TRY(vocab_add(v, piece, size + strlen(suffix), (int64_t)v->n_entries, err));
        }
    }
    return KEN_OK;
}

/* The token of each merge is its line without the space. */
static ken_status add_merged(vocab *v, ken_error *err) {
    for (const char *line = ken_clip_merges; line < ken_clip_merges_end;) {
        size_t left = (size_t)((const char *)memchr(line, ' ', 256) - line);
        size_t right = (size_t)((const char *)memchr(line, '\n', 512) - line) - left - 1;
        char piece[256];
        memcpy(piece, line, left);
        memcpy(piece + left, line + left + 1, right);
        piece[left + right] = '\0';
        TRY(vocab_add(v, piece, left + right, (int64_t)v->n_entries, err));
        line += left + right + 2;
    }
    return KEN_OK;
}

ken_status clip_vocab_build(vocab *v, bpe *b, const char *begin, const char *end, ken_error *err) {
    enum { text_bytes = 512 << 10 };
    TRY(vocab_reserve(v, clip_end_id + 1, text_bytes, err));
    TRY(add_bytes(v, "", err));
    TRY(add_bytes(v, word_end, err));
    TRY(add_merged(v, err));
    TRY(vocab_add(v, begin, strlen(begin), clip_begin_id, err));
    TRY(vocab_add(v, end, strlen(end), clip_end_id, err));
    bpe_init(b, v);
    memcpy(b->suffix, word_end, sizeof word_end);
    b->unknown_id = clip_end_id;
    TRY(bpe_reserve(b, clip_begin_id, err));
    return bpe_add_merge_lines(b, ken_clip_merges, (size_t)(ken_clip_merges_end - ken_clip_merges),
                               err);
}
