#include "formats/zip_index.h"

#include <stdlib.h>
#include <string.h>

enum {
    end_bytes = 22,
    locator_bytes = 20,
    end64_bytes = 56,
    central_bytes = 46,
    local_bytes = 30,
    max_comment_bytes = 65535,
    max_entries = 1 << 20,
    method_stored = 0,
    flag_encrypted = 1,
    extra_zip64 = 1,
};
static const uint32_t end_mark = 0x06054b50, locator_mark = 0x07064b50, end64_mark = 0x06064b50;
static const uint32_t central_mark = 0x02014b50, local_mark = 0x04034b50;

typedef struct archive {
    const uint8_t *data;
    size_t size;
    const char *path;
    ken_error *err;
} archive;

static uint64_t little(const uint8_t *p, int n_bytes) {
    uint64_t value = 0;
    for (int i = n_bytes; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

static ken_status damaged(const archive *a, const char *what) {
    return error_set(a->err, KEN_BAD_FORMAT, "'%s' is a damaged zip archive: %s", a->path, what);
}

/* [offset, offset + n) lies in the file. */
static bool inside(const archive *a, uint64_t offset, uint64_t n) {
    return offset <= a->size && n <= a->size - offset;
}

/* Where the list of files lies, and how long it is. */
typedef struct directory {
    uint64_t offset, size, n_entries;
} directory;

static ken_status read_end64(const archive *a, size_t end_at, directory *d) {
    if (end_at < locator_bytes || little(a->data + end_at - locator_bytes, 4) != locator_mark)
        return damaged(a, "its end says zip64, but there is no zip64 locator");
    uint64_t at = little(a->data + end_at - locator_bytes + 8, 8);
    if (!inside(a, at, end64_bytes) || little(a->data + at, 4) != end64_mark)
        return damaged(a, "its zip64 locator points nowhere");
    *d = (directory){.offset = little(a->data + at + 48, 8),
                     .size = little(a->data + at + 40, 8),
                     .n_entries = little(a->data + at + 32, 8)};
    return KEN_OK;
}

static ken_status find_directory(const archive *a, directory *d) {
    size_t most = end_bytes + max_comment_bytes;
    for (size_t back = end_bytes; back <= a->size && back <= most; back++) {
        const uint8_t *p = a->data + a->size - back;
        if (little(p, 4) != end_mark || little(p + 20, 2) != back - end_bytes)
            continue;
        *d = (directory){
            .offset = little(p + 16, 4), .size = little(p + 12, 4), .n_entries = little(p + 10, 2)};
        if (d->offset == UINT32_MAX || d->size == UINT32_MAX || d->n_entries == UINT16_MAX)
            return read_end64(a, a->size - back, d);
        return KEN_OK;
    }
    return damaged(a, "it has no end of central directory");
}

/* The sizes and the offset that stand in the zip64 field, in the order in which they are missing.
 */
static bool read_extra(const uint8_t *extra, size_t size, uint64_t *values[], size_t n_values) {
    while (size >= 4) {
        size_t field = little(extra + 2, 2);
        if (field > size - 4)
            return false;
        if (little(extra, 2) == extra_zip64) {
            if (field < 8 * n_values)
                return false;
            for (size_t i = 0; i < n_values; i++)
                *values[i] = little(extra + 4 + 8 * i, 8);
            return true;
        }
        extra += 4 + field;
        size -= 4 + field;
    }
    return false;
}

/* The data follows the local header, whose name and extra field have lengths of their own. */
static ken_status find_data(const archive *a, uint64_t offset, uint64_t size, zip_entry *out) {
    if (!inside(a, offset, local_bytes) || little(a->data + offset, 4) != local_mark)
        return damaged(a, "a file has no local header");
    uint64_t begin =
        offset + local_bytes + little(a->data + offset + 26, 2) + little(a->data + offset + 28, 2);
    if (!inside(a, begin, size))
        return damaged(a, "a file reaches past its end");
    out->data = a->data + begin;
    out->size = (size_t)size;
    return KEN_OK;
}

/* One entry of the directory at *at, which moves on. */
static ken_status read_entry(const archive *a, uint64_t *at, uint64_t end, zip_entry *out) {
    const uint8_t *p = a->data + *at;
    if (end - *at < central_bytes || little(p, 4) != central_mark)
        return damaged(a, "its central directory is cut off");
    size_t name_size = little(p + 28, 2), extra_size = little(p + 30, 2);
    uint64_t length = central_bytes + name_size + extra_size + little(p + 32, 2);
    if (length > end - *at)
        return damaged(a, "its central directory is cut off");
    *at += length;
    if (little(p + 8, 2) & flag_encrypted || little(p + 10, 2) != method_stored)
        return error_set(a->err, KEN_UNSUPPORTED,
                         "'%s': '%.*s' is compressed or encrypted, expected a stored file", a->path,
                         name_size < 80 ? (int)name_size : 80, (const char *)p + central_bytes);
    uint64_t packed = little(p + 20, 4), size = little(p + 24, 4), offset = little(p + 42, 4);
    uint64_t *missing[3];
    size_t n_missing = 0;
    if (size == UINT32_MAX)
        missing[n_missing++] = &size;
    if (packed == UINT32_MAX)
        missing[n_missing++] = &packed;
    if (offset == UINT32_MAX)
        missing[n_missing++] = &offset;
    if (n_missing && !read_extra(p + central_bytes + name_size, extra_size, missing, n_missing))
        return damaged(a, "a zip64 field is missing");
    if (packed != size)
        return damaged(a, "a stored file has two sizes");
    *out = (zip_entry){.name = (const char *)p + central_bytes, .name_size = name_size};
    return find_data(a, offset, size, out);
}

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : a_size < b_size ? -1 : a_size > b_size;
}

static int by_name(const void *a, const void *b) {
    const zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_size, y->name, y->name_size);
}

ken_status zip_index_read(const file_map *file, const char *path, zip_index *out, ken_error *err) {
    *out = (zip_index){0};
    const archive a = {file->data, file->size, path, err};
    directory d = {0};
    TRY(find_directory(&a, &d));
    if (!inside(&a, d.offset, d.size))
        return damaged(&a, "its central directory reaches past its end");
    if (d.n_entries > max_entries || d.n_entries > d.size / central_bytes)
        return damaged(&a, "it claims more files than it has room for");
    out->entries = arena_array(&out->memory, (size_t)d.n_entries, sizeof *out->entries);
    if (!out->entries)
        return error_no_memory(err, (size_t)d.n_entries * sizeof *out->entries);
    uint64_t at = d.offset;
    for (; out->n_entries < d.n_entries; out->n_entries++)
        TRY(read_entry(&a, &at, d.offset + d.size, &out->entries[out->n_entries]));
    qsort(out->entries, out->n_entries, sizeof *out->entries, by_name);
    for (size_t i = 1; i < out->n_entries; i++)
        if (by_name(&out->entries[i - 1], &out->entries[i]) == 0)
            return damaged(&a, "two files have the same name");
    return KEN_OK;
}

void zip_index_reset(zip_index *z) {
    arena_free(&z->memory);
    *z = (zip_index){0};
}

const zip_entry *zip_index_find(const zip_index *z, const char *name, size_t name_size) {
    size_t low = 0, high = z->n_entries;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const zip_entry *e = &z->entries[middle];
        int order = compare_names(name, name_size, e->name, e->name_size);
        if (order == 0)
            return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
