#include "cli/cache_folder.h"

#include "base/checked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "0", "500000000", "500M", "4G": bytes, or the powers of 1024. */
static bool parse_size(const char *text, uint64_t *bytes) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *text < '0' || *text > '9')
        return false;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1]))
        return false;
    size_t factor = unit ? (size_t)1 << 10 * (unit - units + 1) : 1, product;
    if (!checked_mul((size_t)number, factor, &product))
        return false;
    *bytes = product;
    return true;
}

/* The XDG rules: a path that is not absolute does not count. */
static void put_dir(buf *dir) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base == '/')
        buf_printf(dir, "%s/ken", base);
    else if (home && *home == '/')
        buf_printf(dir, "%s/.cache/ken", home);
}

ken_status cache_folder_find(cache_folder *out, ken_error *err) {
    *out = (cache_folder){0};
    buf_init(&out->dir, 8192);
    const char *limit = getenv("KEN_CACHE_LIMIT");
    bool limited = limit && *limit;
    if (limited && !parse_size(limit, &out->limit_bytes))
        return error_hint(err,
                          error_set(err, KEN_BAD_ARGUMENT,
                                    "KEN_CACHE_LIMIT is '%s', expected a number of bytes", limit),
                          "write '4G' or '500M'; '0' turns the cache off");
    if (!limited || out->limit_bytes)
        put_dir(&out->dir);
    return buf_check(&out->dir, err);
}

void cache_folder_reset(cache_folder *folder) {
    buf_free(&folder->dir);
}
