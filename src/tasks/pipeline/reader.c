#include "tasks/pipeline/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t mtime_us_of(const struct stat *info) {
    return (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
}

static const char *open_reason(int errnum) {
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return "not_found";
    case EACCES:
    case EPERM:
        return "no_permission";
    case ELOOP:
        return "link_loop";
    default:
        return "unreadable";
    }
}

static ken_status check_kind(int fd, const char *path, uint64_t max_bytes, struct stat *info,
                             const char **reason, ken_error *err) {
    if (fstat(fd, info) != 0) {
        *reason = "unreadable";
        return error_errno(err, errno, "could not inspect '%s'", path);
    }
    if (!S_ISREG(info->st_mode)) {
        *reason = "not_regular";
        return error_set(err, KEN_UNSUPPORTED, "'%s' is not a regular file", path);
    }
    if ((uint64_t)info->st_size > max_bytes) {
        *reason = "too_large";
        return error_set(err, KEN_TOO_LARGE, "'%s' is %lld bytes, the limit is %llu", path,
                         (long long)info->st_size, (unsigned long long)max_bytes);
    }
    if (info->st_size == 0) {
        *reason = "empty";
        return error_set(err, KEN_BAD_FORMAT, "'%s' is empty", path);
    }
    return KEN_OK;
}

ken_status reader_open(const char *path, uint64_t max_bytes, int *fd, read_facts *facts,
                       const char **reason, ken_error *err) {
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) {
        int errnum = errno;
        *reason = open_reason(errnum);
        return error_errno(err, errnum, "could not open '%s'", path);
    }
    struct stat info;
    ken_status status = check_kind(*fd, path, max_bytes, &info, reason, err);
    if (status != KEN_OK) {
        close(*fd);
        *fd = -1;
        return status;
    }
    *facts = (read_facts){.size_bytes = (int64_t)info.st_size, .mtime_us = mtime_us_of(&info)};
    return KEN_OK;
}

static ken_status read_exactly(int fd, const char *path, size_t size, uint8_t *to,
                               const char **reason, ken_error *err) {
    size_t at = 0;
    while (at < size) {
        ssize_t got = read(fd, to + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *reason = "unreadable";
            return error_errno(err, errno, "could not read '%s'", path);
        }
        if (got == 0) {
            *reason = "changed";
            return error_set(err, KEN_IO, "'%s' became shorter while it was read", path);
        }
        at += (size_t)got;
    }
    return KEN_OK;
}

ken_status reader_read(int fd, const char *path, const read_facts *facts, uint8_t *to,
                       const char **reason, ken_error *err) {
    ken_status status = read_exactly(fd, path, (size_t)facts->size_bytes, to, reason, err);
    struct stat after;
    if (status == KEN_OK && fstat(fd, &after) == 0 &&
        (after.st_size != facts->size_bytes || mtime_us_of(&after) != facts->mtime_us)) {
        *reason = "changed";
        status = error_set(err, KEN_IO, "'%s' changed while it was read", path);
    }
    close(fd);
    return status;
}
