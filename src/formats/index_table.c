/* formats/index_table.c: linear probing at a load of at most three quarters. */
#include "formats/index_table.h"

#include "base/mem.h"

/* Far beyond what chance produces at this load, even for millions of keys. */
enum { max_chain = 4096 };

ken_status index_table_init(index_table *table, size_t n_keys, ken_error *err) {
    *table = (index_table){0};
    size_t n_slots = 16;
    while (n_slots / 4 * 3 < n_keys)
        n_slots *= 2;
    table->slots = mem_zalloc(n_slots, sizeof *table->slots);
    if (!table->slots)
        return error_no_memory(err, n_slots * sizeof *table->slots);
    table->n_slots = n_slots;
    return KEN_OK;
}

void index_table_reset(index_table *table) {
    MEM_FREE(table->slots);
    table->n_slots = 0;
}

static uint32_t tag_of(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}

index_found index_table_find(const index_table *table, uint64_t hash, index_same *same,
                             const void *owner, const void *key, index_slot **slot) {
    for (size_t step = 0; step < max_chain && step < table->n_slots; step++) {
        *slot = &table->slots[(hash + step) & (table->n_slots - 1)];
        if (!(*slot)->item)
            return INDEX_EMPTY;
        if ((*slot)->tag == tag_of(hash) && same(owner, (*slot)->item - 1, key))
            return INDEX_HERE;
    }
    return INDEX_CROWDED;
}

void index_table_put(index_slot *slot, uint64_t hash, size_t index) {
    *slot = (index_slot){.item = (uint32_t)index + 1, .tag = tag_of(hash)};
}
