/* tasks/pipeline/reader.h: a picture's file, read once, whole, and only if it is a regular file. */
#ifndef KEN_TASKS_READER_H
#define KEN_TASKS_READER_H

#include "base/error.h"

typedef struct read_facts {
    int64_t size_bytes;
    int64_t mtime_us;
} read_facts;

/* Opens without ever waiting (FIFOs, devices) and looks at what it is. On failure *reason is a
 * short stable word. */
KEN_MUST_CHECK ken_status reader_open(const char *path, uint64_t max_bytes, int *fd,
                                      read_facts *facts, const char **reason, ken_error *err);
/* Reads facts->size_bytes bytes to `to`; a file that is shorter or longer by now, or was written to
 * meanwhile, is an error ("changed"). Closes `fd`. */
KEN_MUST_CHECK ken_status reader_read(int fd, const char *path, const read_facts *facts,
                                      uint8_t *to, const char **reason, ken_error *err);

#endif
