/* A manifest from anyone: what it says is taken back exactly when it is written again, or it is
 * refused. */
#include "tasks/collection/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_all(const manifest *m, buf *out) {
    buf_init(out, (size_t)1 << 26);
    for (size_t i = 0; i < m->n; i++)
        manifest_put_line(out, &m->parts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    manifest first, again;
    buf text, text_again;
    if (manifest_parse((const char *)data, size, &first, NULL) != KEN_OK)
        return 0;
    put_all(&first, &text);
    manifest_free(&first);
    if (manifest_parse(text.data ? text.data : "", text.size, &again, NULL) == KEN_OK) {
        put_all(&again, &text_again);
        manifest_free(&again);
        if (text.size != text_again.size ||
            (text.size && memcmp(text.data, text_again.data, text.size) != 0))
            abort();
        buf_free(&text_again);
    }
    buf_free(&text);
    return 0;
}
