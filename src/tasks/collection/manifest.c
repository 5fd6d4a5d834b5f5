#include "tasks/collection/manifest.h"

#include "base/doc.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>

enum { max_manifest_bytes = 1 << 30 };
static const int64_t max_number = INT64_MAX / 2;

void manifest_free(manifest *m) {
    mem_free(m->parts);
    *m = (manifest){0};
}

/* Where `part` is or belongs. */
static size_t place_of(const manifest *m, uint64_t part) {
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->parts[middle].part < part)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const part_record *manifest_find(const manifest *m, uint64_t part) {
    size_t at = place_of(m, part);
    return at < m->n && m->parts[at].part == part ? &m->parts[at] : NULL;
}

ken_status manifest_set(manifest *m, const part_record *record, ken_error *err) {
    size_t at = place_of(m, record->part);
    if (at < m->n && m->parts[at].part == record->part) {
        m->parts[at] = *record;
        return KEN_OK;
    }
    if (m->n == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 64;
        part_record *grown = mem_grow(m->parts, m->n * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return error_no_memory(err, capacity * sizeof *grown);
        m->parts = grown;
        m->capacity = capacity;
    }
    memmove(&m->parts[at + 1], &m->parts[at], (m->n - at) * sizeof *m->parts);
    m->parts[at] = *record;
    m->n++;
    return KEN_OK;
}

static bool get_number(const json_t *doc, const char *key, uint64_t *out) {
    int64_t value = -1;
    if (doc_get_int(doc, key, "manifest", 0, max_number, &value, NULL) != KEN_OK || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

static bool get_hash(const json_t *doc, const char *key, char out[HASH_XXH128_HEX]) {
    const char *text = NULL;
    if (doc_get_string(doc, key, "manifest", &text, NULL) != KEN_OK || !text)
        return false;
    size_t n = strlen(text);
    if ((n != 0 && n != HASH_XXH128_HEX - 1) || strspn(text, "0123456789abcdef") != n)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool parse_line(const char *line, size_t size, part_record *out) {
    json_t *doc;
    if (doc_parse(line, size, "manifest", &doc, NULL) != KEN_OK)
        return false;
    *out = (part_record){0};
    bool ok =
        json_is_object(doc) && get_number(doc, "part", &out->part) &&
        get_number(doc, "first", &out->first) && get_number(doc, "items", &out->items) &&
        get_number(doc, "rows", &out->rows) && get_number(doc, "failed", &out->failed) &&
        get_number(doc, "size_bytes", &out->size_bytes) && get_hash(doc, "xxh128", out->hash) &&
        get_hash(doc, "errors_xxh128", out->errors_hash) && out->hash[0] &&
        out->rows + out->failed == out->items && (out->failed > 0) == (out->errors_hash[0] != 0);
    json_decref(doc);
    return ok;
}

ken_status manifest_parse(const char *text, size_t size, manifest *out, ken_error *err) {
    *out = (manifest){0};
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        part_record record;
        if (!end || !parse_line(text + at, (size_t)(end - (text + at)), &record))
            break;
        ken_status status = manifest_set(out, &record, err);
        if (status != KEN_OK) {
            manifest_free(out);
            return status;
        }
        at = (size_t)(end - text) + 1;
        out->valid_bytes = at;
    }
    return KEN_OK;
}

ken_status manifest_read(const char *path, manifest *out, ken_error *err) {
    *out = (manifest){0};
    if (!file_exists(path))
        return KEN_OK;
    buf text;
    buf_init(&text, max_manifest_bytes);
    ken_status status = file_read(path, &text, err);
    if (status == KEN_OK)
        status = manifest_parse(text.data ? text.data : "", text.size, out, err);
    buf_free(&text);
    return status;
}

bool manifest_put_line(buf *out, const part_record *r) {
    return buf_printf(out,
                      "{\"part\":%llu,\"first\":%llu,\"items\":%llu,\"rows\":%llu,\"failed\":%llu,"
                      "\"size_bytes\":%llu,\"xxh128\":\"%s\",\"errors_xxh128\":\"%s\"}\n",
                      (unsigned long long)r->part, (unsigned long long)r->first,
                      (unsigned long long)r->items, (unsigned long long)r->rows,
                      (unsigned long long)r->failed, (unsigned long long)r->size_bytes, r->hash,
                      r->errors_hash);
}

bool part_file_name(buf *out, const char *dir, uint64_t part) {
    file_join(out, dir, "");
    return buf_printf(out, "part-%06llu.parquet", (unsigned long long)part);
}

bool part_errors_name(buf *out, const char *dir, uint64_t part) {
    file_join(out, dir, "");
    return buf_printf(out, "part-%06llu.errors.csv", (unsigned long long)part);
}
