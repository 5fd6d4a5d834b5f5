/* base/error.h: how every function that can fail says why.
 *
 * A failing function returns error_set(...), so that the status and the reason cannot disagree; its
 * callers pass the status on, and may add what they were doing with error_prefix. `err` may be NULL
 * everywhere. Wording: lower case, no full stop, what failed first, names in single quotes, found
 * and expected both. Nothing here allocates. */
#ifndef KEN_BASE_ERROR_H
#define KEN_BASE_ERROR_H

#include "ken.h"

/* Fills `err` and returns `status`. Clears the hint and sets the offset to -1. */
ken_status error_set(ken_error *err, ken_status status, const char *format, ...) KEN_PRINTF(3, 4);
/* As error_set, and records the byte offset at which the input went wrong. */
ken_status error_at(ken_error *err, ken_status status, int64_t offset, const char *format, ...)
    KEN_PRINTF(4, 5);
/* As error_set with KEN_NOT_FOUND, KEN_CANNOT_CREATE, KEN_NO_MEMORY or KEN_IO as `errnum` (an errno
 * value) says; appends its text. */
ken_status error_errno(ken_error *err, int errnum, const char *format, ...) KEN_PRINTF(3, 4);
/* The usual message for an allocation that failed. */
ken_status error_no_memory(ken_error *err, size_t size_bytes);
/* Adds something to do. Returns err's status, so that it can end a function. */
ken_status error_hint(ken_error *err, ken_status status, const char *format, ...) KEN_PRINTF(3, 4);
/* Puts "format: " before the message. Returns `status`. */
ken_status error_prefix(ken_error *err, ken_status status, const char *format, ...)
    KEN_PRINTF(3, 4);

/* Returns from the calling function when `call` fails. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        ken_status try_status_ = (call);                                                           \
        if (try_status_ != KEN_OK)                                                                 \
            return try_status_;                                                                    \
    } while (0)

#endif
