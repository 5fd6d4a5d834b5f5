#include "tasks/classify/text_index.h"

#include "base/hash.h"

#include <string.h>

enum { first_slots = 64 };

/* The slot where the text stands or would stand. */
static size_t slot_of(const text_index *x, const char *text, size_t size) {
    size_t at = hash_xxh64(text, size) & (x->n_slots - 1);
    for (; x->slots[at]; at = (at + 1) & (x->n_slots - 1)) {
        const char *known = x->texts[x->slots[at] - 1];
        if (strncmp(known, text, size) == 0 && known[size] == '\0')
            break;
    }
    return at;
}

/* At most half of the slots are taken, so that a search ends soon. */
static ken_status grow(text_index *x, ken_error *err) {
    size_t n_slots = x->n_slots ? 2 * x->n_slots : first_slots, capacity = n_slots / 2;
    uint32_t *slots = mem_zalloc(n_slots, sizeof *slots);
    const char **texts =
        slots ? mem_grow(x->texts, x->n * sizeof *texts, capacity * sizeof *texts) : NULL;
    if (!texts) {
        mem_free(slots);
        return error_no_memory(err, n_slots * sizeof *slots);
    }
    mem_free(x->slots);
    x->texts = texts;
    x->capacity = capacity;
    x->slots = slots;
    x->n_slots = n_slots;
    for (size_t i = 0; i < x->n; i++)
        x->slots[slot_of(x, x->texts[i], strlen(x->texts[i]))] = (uint32_t)i + 1;
    return KEN_OK;
}

ken_status text_index_add(text_index *x, const char *text, size_t size, uint32_t *out,
                          ken_error *err) {
    if (x->n == x->capacity)
        TRY(grow(x, err));
    size_t at = slot_of(x, text, size);
    if (!x->slots[at]) {
        x->texts[x->n] = arena_strndup(&x->memory, text, size);
        if (!x->texts[x->n])
            return error_no_memory(err, size);
        x->slots[at] = (uint32_t)++x->n;
    }
    *out = x->slots[at] - 1;
    return KEN_OK;
}

size_t text_index_find(const text_index *x, const char *text, size_t size) {
    if (x->n == 0)
        return SIZE_MAX;
    uint32_t found = x->slots[slot_of(x, text, size)];
    return found ? found - 1 : SIZE_MAX;
}

void text_index_reset(text_index *x) {
    mem_free((void *)x->texts);
    mem_free(x->slots);
    arena_free(&x->memory);
    memset(x, 0, sizeof *x);
}
