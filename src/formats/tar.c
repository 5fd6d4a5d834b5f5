/* formats/tar.c: groups the files of a tar into samples.
 *
 * libarchive reads from a descriptor of a regular file and writes nowhere. A sample ends where a
 * file of another key begins, so one header is always read ahead. */
#include "formats/tar.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { max_fields = 1000, max_name_bytes = 1 << 16, block_bytes = 1 << 18, max_retries = 100 };

/* Where a field's name and bytes lie in the sample's buffers, which move while they grow. */
typedef struct span {
    size_t name_at, at, size;
} span;

struct tar_reader {
    struct archive *archive;
    int fd;
    char *path;
    size_t max_field_bytes;
    uint64_t n_samples;

    struct archive_entry *entry; /* the header read ahead, or NULL */
    buf entry_name;
    size_t n_key; /* bytes of entry_name that are its key */

    ken_status failed; /* an error found while reading ahead, told at the next call */
    ken_error reason;
    bool ended;

    buf key, names, bytes; /* the sample in hand */
    span spans[max_fields];
    tar_field fields[max_fields];
    size_t n_fields;
    bool too_large;
};

/* ---- opening ----------------------------------------------------------------------------------
 */

static ken_status open_file(const char *path, int *fd, ken_error *err) {
    /* O_NONBLOCK: do not wait for a FIFO's other end. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return error_errno(err, errno, "could not open '%s'", path);
    struct stat info;
    if (fstat(*fd, &info) != 0)
        return error_errno(err, errno, "could not inspect '%s'", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, KEN_UNSUPPORTED, "'%s' is not a regular file", path);
    return KEN_OK;
}

static ken_status fail(const tar_reader *r, ken_error *err) {
    const char *reason = archive_error_string(r->archive);
    ken_status status = archive_errno(r->archive) == ENOMEM ? KEN_NO_MEMORY
                        : archive_errno(r->archive) == EIO  ? KEN_IO
                                                            : KEN_BAD_FORMAT;
    return error_set(err, status, "'%s' cannot be read as a tar after %llu samples: %s", r->path,
                     (unsigned long long)r->n_samples, reason ? reason : "unknown reason");
}

/* Only filters that are compiled in: libarchive would run a program for others. */
static bool add_filters(struct archive *a) {
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    return archive_read_support_filter_none(a) == ARCHIVE_OK;
}

static ken_status start(tar_reader *r, const char *path, ken_error *err) {
    r->path = mem_strdup(path);
    r->archive = archive_read_new();
    if (!r->path || !r->archive)
        return error_no_memory(err, strlen(path) + 1);
    TRY(open_file(path, &r->fd, err));
    if (!add_filters(r->archive) ||
        archive_read_open_fd(r->archive, r->fd, block_bytes) != ARCHIVE_OK)
        return fail(r, err);
    return KEN_OK;
}

ken_status tar_open(const char *path, size_t max_field_bytes, tar_reader **out, ken_error *err) {
    *out = NULL;
    tar_reader *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return error_no_memory(err, sizeof *r);
    r->fd = -1;
    r->max_field_bytes = max_field_bytes;
    buf_init(&r->entry_name, max_name_bytes);
    buf_init(&r->key, max_name_bytes);
    buf_init(&r->names, (size_t)max_name_bytes * 8);
    /* Several fields may be as large as one is allowed to be; all of them together may not. */
    buf_init(&r->bytes, max_field_bytes < SIZE_MAX / 4 ? max_field_bytes * 4 : SIZE_MAX / 2);
    ken_status status = start(r, path, err);
    if (status == KEN_OK)
        *out = r;
    else
        tar_close(r);
    return status;
}

void tar_close(tar_reader *r) {
    if (!r)
        return;
    if (r->archive)
        archive_read_free(r->archive);
    if (r->fd >= 0)
        close(r->fd);
    buf_free(&r->entry_name);
    buf_free(&r->key);
    buf_free(&r->names);
    buf_free(&r->bytes);
    mem_free(r->path);
    mem_free(r);
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* "a/b.c.JPG" is field "c.jpg" of sample "a/b". Names that webdataset passes over: without a dot,
 * beginning with one, and "__meta__". */
static bool split_name(const char *name, size_t *n_key) {
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    const char *dot = strchr(last, '.');
    if (!dot || dot == last || !dot[1])
        return false;
    size_t n = (size_t)(dot - last);
    if (n > 4 && strncmp(last, "__", 2) == 0 && strncmp(dot - 2, "__", 2) == 0)
        return false;
    *n_key = (size_t)(dot - name);
    return true;
}

/* In the C locale libarchive keeps a name that is not ASCII in one of the two forms only. */
static const char *entry_path(struct archive_entry *entry) {
    const char *path = archive_entry_pathname(entry);
    return path ? path : archive_entry_pathname_utf8(entry);
}

/* Reads headers up to the next file that belongs to a sample; r->entry is NULL at the end. */
static ken_status read_ahead(tar_reader *r, ken_error *err) {
    for (int retries = 0; retries < max_retries;) {
        r->entry = NULL;
        int code = archive_read_next_header(r->archive, &r->entry);
        if (code == ARCHIVE_EOF) {
            r->entry = NULL;
            r->ended = true;
            return KEN_OK;
        }
        if (code == ARCHIVE_RETRY) {
            retries++;
            continue;
        }
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            break;
        const char *name = entry_path(r->entry);
        if (archive_entry_filetype(r->entry) != AE_IFREG || archive_entry_hardlink(r->entry) ||
            !name || !split_name(name, &r->n_key))
            continue;
        buf_clear(&r->entry_name);
        if (buf_puts(&r->entry_name, name))
            return KEN_OK;
    }
    r->entry = NULL;
    return fail(r, err);
}

/* ---- samples ----------------------------------------------------------------------------------
 */

static bool same_key(const tar_reader *r) {
    return r->n_fields + r->too_large > 0 && r->key.size == r->n_key &&
           memcmp(r->key.data, r->entry_name.data, r->n_key) == 0;
}

/* The size in the header may be wrong, so the data decides. */
static ken_status read_data(tar_reader *r, size_t *size, ken_error *err) {
    *size = 0;
    for (;;) {
        size_t want = r->max_field_bytes + 1 - *size;
        if (want > block_bytes)
            want = block_bytes;
        size_t room = r->bytes.capacity - r->bytes.size;
        if (room > 1 && want > room - 1)
            want = room - 1; /* what is declared fits; grow only for more */
        void *to = buf_reserve(&r->bytes, want);
        if (!to) {
            bool full = r->bytes.size + want > r->bytes.max_bytes;
            r->bytes.failed = false;
            r->too_large = r->too_large || full;
            return full ? KEN_OK : error_no_memory(err, want);
        }
        la_ssize_t got = archive_read_data(r->archive, to, want);
        if (got == ARCHIVE_RETRY)
            continue;
        if (got < 0)
            return fail(r, err);
        r->bytes.size += (size_t)got;
        *size += (size_t)got;
        if (*size > r->max_field_bytes)
            r->too_large = true;
        if (got == 0 || r->too_large)
            return KEN_OK;
    }
}

static void put_field_name(tar_reader *r) {
    for (const char *c = r->entry_name.data + r->n_key + 1; *c; c++)
        buf_putc(&r->names, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
    buf_putc(&r->names, '\0');
}

/* Adds the file read ahead to the sample. */
static ken_status add_field(tar_reader *r, ken_error *err) {
    if (r->n_fields == max_fields)
        return error_set(err, KEN_BAD_FORMAT, "'%s': sample '%.200s' has more than %d fields",
                         r->path, r->key.data, max_fields);
    int64_t declared = archive_entry_size(r->entry);
    span *s = &r->spans[r->n_fields];
    *s = (span){.name_at = r->names.size, .at = r->bytes.size};
    if (r->too_large || declared > (int64_t)r->max_field_bytes) {
        r->too_large = true; /* the next header skips the data */
    } else {
        /* At once, instead of by doubling; whether there was room shows when the data comes. */
        if (declared > 0 && !buf_reserve(&r->bytes, (size_t)declared + 1))
            r->bytes.failed = false;
        TRY(read_data(r, &s->size, err));
    }
    put_field_name(r);
    if (r->names.failed)
        return buf_check(&r->names, err);
    r->n_fields++;
    return KEN_OK;
}

static ken_status begin_sample(tar_reader *r, ken_error *err) {
    buf_clear(&r->key);
    buf_clear(&r->names);
    buf_clear(&r->bytes);
    r->n_fields = 0;
    r->too_large = false;
    buf_append(&r->key, r->entry_name.data, r->n_key);
    TRY(buf_check(&r->key, err));
    return add_field(r, err);
}

static ken_status collect(tar_reader *r, ken_error *err) {
    TRY(begin_sample(r, err));
    for (;;) {
        ken_status status = read_ahead(r, &r->reason);
        if (status != KEN_OK) {
            /* This sample's files were read whole: give it, and the error after it. */
            r->failed = status;
            return KEN_OK;
        }
        if (!r->entry || !same_key(r))
            return KEN_OK;
        TRY(add_field(r, err));
    }
}

static void give(tar_reader *r, tar_sample *sample) {
    for (size_t i = 0; i < r->n_fields; i++)
        r->fields[i] = (tar_field){.name = r->names.data + r->spans[i].name_at,
                                   .bytes = (const uint8_t *)r->bytes.data + r->spans[i].at,
                                   .size = r->spans[i].size};
    *sample = (tar_sample){r->key.data, r->fields, r->n_fields};
}

ken_status tar_next(tar_reader *r, tar_sample *sample, bool *more, ken_error *err) {
    *more = false;
    *sample = (tar_sample){0};
    ken_status status = r->failed;
    if (status != KEN_OK && err)
        *err = r->reason;
    if (status == KEN_OK && !r->ended && !r->entry)
        status = read_ahead(r, err);
    if (status == KEN_OK && r->entry)
        status = collect(r, err);
    else if (status == KEN_OK)
        return KEN_OK;
    if (status != KEN_OK) {
        r->failed = KEN_OK;
        r->ended = true;
        r->entry = NULL;
        return status;
    }
    r->n_samples++;
    *more = true;
    give(r, sample);
    if (!r->too_large)
        return KEN_OK;
    sample->n_fields = 0;
    return error_set(err, KEN_TOO_LARGE,
                     "'%s': sample '%.200s' has a field of more than %zu bytes, or too many",
                     r->path, r->key.data, r->max_field_bytes);
}
