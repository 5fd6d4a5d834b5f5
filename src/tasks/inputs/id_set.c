#include "tasks/inputs/id_set.h"

#include "base/mem.h"

#include <string.h>
#include <xxhash.h>

void id_set_free(id_set *set) {
    mem_free(set->keys);
    *set = (id_set){0};
}

/* Where the key is, or the free place where it goes. */
static id_key *find(const id_set *set, id_key key) {
    size_t at = key.low & (set->capacity - 1);
    for (;;) {
        id_key *place = &set->keys[at];
        if ((!place->low && !place->high) || (place->low == key.low && place->high == key.high))
            return place;
        at = (at + 1) & (set->capacity - 1);
    }
}

static ken_status grow(id_set *set, ken_error *err) {
    id_set larger = {.n = set->n, .capacity = set->capacity ? set->capacity * 2 : 1024};
    larger.keys = mem_zalloc(larger.capacity, sizeof *larger.keys);
    if (!larger.keys)
        return error_no_memory(err, larger.capacity * sizeof *larger.keys);
    for (size_t i = 0; i < set->capacity; i++)
        if (set->keys[i].low || set->keys[i].high)
            *find(&larger, set->keys[i]) = set->keys[i];
    mem_free(set->keys);
    *set = larger;
    return KEN_OK;
}

ken_status id_set_add(id_set *set, const char *id, bool *fresh, ken_error *err) {
    if (2 * (set->n + 1) > set->capacity)
        TRY(grow(set, err));
    XXH128_hash_t hash = XXH3_128bits(id, strlen(id));
    id_key key = {hash.low64, hash.high64 ? hash.high64 : 1};
    id_key *place = find(set, key);
    *fresh = !place->high;
    set->n += *fresh;
    *place = key;
    return KEN_OK;
}
