/* formats/index_table.h: finds the index of a thing by a key that the thing's owner keeps.
 *
 * A hash table of 32-bit indexes, sized once. Keys come from outside, so a chain of collisions has
 * a limit: input made to collide is refused in linear time, not read in quadratic time. */
#ifndef KEN_FORMATS_INDEX_TABLE_H
#define KEN_FORMATS_INDEX_TABLE_H

#include "base/error.h"

typedef struct index_slot {
    uint32_t item; /* 1 + index; 0 is empty */
    uint32_t tag;  /* high bits of the key's hash: spares most looks at the key */
} index_slot;

typedef struct index_table {
    index_slot *slots;
    size_t n_slots; /* 0 or a power of two */
} index_table;

/* Is `key` the key of the thing at `index`? */
typedef bool index_same(const void *owner, size_t index, const void *key);

typedef enum index_found {
    INDEX_HERE,    /* slot->item - 1 is the index */
    INDEX_EMPTY,   /* not there; index_table_put may put it at *slot */
    INDEX_CROWDED, /* not there, and too many keys collide with it */
} index_found;

/* Room for `n_keys`. */
KEN_MUST_CHECK ken_status index_table_init(index_table *table, size_t n_keys, ken_error *err);
void index_table_reset(index_table *table);
index_found index_table_find(const index_table *table, uint64_t hash, index_same *same,
                             const void *owner, const void *key, index_slot **slot);
void index_table_put(index_slot *slot, uint64_t hash, size_t index);

#endif
