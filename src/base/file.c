#include "base/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec t) {
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static file_identity identity_of(const struct stat *info) {
    return (file_identity){.device = info->st_dev,
                           .inode = info->st_ino,
                           .size_bytes = (uint64_t)info->st_size,
                           .mtime_ns = nanoseconds(info->st_mtim),
                           .ctime_ns = nanoseconds(info->st_ctim)};
}

bool file_identify(const char *path, file_identity *out) {
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    *out = identity_of(&info);
    return true;
}

bool file_identity_same(const file_identity *a, const file_identity *b) {
    return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* O_NONBLOCK keeps open() from waiting for a FIFO's other end; it has no effect on regular files.
 */
static ken_status open_regular(const char *path, int *fd, file_identity *identity, ken_error *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return error_errno(err, errno, "could not open '%s'", path);
    struct stat info;
    if (fstat(*fd, &info) != 0) {
        int reason = errno;
        close(*fd);
        return error_errno(err, reason, "could not inspect '%s'", path);
    }
    if (!S_ISREG(info.st_mode)) {
        close(*fd);
        return error_set(err, KEN_UNSUPPORTED, "'%s' is not a regular file", path);
    }
    *identity = identity_of(&info);
    return KEN_OK;
}

ken_status file_map_open(const char *path, file_map *out, ken_error *err) {
    *out = (file_map){.data = (const uint8_t *)"", .size = 0};
    int fd;
    TRY(open_regular(path, &fd, &out->identity, err));
    size_t size = out->identity.size_bytes;
    if (size == 0) {
        close(fd);
        return KEN_OK;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int reason = errno;
    close(fd);
    if (data == MAP_FAILED)
        return error_errno(err, reason, "could not map '%s'", path);
    out->data = data;
    out->size = size;
    return KEN_OK;
}

void file_map_close(file_map *map) {
    if (map->size)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (file_map){.data = (const uint8_t *)"", .size = 0};
}

void file_map_release(const void *data, size_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)data + size) / page * page;
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static ken_status read_fd(int fd, size_t size_hint, const char *path, buf *out, ken_error *err) {
    for (;;) {
        size_t want = size_hint ? size_hint : 4096;
        if (want > out->max_bytes - out->size)
            want = out->max_bytes - out->size;
        char extra;
        void *to = want ? buf_reserve(out, want) : &extra;
        if (!to)
            return error_no_memory(err, want);
        ssize_t got = read(fd, to, want ? want : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, errno, "could not read '%s'", path);
        if (got == 0)
            return KEN_OK;
        if (!want)
            return error_set(err, KEN_TOO_LARGE, "'%s' is larger than the limit of %zu bytes", path,
                             out->max_bytes);
        out->size += (size_t)got;
        out->data[out->size] = '\0';
        size_hint = size_hint > (size_t)got ? size_hint - (size_t)got : 0;
    }
}

ken_status file_read(const char *path, buf *out, ken_error *err) {
    int fd;
    file_identity identity = {0};
    TRY(open_regular(path, &fd, &identity, err));
    size_t size = identity.size_bytes;
    ken_status status;
    if (size > out->max_bytes - out->size)
        status = error_set(err, KEN_TOO_LARGE, "'%s' is %zu bytes, the limit is %zu", path, size,
                           out->max_bytes);
    else
        status = read_fd(fd, size, path, out, err);
    close(fd);
    return status;
}

ken_status file_write_all(int fd, const void *data, size_t size, const char *path, ken_error *err) {
    const char *from = data;
    while (size) {
        ssize_t wrote = write(fd, from, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_errno(err, errno, "could not write '%s'", path);
        from += wrote;
        size -= (size_t)wrote;
    }
    return KEN_OK;
}

ken_status file_sync_parent(const char *path, ken_error *err) {
    char *copy = mem_strdup(path);
    if (!copy)
        return error_no_memory(err, strlen(path) + 1);
    char *slash = strrchr(copy, '/');
    if (slash == copy)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    const char *dir = slash ? copy : ".";
    ken_status status = KEN_OK;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        status = error_errno(err, errno, "could not open directory '%s'", dir);
    /* Some file systems cannot sync a directory and say EINVAL; that is theirs to answer for. */
    else if (fsync(fd) != 0 && errno != EINVAL)
        status = error_errno(err, errno, "could not sync directory '%s'", dir);
    if (fd >= 0)
        close(fd);
    mem_free(copy);
    return status;
}

static ken_status write_tmp(const char *tmp, const void *data, size_t size, ken_error *err) {
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        int reason = errno;
        ken_status status = error_errno(err, reason, "could not create '%s'", tmp);
        if (reason == ENOSPC || reason == EDQUOT || reason == EIO)
            return status; /* the place is right, and there may be room later */
        if (err)
            err->status = KEN_CANNOT_CREATE;
        return KEN_CANNOT_CREATE;
    }
    ken_status status = file_write_all(fd, data, size, tmp, err);
    if (status == KEN_OK && fsync(fd) != 0)
        status = error_errno(err, errno, "could not sync '%s'", tmp);
    if (close(fd) != 0 && status == KEN_OK)
        status = error_errno(err, errno, "could not close '%s'", tmp);
    return status;
}

ken_status file_write_atomic(const char *path, const void *data, size_t size, ken_error *err) {
    buf tmp;
    buf_init(&tmp, PATH_MAX);
    buf_printf(&tmp, "%s.tmp-%ld", path, (long)getpid());
    ken_status status = buf_check(&tmp, err);
    if (status == KEN_OK) {
        status = write_tmp(tmp.data, data, size, err);
        if (status == KEN_OK && rename(tmp.data, path) != 0)
            status = error_errno(err, errno, "could not rename '%s' to '%s'", tmp.data, path);
        if (status != KEN_OK)
            unlink(tmp.data);
        else
            status = file_sync_parent(path, err);
    }
    buf_free(&tmp);
    return status;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool file_is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool file_join(buf *out, const char *dir, const char *name) {
    buf_clear(out);
    buf_puts(out, dir);
    if (out->size && out->data[out->size - 1] != '/')
        buf_putc(out, '/');
    return buf_puts(out, name);
}

const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *file_extension(const char *path) {
    const char *name = file_name(path);
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? dot : "";
}

/* Is `path` equal to `root` or below it? Both are canonical. */
static bool is_below(const char *path, const char *root) {
    size_t n = strlen(root);
    if (n && root[n - 1] == '/')
        n--;
    return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* A hub cache keeps models--org--name/{blobs,snapshots/REV}; snapshots hold links into blobs. */
static bool is_hub_blob(const char *path, const char *dir) {
    const char *snapshots = strstr(dir, "/snapshots/");
    if (!snapshots || strchr(snapshots + strlen("/snapshots/"), '/'))
        return false;
    char root[PATH_MAX];
    int n = snprintf(root, sizeof root, "%.*s/blobs", (int)(snapshots - dir), dir);
    return n > 0 && (size_t)n < sizeof root && is_below(path, root);
}

ken_status file_resolve_inside(const char *dir, const char *name, buf *out, ken_error *err) {
    if (name[0] == '/' || name[0] == '\0')
        return error_set(err, KEN_REFUSED, "file name '%s' is not relative to '%s'", name, dir);
    file_join(out, dir, name);
    TRY(buf_check(out, err));
    char root[PATH_MAX], real[PATH_MAX];
    if (!realpath(dir, root))
        return error_errno(err, errno, "could not open '%s'", dir);
    if (!realpath(out->data, real))
        return error_errno(err, errno, "could not open '%s'", out->data);
    if (!is_below(real, root) && !is_hub_blob(real, root))
        return error_set(err, KEN_REFUSED, "'%s' leads out of the directory '%s'", name, dir);
    return KEN_OK;
}
