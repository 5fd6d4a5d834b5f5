/* tasks/inputs/id_set.h: which ids were seen, at 16 bytes each: XXH3-128 of the id, open
 * addressing. */
#ifndef KEN_TASKS_ID_SET_H
#define KEN_TASKS_ID_SET_H

#include "base/error.h"

typedef struct id_key {
    uint64_t low, high;
} id_key;

/* A zeroed set is empty. */
typedef struct id_set {
    id_key *keys; /* {0, 0} is a free place */
    size_t n, capacity;
} id_set;

/* *fresh is false when the id was there already. */
KEN_MUST_CHECK ken_status id_set_add(id_set *set, const char *id, bool *fresh, ken_error *err);
void id_set_free(id_set *set);

#endif
