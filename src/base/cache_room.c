/* base/cache_room.c: how much a cache holds, and what goes when it is full. */
#include "base/cache_room.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static const uint64_t max_default_bytes = (uint64_t)8 << 30;
/* A temporary file that nobody wrote to for so long was left by a process that died. */
static const time_t abandoned_seconds = 3600;

enum { name_bytes = 96, max_listed = 1 << 16 };

typedef struct cached_file {
    char name[name_bytes];
    uint64_t size_bytes;
    struct timespec used;
    bool temporary;
} cached_file;

typedef struct listing {
    cached_file *files;
    size_t n, capacity;
    uint64_t used_bytes;
} listing;

static bool begins_with(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static ken_status list_file(listing *l, int fd, const char *name, ken_error *err) {
    bool temporary = begins_with(name, CACHE_TEMPORARY);
    struct stat info;
    if (!(temporary || begins_with(name, CACHE_FACT) || begins_with(name, CACHE_PACK)) ||
        strlen(name) >= name_bytes || l->n == max_listed ||
        fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode))
        return KEN_OK;
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        cached_file *grown = mem_grow(l->files, l->n * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return error_no_memory(err, capacity * sizeof *grown);
        l->files = grown;
        l->capacity = capacity;
    }
    cached_file *file = &l->files[l->n++];
    *file = (cached_file){
        .size_bytes = (uint64_t)info.st_size, .used = info.st_mtim, .temporary = temporary};
    memcpy(file->name, name, strlen(name) + 1);
    l->used_bytes += file->size_bytes;
    return KEN_OK;
}

/* The caller frees `files`, also after an error. */
static ken_status list(const cache *c, listing *out, ken_error *err) {
    *out = (listing){0};
    int fd = openat(c->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        return error_errno(err, reason, "could not list folder '%s'", c->path);
    }
    ken_status status = KEN_OK;
    for (struct dirent *entry; status == KEN_OK && (entry = readdir(dir));)
        status = list_file(out, fd, entry->d_name, err);
    closedir(dir);
    return status;
}

static ken_status find_limit(const cache *c, uint64_t used_bytes, uint64_t *limit_bytes,
                             ken_error *err) {
    *limit_bytes = c->limit_bytes;
    if (c->limit_bytes)
        return KEN_OK;
    struct statvfs info;
    if (fstatvfs(c->fd, &info) != 0)
        return error_errno(err, errno, "could not ask for the free room of '%s'", c->path);
    uint64_t tenth = ((uint64_t)info.f_bavail * info.f_frsize + used_bytes) / 10;
    *limit_bytes = tenth < max_default_bytes ? tenth : max_default_bytes;
    return KEN_OK;
}

static int by_use(const void *a, const void *b) {
    const struct timespec *x = &((const cached_file *)a)->used,
                          *y = &((const cached_file *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static void remove_file(const cache *c, listing *l, const cached_file *file) {
    cache_remove(c, file->name);
    l->used_bytes -= file->size_bytes;
}

static ken_status remove_oldest(const cache *c, listing *l, uint64_t size_bytes, ken_error *err) {
    time_t now = time(NULL);
    for (size_t i = 0; i < l->n; i++)
        if (l->files[i].temporary && now - l->files[i].used.tv_sec > abandoned_seconds)
            remove_file(c, l, &l->files[i]);
    uint64_t limit_bytes = 0;
    TRY(find_limit(c, l->used_bytes, &limit_bytes, err));
    if (size_bytes > limit_bytes)
        return error_set(err, KEN_TOO_LARGE,
                         "%llu bytes do not fit the cache '%s', whose limit is %llu",
                         (unsigned long long)size_bytes, c->path, (unsigned long long)limit_bytes);
    if (l->n)
        qsort(l->files, l->n, sizeof *l->files, by_use);
    for (size_t i = 0; i < l->n && l->used_bytes + size_bytes > limit_bytes; i++)
        if (!l->files[i].temporary)
            remove_file(c, l, &l->files[i]);
    return KEN_OK;
}

ken_status cache_make_room(const cache *c, uint64_t size_bytes, ken_error *err) {
    listing l;
    ken_status status = list(c, &l, err);
    if (status == KEN_OK)
        status = remove_oldest(c, &l, size_bytes, err);
    mem_free(l.files);
    return status;
}

ken_status cache_measure(const cache *c, cache_usage *out, ken_error *err) {
    listing l;
    ken_status status = list(c, &l, err);
    *out = (cache_usage){.n_files = l.n, .used_bytes = l.used_bytes};
    mem_free(l.files);
    TRY(status);
    return find_limit(c, out->used_bytes, &out->limit_bytes, err);
}
