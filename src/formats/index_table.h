/* formats/index_table.h: finds the index of a thing by a key that the thing's owner keeps.
 *
 * A hash table of 32-bit indexes, sized once. Keys come from outside, so a chain of collisions has
 * a limit: input made to collide is refused in linear time, not read in quadratic time. */
#ifndef KEN_FORMATS_INDEX_TABLE_H
#define KEN_FORMATS_INDEX_TABLE_H

#include "base/error.h"

typedef struct index_table {
    uint32_t *slots; /* 1 + index; 0 is empty */
    size_t n_slots;  /* 0 or a power of two */
} index_table;

/* Is `key` the key of the thing at `index`? */
typedef bool index_same(const void *owner, size_t index, const void *key);

typedef enum index_found {
    INDEX_HERE,    /* *slot - 1 is the index */
    INDEX_EMPTY,   /* not there; *slot is where it may be put, as 1 + index */
    INDEX_CROWDED, /* not there, and too many keys collide with it */
} index_found;

/* Room for `n_keys`. */
KEN_MUST_CHECK ken_status index_table_init(index_table *table, size_t n_keys, ken_error *err);
void index_table_reset(index_table *table);
index_found index_table_find(const index_table *table, uint64_t hash, index_same *same,
                             const void *owner, const void *key, uint32_t **slot);

#endif
