/* Any bytes as a safetensors file: what is accepted must lie inside of them and be found by name.
 */
#include "formats/safetensors.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition) {
    if (!condition)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const file_map map = {.data = bytes, .size = size};
    safetensors s;
    ken_error err;
    if (safetensors_parse(&map, "fuzz", &s, &err) != KEN_OK) {
        require(err.message[0] != '\0' && s.n_entries == 0 && !s.entries);
        return 0;
    }
    size_t total = 0;
    for (size_t i = 0; i < s.n_entries; i++) {
        const tensor *t = &s.entries[i].value;
        const uint8_t *begin = t->data;
        require(begin >= bytes + 8 && begin <= bytes + size);
        require(t->size_bytes <= (size_t)(bytes + size - begin));
        require(tensor_count(t) * dtype_size(t->dtype) == t->size_bytes);
        require(safetensors_find(&s, safetensors_name(&s, i)) == &s.entries[i]);
        total += t->size_bytes;
    }
    require(total <= size - 8);
    require(!safetensors_metadata(&s, "no such key") || s.n_metadata > 0);
    safetensors_reset(&s);
    return 0;
}
