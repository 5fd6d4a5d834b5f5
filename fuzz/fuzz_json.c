/* Any bytes through both readers of JSON: what the tree accepts, the cursor must accept too, unless
 * it is for one of the limits that only the cursor has. */
#include "base/doc.h"
#include "formats/json_cursor.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *doc;
    bool tree = doc_parse((const char *)bytes, size, "fuzz", &doc, NULL) == KEN_OK;
    json_decref(doc);
    json_cursor cursor = {.text = bytes, .size = size};
    bool walk = json_skip(&cursor) && json_end(&cursor);
    bool limit = cursor.problem && (strstr(cursor.problem, "deeper than 128") ||
                                    strstr(cursor.problem, "NUL character"));
    if ((tree && !walk && !limit) || cursor.at > size || walk == (cursor.problem != NULL))
        __builtin_trap();
    return 0;
}
