/* text/charsmap.h: SentencePiece's precompiled normalization: a double-array tree of byte strings
 * whose values are offsets of their replacements.
 *
 * Layout: little-endian u32 size of the tree in bytes; the tree's u32 units; the NUL-terminated
 * replacements. A unit holds a label (bits 0-7, bit 31 must be 0), whether a value hangs below it
 * (bit 8), and an offset (bits 10-30, times 256 when bit 9 is set). */
#ifndef KEN_TEXT_CHARSMAP_H
#define KEN_TEXT_CHARSMAP_H

#include "base/error.h"

typedef struct charsmap {
    uint8_t *blob; /* owned */
    const uint8_t *units;
    size_t n_units;
    const char *replacements;
    size_t replacements_size; /* ends with a NUL */
} charsmap;

/* Copies and checks the blob; an empty one maps nothing. */
KEN_MUST_CHECK ken_status charsmap_init(charsmap *m, const uint8_t *blob, size_t size,
                                        ken_error *err);
void charsmap_free(charsmap *m);
/* The replacement of the shortest, or with `longest` the longest, prefix of `text` that is in the
 * map, and that prefix's length. NULL when there is none. */
const char *charsmap_find(const charsmap *m, const char *text, size_t n, bool longest,
                          size_t *length);

#endif
