/* tasks/classify/text_index.h: distinct texts, numbered in the order in which they came. */
#ifndef KEN_TASKS_TEXT_INDEX_H
#define KEN_TASKS_TEXT_INDEX_H

#include "base/mem.h"

typedef struct text_index {
    arena memory;       /* of the texts */
    const char **texts; /* [n] */
    size_t n, capacity;
    uint32_t *slots; /* open addressing over index + 1 */
    size_t n_slots;
} text_index;

/* A zeroed index is ready for use. *out is the number of the text, which is copied when it is new.
 */
KEN_MUST_CHECK ken_status text_index_add(text_index *x, const char *text, size_t size,
                                         uint32_t *out, ken_error *err);
/* The number of the text, or SIZE_MAX. */
size_t text_index_find(const text_index *x, const char *text, size_t size);
void text_index_reset(text_index *x);

#endif
