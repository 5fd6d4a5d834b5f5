#include "base/cache.h"

#include "base/cache_room.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the folder ------------------------------------------------------------------------------ */

static ken_status make_folders(const char *dir, ken_error *err) {
    char path[PATH_MAX];
    size_t n = strlen(dir);
    if (n == 0 || n >= sizeof path)
        return error_set(err, KEN_BAD_ARGUMENT, "a cache folder's path of %zu bytes", n);
    memcpy(path, dir, n + 1);
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        (void)mkdir(path, 0700); /* the last one says what is wrong */
        *at = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "could not create folder '%s'", dir);
    return KEN_OK;
}

/* What lies in the folder is computed with, so nobody else may be able to put something there. */
static ken_status check_owner(int fd, const char *dir, ken_error *err) {
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_errno(err, errno, "could not inspect '%s'", dir);
    if (info.st_uid != geteuid())
        return error_set(err, KEN_REFUSED, "cache folder '%s' belongs to user %ld, expected %ld",
                         dir, (long)info.st_uid, (long)geteuid());
    if (info.st_mode & (S_IWGRP | S_IWOTH))
        return error_hint(err,
                          error_set(err, KEN_REFUSED,
                                    "cache folder '%s' has mode %04o: others may write to it", dir,
                                    (unsigned)info.st_mode & 07777u),
                          "chmod 700 '%s'", dir);
    return KEN_OK;
}

static ken_status open_folder(cache *c, const char *dir, ken_error *err) {
    TRY(make_folders(dir, err));
    c->fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (c->fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return error_set(err, KEN_REFUSED, "cache folder '%s' is a link or no folder", dir);
    if (c->fd < 0)
        return error_errno(err, errno, "could not open folder '%s'", dir);
    return check_owner(c->fd, dir, err);
}

ken_status cache_open(const char *dir, uint64_t limit_bytes, cache **out, ken_error *err) {
    *out = NULL;
    cache *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err, sizeof *c);
    c->fd = -1;
    c->limit_bytes = limit_bytes;
    c->path = mem_strdup(dir);
    ken_status status = c->path ? open_folder(c, dir, err) : error_no_memory(err, strlen(dir));
    if (status == KEN_OK)
        *out = c;
    else
        cache_close(c);
    return status;
}

void cache_close(cache *c) {
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    mem_free(c->path);
    mem_free(c);
}

const char *cache_path(const cache *c) {
    return c->path;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Opens a file of ours for reading, and marks it as used now. */
static ken_status open_file(const cache *c, const char *name, int *fd, size_t *size,
                            ken_error *err) {
    *fd = openat(c->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && errno == ELOOP)
        return error_set(err, KEN_REFUSED, "'%s/%s' is a link", c->path, name);
    if (*fd < 0)
        return error_errno(err, errno, "could not open '%s/%s'", c->path, name);
    struct stat info;
    ken_status status = KEN_OK;
    if (fstat(*fd, &info) != 0)
        status = error_errno(err, errno, "could not inspect '%s/%s'", c->path, name);
    else if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
             (info.st_mode & (S_IWGRP | S_IWOTH)))
        status = error_set(err, KEN_REFUSED, "'%s/%s' is not a file of ours alone", c->path, name);
    if (status != KEN_OK) {
        close(*fd);
        return status;
    }
    (void)futimens(*fd, NULL);
    *size = (size_t)info.st_size;
    return KEN_OK;
}

ken_status cache_map(const cache *c, const char *name, file_map *out, ken_error *err) {
    *out = (file_map){.data = (const uint8_t *)""};
    int fd;
    size_t size = 0;
    TRY(open_file(c, name, &fd, &size, err));
    void *data = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    int reason = errno;
    close(fd);
    if (data == MAP_FAILED)
        return error_errno(err, reason, "could not map '%s/%s'", c->path, name);
    if (size)
        *out = (file_map){.data = data, .size = size};
    return KEN_OK;
}

bool cache_has(const cache *c, const char *name) {
    return faccessat(c->fd, name, F_OK, 0) == 0;
}

void cache_remove(const cache *c, const char *name) {
    (void)unlinkat(c->fd, name, 0);
}

static ken_status write_pieces(int fd, const char *name, const cache_piece *pieces, size_t n_pieces,
                               ken_error *err) {
    for (size_t i = 0; i < n_pieces; i++)
        TRY(file_write_all(fd, pieces[i].data, pieces[i].size, name, err));
    return KEN_OK;
}

/* A name that no other process and no other thread of this one writes to. */
static void temporary_name(char *out, size_t size) {
    static _Atomic unsigned counter;
    snprintf(out, size, CACHE_TEMPORARY "%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
}

ken_status cache_write(const cache *c, const char *name, const cache_piece *pieces, size_t n_pieces,
                       ken_error *err) {
    uint64_t size = 0;
    for (size_t i = 0; i < n_pieces; i++)
        size += pieces[i].size;
    TRY(cache_make_room(c, size, err));
    char temporary[64];
    temporary_name(temporary, sizeof temporary);
    /* One may be left of a dead process that had our number. */
    cache_remove(c, temporary);
    int fd = openat(c->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "could not create '%s/%s'", c->path, temporary);
    ken_status status = write_pieces(fd, temporary, pieces, n_pieces, err);
    if (close(fd) != 0 && status == KEN_OK)
        status = error_errno(err, errno, "could not close '%s/%s'", c->path, temporary);
    if (status == KEN_OK && renameat(c->fd, temporary, c->fd, name) != 0)
        status =
            error_errno(err, errno, "could not rename '%s' to '%s/%s'", temporary, c->path, name);
    if (status != KEN_OK)
        cache_remove(c, temporary);
    return status;
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* A fact's file: the checksum of the rest in hex, the key, the value, a line each. */
enum { max_fact_file_bytes = 2 * CACHE_FACT_BYTES, fact_name_bytes = 64 };
static const char fact_prefix[] = CACHE_FACT;

static void fact_name(const char *key, char name[fact_name_bytes]) {
    char hash[HASH_XXH128_HEX];
    hash_xxh128(key, strlen(key), hash);
    snprintf(name, fact_name_bytes, "%s%s", fact_prefix, hash);
}

static bool parse_fact(const char *text, size_t size, const char *key, char *value) {
    char hash[HASH_XXH128_HEX];
    const size_t hash_bytes = sizeof hash - 1, key_bytes = strlen(key);
    if (size < hash_bytes + 1)
        return false;
    const char *rest = text + hash_bytes + 1;
    size_t rest_bytes = size - hash_bytes - 1;
    hash_xxh128(rest, rest_bytes, hash);
    if (memcmp(text, hash, hash_bytes) != 0 || text[hash_bytes] != '\n')
        return false;
    if (rest_bytes < key_bytes + 2 || memcmp(rest, key, key_bytes) != 0 || rest[key_bytes] != '\n')
        return false;
    size_t value_bytes = rest_bytes - key_bytes - 2;
    if (value_bytes >= CACHE_FACT_BYTES)
        return false;
    memcpy(value, rest + key_bytes + 1, value_bytes);
    value[value_bytes] = '\0';
    return true;
}

bool cache_fact(const cache *c, const char *key, char value[CACHE_FACT_BYTES]) {
    char name[fact_name_bytes], text[max_fact_file_bytes];
    fact_name(key, name);
    int fd;
    size_t size = 0;
    if (open_file(c, name, &fd, &size, NULL) != KEN_OK)
        return false;
    ssize_t got = size <= sizeof text ? read(fd, text, sizeof text) : -1;
    close(fd);
    if (got > 0 && parse_fact(text, (size_t)got, key, value))
        return true;
    cache_remove(c, name);
    return false;
}

ken_status cache_remember(const cache *c, const char *key, const char *value, ken_error *err) {
    if (strlen(value) >= CACHE_FACT_BYTES || strlen(key) >= CACHE_FACT_BYTES || strchr(key, '\n'))
        return error_set(err, KEN_BAD_ARGUMENT, "a fact of %zu and %zu bytes, the limit is %d",
                         strlen(key), strlen(value), CACHE_FACT_BYTES - 1);
    buf rest;
    buf_init(&rest, max_fact_file_bytes);
    buf_printf(&rest, "%s\n%s\n", key, value);
    ken_status status = buf_check(&rest, err);
    if (status == KEN_OK) {
        char hash[HASH_XXH128_HEX], name[fact_name_bytes];
        hash_xxh128(rest.data, rest.size, hash);
        fact_name(key, name);
        const cache_piece pieces[] = {{hash, sizeof hash - 1}, {"\n", 1}, {rest.data, rest.size}};
        status = cache_write(c, name, pieces, sizeof pieces / sizeof *pieces, err);
    }
    buf_free(&rest);
    return status;
}
