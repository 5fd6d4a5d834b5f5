#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} statuses[] = {
    [KEN_OK] = {"ok", 0},
    [KEN_BAD_ARGUMENT] = {"bad_argument", 2},
    [KEN_NOT_FOUND] = {"not_found", 66},
    [KEN_IO] = {"io", 74},
    [KEN_BAD_FORMAT] = {"bad_format", 65},
    [KEN_UNSUPPORTED] = {"unsupported", 65},
    [KEN_TOO_LARGE] = {"too_large", 65},
    [KEN_NO_MEMORY] = {"no_memory", 70},
    [KEN_CANCELLED] = {"cancelled", 75},
    [KEN_UNAVAILABLE] = {"unavailable", 69},
    [KEN_INTERNAL] = {"internal", 70},
    [KEN_REFUSED] = {"refused", 77},
    [KEN_CANNOT_CREATE] = {"cannot_create", 73},
};

static bool known(ken_status status) {
    return (size_t)status < sizeof statuses / sizeof *statuses;
}

const char *ken_status_name(ken_status status) {
    return known(status) ? statuses[status].name : "unknown";
}

int ken_status_exit_code(ken_status status) {
    return known(status) ? statuses[status].exit_code : 70;
}

static void fill(ken_error *err, ken_status status, int64_t offset, const char *format,
                 va_list args) KEN_PRINTF(4, 0);
static void fill(ken_error *err, ken_status status, int64_t offset, const char *format,
                 va_list args) {
    if (!err)
        return;
    err->status = status;
    err->offset = offset;
    err->hint[0] = '\0';
    vsnprintf(err->message, sizeof err->message, format, args);
}

ken_status error_set(ken_error *err, ken_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, -1, format, args);
    va_end(args);
    return status;
}

ken_status error_at(ken_error *err, ken_status status, int64_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fill(err, status, offset, format, args);
    va_end(args);
    return status;
}

static ken_status errno_status(int errnum) {
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return KEN_NOT_FOUND;
    case ENOMEM:
        return KEN_NO_MEMORY;
    default:
        return KEN_IO;
    }
}

ken_status error_errno(ken_error *err, int errnum, const char *format, ...) {
    ken_status status = errno_status(errnum);
    va_list args;
    va_start(args, format);
    fill(err, status, -1, format, args);
    va_end(args);
    if (err) {
        char reason[128];
        size_t used = strlen(err->message);
        /* glibc's strerror_r with _GNU_SOURCE returns the text, which may not be in the buffer. */
        snprintf(err->message + used, sizeof err->message - used, ": %s",
                 strerror_r(errnum, reason, sizeof reason));
    }
    return status;
}

ken_status error_no_memory(ken_error *err, size_t size_bytes) {
    return error_set(err, KEN_NO_MEMORY, "out of memory: could not allocate %zu bytes", size_bytes);
}

ken_status error_hint(ken_error *err, ken_status status, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->hint, sizeof err->hint, format, args);
        va_end(args);
    }
    return status;
}

ken_status error_prefix(ken_error *err, ken_status status, const char *format, ...) {
    if (err) {
        char old[sizeof err->message];
        memcpy(old, err->message, sizeof old);
        va_list args;
        va_start(args, format);
        int used = vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof err->message)
            snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", old);
    }
    return status;
}
