/* text/vocab.h: the pieces of a tokenizer and their ids, found in either direction.
 *
 * Ids may have gaps. A piece may hold any byte but is stored with a final NUL. */
#ifndef KEN_TEXT_VOCAB_H
#define KEN_TEXT_VOCAB_H

#include "base/buf.h"

enum { vocab_max_id = 1 << 24 };

typedef struct vocab_entry {
    uint32_t offset; /* in `text` */
    uint32_t size;
    int32_t id;
} vocab_entry;

typedef struct vocab {
    buf text;
    vocab_entry *entries;
    size_t n_entries, max_entries;
    struct vocab_slot *slots; /* open addressing */
    size_t n_slots;
    uint32_t *by_id; /* entry index + 1 */
    size_t n_ids;    /* largest id + 1 */
    size_t max_ids;
} vocab;

/* A zeroed vocab must be initialised; it may then be freed in any state. */
void vocab_init(vocab *v);
void vocab_free(vocab *v);
/* Room for this many entries and bytes of their text. Not needed: adding makes room, too. */
KEN_MUST_CHECK ken_status vocab_reserve(vocab *v, size_t n_entries, size_t text_bytes,
                                        ken_error *err);
/* Fails for a piece or an id that is there already, and for an id out of range. */
KEN_MUST_CHECK ken_status vocab_add(vocab *v, const char *piece, size_t size, int64_t id,
                                    ken_error *err);
/* The id, or -1. */
int32_t vocab_find(const vocab *v, const char *piece, size_t size);
/* Are `left` and `right`, one behind the other, the piece of the id? */
bool vocab_is(const vocab *v, int32_t id, const char *left, size_t left_size, const char *right,
              size_t right_size);
/* The piece of an id, or NULL. */
const char *vocab_piece(const vocab *v, int32_t id, size_t *size);

#endif
