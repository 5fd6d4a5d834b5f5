#include "text/charsmap.h"

#include "base/mem.h"

#include <string.h>

static uint32_t read_u32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

ken_status charsmap_init(charsmap *m, const uint8_t *blob, size_t size, ken_error *err) {
    *m = (charsmap){0};
    if (size == 0)
        return KEN_OK;
    size_t tree_bytes = size >= 4 ? read_u32(blob) : 0;
    if (size < 4 || tree_bytes % 4 != 0 || tree_bytes > size - 4)
        return error_set(err, KEN_BAD_FORMAT,
                         "the precompiled map says its tree has %zu bytes, but %zu follow",
                         tree_bytes, size >= 4 ? size - 4 : 0);
    m->blob = mem_alloc(size + 1);
    if (!m->blob)
        return error_no_memory(err, size + 1);
    memcpy(m->blob, blob, size);
    m->blob[size] = '\0';
    m->units = m->blob + 4;
    m->n_units = tree_bytes / 4;
    m->replacements = (const char *)m->blob + 4 + tree_bytes;
    m->replacements_size = size - 4 - tree_bytes + 1;
    return KEN_OK;
}

void charsmap_free(charsmap *m) {
    mem_free(m->blob);
    *m = (charsmap){0};
}

static uint32_t unit_offset(uint32_t unit) {
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

const char *charsmap_find(const charsmap *m, const char *text, size_t n, bool longest,
                          size_t *length) {
    const char *found = NULL;
    if (m->n_units == 0)
        return NULL;
    size_t node = unit_offset(read_u32(m->units));
    for (size_t i = 0; i < n && text[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)text[i];
        node ^= byte;
        if (node >= m->n_units)
            break;
        uint32_t unit = read_u32(m->units + 4 * node);
        if ((unit & (1u << 31 | 0xFFu)) != byte)
            break;
        node ^= unit_offset(unit);
        if (node >= m->n_units)
            break;
        if (unit >> 8 & 1) {
            size_t value = read_u32(m->units + 4 * node) & 0x7FFFFFFFu;
            if (value < m->replacements_size) {
                found = m->replacements + value;
                *length = i + 1;
            }
            if (!longest)
                break;
        }
    }
    return found;
}
