/* base/file.h: files, read whole or mapped, and written so that a reader sees all or nothing. */
#ifndef KEN_BASE_FILE_H
#define KEN_BASE_FILE_H

#include "base/buf.h"

/* Which file it is, and which state of it: a file whose bytes change gets another identity, unless
 * that happens within the clock's grain. */
typedef struct file_identity {
    uint64_t device, inode, size_bytes;
    int64_t mtime_ns, ctime_ns; /* since 1970 */
} file_identity;

/* A whole regular file, mapped read-only. An empty file has data == "" and size 0. */
typedef struct file_map {
    const uint8_t *data;
    size_t size;
    file_identity identity; /* when it was opened */
} file_map;

/* Refuses anything but a regular file. */
KEN_MUST_CHECK ken_status file_map_open(const char *path, file_map *out, ken_error *err);
void file_map_close(file_map *map);
/* Gives the memory of these mapped bytes back; they are read again when they are needed. */
void file_map_release(const void *data, size_t size);

/* False when there is no such file. */
bool file_identify(const char *path, file_identity *out);
bool file_identity_same(const file_identity *a, const file_identity *b);

/* Appends the whole of a regular file to `out`; KEN_TOO_LARGE past out's ceiling. Never blocks on a
 * FIFO or device: those are refused. */
KEN_MUST_CHECK ken_status file_read(const char *path, buf *out, ken_error *err);

/* Writes to "PATH.tmp-PID" beside the target, fsyncs, renames and fsyncs the directory. */
KEN_MUST_CHECK ken_status file_write_atomic(const char *path, const void *data, size_t size,
                                            ken_error *err);
/* write(2) until all is written, restarting after signals. */
KEN_MUST_CHECK ken_status file_write_all(int fd, const void *data, size_t size, const char *path,
                                         ken_error *err);
/* fsync of the directory that holds `path`, so that a rename in it is durable. */
KEN_MUST_CHECK ken_status file_sync_parent(const char *path, ken_error *err);

bool file_exists(const char *path);
bool file_is_directory(const char *path);
/* "dir/name"; `out` is cleared first. */
bool file_join(buf *out, const char *dir, const char *name);
/* The part after the last '/', never NULL. */
const char *file_name(const char *path);
/* The extension with its dot, lower or upper case as it stands, or "". */
const char *file_extension(const char *path);
/* Opens dir/name for reading only if the resolved file lies inside `dir` (or, for a hub cache,
 * inside the cache's `blobs` folder two levels up); else KEN_REFUSED. `name` must be relative. */
KEN_MUST_CHECK ken_status file_resolve_inside(const char *dir, const char *name, buf *out,
                                              ken_error *err);

#endif
