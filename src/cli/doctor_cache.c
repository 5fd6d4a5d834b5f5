#include "cli/doctor_cache.h"

#include "base/cache.h"
#include "cli/cache_folder.h"

#include <string.h>

/* The cache as it is; looking makes no folder. */
typedef struct cache_state {
    cache_folder folder;
    cache_usage usage;
    bool exists;
    bool usable;
    ken_error why_not;
} cache_state;

static void look(cache_state *s) {
    *s = (cache_state){0};
    if (cache_folder_find(&s->folder, &s->why_not) != KEN_OK)
        return;
    s->usable = true;
    s->usage.limit_bytes = s->folder.limit_bytes;
    s->exists = s->folder.dir.size && file_is_directory(s->folder.dir.data);
    if (!s->exists)
        return;
    cache *c;
    ken_status status = cache_open(s->folder.dir.data, s->folder.limit_bytes, &c, &s->why_not);
    if (status == KEN_OK)
        status = cache_measure(c, &s->usage, &s->why_not);
    cache_close(c);
    s->usable = status == KEN_OK;
}

static const double mebibyte = 1 << 20;

void doctor_put_cache(buf *out) {
    cache_state s;
    look(&s);
    buf_puts(out, "cache of packed weights: ");
    if (!s.usable)
        buf_printf(out, "not used: %s\n", s.why_not.message);
    else if (!s.folder.dir.size)
        buf_puts(out, "off\n");
    else if (!s.exists)
        buf_printf(out, "'%s' (not there yet)\n", s.folder.dir.data);
    else
        buf_printf(out, "'%s': %llu files, %.1f MiB of at most %.0f MiB\n", s.folder.dir.data,
                   (unsigned long long)s.usage.n_files, (double)s.usage.used_bytes / mebibyte,
                   (double)s.usage.limit_bytes / mebibyte);
    cache_folder_reset(&s.folder);
}

void doctor_put_cache_json(buf *out) {
    cache_state s;
    look(&s);
    const char *dir = s.folder.dir.size ? s.folder.dir.data : "";
    buf_puts(out, "{\"dir\":");
    buf_put_json(out, dir, strlen(dir));
    buf_printf(out, ",\"files\":%llu,\"used_bytes\":%llu,\"limit_bytes\":%llu,\"problem\":",
               (unsigned long long)s.usage.n_files, (unsigned long long)s.usage.used_bytes,
               (unsigned long long)s.usage.limit_bytes);
    const char *problem = s.usable ? "" : s.why_not.message;
    buf_put_json(out, problem, strlen(problem));
    buf_puts(out, "}");
    cache_folder_reset(&s.folder);
}
