/* formats/safetensors.c: reads the header. The rules about where tensors lie are in
 * safetensors_layout.c. */
#include "formats/safetensors.h"

#include "base/checked.h"
#include "base/hash.h"
#include "base/mem.h"
#include "formats/json_cursor.h"
#include "formats/safetensors_layout.h"

#include <inttypes.h>
#include <string.h>

enum {
    length_bytes = 8,
    /* The shortest entry: "":{"dtype":"U8","shape":[],"data_offsets":[0,1]} */
    min_entry_bytes = 48,
};

typedef struct header {
    const char *path;
    json_cursor cursor;
    const uint8_t *data; /* behind the header */
    size_t data_bytes;
    size_t capacity; /* of out->entries */
    size_t text_used;
    bool has_metadata;
    safetensors *out;
} header;

/* The fields of one entry, as they stand in the file. */
typedef struct raw_entry {
    const char *name;
    bool has_dtype, has_shape, has_offsets;
    ken_dtype dtype;
    int rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t begin, end;
} raw_entry;

const char *shown_name(const char *name, char out[SHOWN_NAME_BYTES]) {
    size_t n = strnlen(name, SHOWN_NAME_BYTES);
    bool cut = n == SHOWN_NAME_BYTES;
    if (cut) {
        n -= 4;
        while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80)
            n--; /* not inside a character */
    }
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7F ? '?' : name[i];
    memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
    return out;
}

/* What the cursor complains about. */
static ken_status bad_json(const header *h, ken_error *err) {
    int64_t offset = length_bytes + (int64_t)h->cursor.at;
    return error_at(err, KEN_BAD_FORMAT, offset, "'%s': invalid header: %s at byte %" PRId64,
                    h->path, h->cursor.problem ? h->cursor.problem : "syntax error", offset);
}

/* A rule about the tensor `name` that the JSON just read breaks. */
#define BAD_TENSOR(h, status, name, err, format, ...)                                              \
    error_at(err, status, length_bytes + (int64_t)(h)->cursor.at,                                  \
             "'%s': tensor '%s': " format " (header byte %zu)", (h)->path,                         \
             shown_name(name, (char[SHOWN_NAME_BYTES]){0}), __VA_ARGS__,                           \
             length_bytes + (h)->cursor.at)

/* Decodes a string behind the text that is kept; h->text_used += *n + 1 keeps it. Never overruns:
 * what is kept comes from different bytes of the header, each taking less room than it took there.
 */
static ken_status scratch_string(header *h, char **out, size_t *n, ken_error *err) {
    *out = h->out->text + h->text_used;
    return json_read_string(&h->cursor, *out, n) ? KEN_OK : bad_json(h, err);
}

static ken_status parse_dtype(header *h, raw_entry *raw, ken_error *err) {
    /* In the format, but of no use to a model that ken can run. */
    static const char *const foreign[] = {"F4",          "F6_E2M3",     "F6_E3M2", "F8_E8M0",
                                          "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"};
    char *text;
    size_t n;
    TRY(scratch_string(h, &text, &n, err));
    if (dtype_parse(text, &raw->dtype))
        return KEN_OK;
    char shown[SHOWN_NAME_BYTES];
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strcmp(text, foreign[i]) == 0)
            return BAD_TENSOR(h, KEN_UNSUPPORTED, raw->name, err, "dtype '%s' is not supported",
                              text);
    return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err, "unknown dtype '%s'",
                      shown_name(text, shown));
}

static ken_status parse_shape(header *h, raw_entry *raw, ken_error *err) {
    json_cursor *c = &h->cursor;
    if (!json_expect(c, '[', "expected the array of a shape"))
        return bad_json(h, err);
    raw->rank = 0;
    if (json_next_is(c, ']'))
        return KEN_OK;
    do {
        uint64_t size;
        if (!json_uint(c, &size))
            return bad_json(h, err);
        if (raw->rank == TENSOR_MAX_RANK)
            return BAD_TENSOR(h, KEN_UNSUPPORTED, raw->name, err,
                              "more than %d dimensions are not supported", TENSOR_MAX_RANK);
        if (size > INT64_MAX)
            return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err,
                              "validation overflow: a dimension is %" PRIu64, size);
        raw->shape[raw->rank++] = size;
    } while (json_next_is(c, ','));
    return json_expect(c, ']', "expected ',' or ']' in a shape") ? KEN_OK : bad_json(h, err);
}

static ken_status parse_offsets(header *h, raw_entry *raw, ken_error *err) {
    json_cursor *c = &h->cursor;
    bool ok =
        json_expect(c, '[', "expected the array of data_offsets") && json_uint(c, &raw->begin) &&
        json_expect(c, ',', "expected two numbers in data_offsets") && json_uint(c, &raw->end) &&
        json_expect(c, ']', "expected two numbers in data_offsets");
    return ok ? KEN_OK : bad_json(h, err);
}

static ken_status parse_field(header *h, raw_entry *raw, ken_error *err) {
    char *key;
    size_t n;
    TRY(scratch_string(h, &key, &n, err));
    if (!json_expect(&h->cursor, ':', "expected ':' after a key"))
        return bad_json(h, err);
    const struct {
        const char *key;
        bool *seen;
        ken_status (*parse)(header *, raw_entry *, ken_error *);
    } fields[] = {
        {"dtype", &raw->has_dtype, parse_dtype},
        {"shape", &raw->has_shape, parse_shape},
        {"data_offsets", &raw->has_offsets, parse_offsets},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (*fields[i].seen)
            return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err, "duplicate key '%s'",
                              fields[i].key);
        *fields[i].seen = true;
        return fields[i].parse(h, raw, err);
    }
    return json_skip(&h->cursor) ? KEN_OK : bad_json(h, err);
}

/* Checks one entry by itself and fills its tensor. */
static ken_status check_entry(const header *h, const raw_entry *raw, tensor *out, ken_error *err) {
    const char *missing = !raw->has_dtype     ? "dtype"
                          : !raw->has_shape   ? "shape"
                          : !raw->has_offsets ? "data_offsets"
                                              : NULL;
    if (missing)
        return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err, "key '%s' is missing", missing);
    *out = (tensor){.dtype = raw->dtype, .rank = raw->rank};
    size_t size = dtype_size(raw->dtype);
    for (int i = 0; i < raw->rank; i++) {
        out->shape[i] = (int64_t)raw->shape[i];
        if (!checked_mul(size, raw->shape[i], &size))
            return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err, "validation overflow: %s",
                              "its size does not fit 64 bits");
    }
    if (raw->end < raw->begin)
        return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err,
                          "invalid offset: it begins at %" PRIu64 " and ends at %" PRIu64,
                          raw->begin, raw->end);
    char shape[128];
    if (raw->end - raw->begin != size)
        return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err,
                          "invalid info: %s %s takes %zu bytes, data_offsets say %" PRIu64,
                          dtype_name(raw->dtype), tensor_shape_text(out, shape, sizeof shape), size,
                          raw->end - raw->begin);
    if (raw->end > h->data_bytes)
        return BAD_TENSOR(h, KEN_BAD_FORMAT, raw->name, err,
                          "incomplete buffer: it ends at byte %" PRIu64
                          " of the data, which has %zu: the file is cut short or the header wrong",
                          raw->end, h->data_bytes);
    out->data = h->data + raw->begin;
    out->size_bytes = size;
    return KEN_OK;
}

static ken_status parse_entry(header *h, char *name, size_t name_size, ken_error *err) {
    safetensors *out = h->out;
    size_t name_at = h->text_used;
    h->text_used += name_size + 1;
    if (!json_expect(&h->cursor, '{', "expected the object of a tensor"))
        return bad_json(h, err);
    raw_entry raw = {.name = name};
    if (!json_next_is(&h->cursor, '}')) {
        do
            TRY(parse_field(h, &raw, err));
        while (json_next_is(&h->cursor, ','));
        if (!json_expect(&h->cursor, '}', "expected ',' or '}'"))
            return bad_json(h, err);
    }
    tensor value;
    TRY(check_entry(h, &raw, &value, err));
    if (out->n_entries == h->capacity)
        return error_set(err, KEN_INTERNAL, "'%s': more tensors than were counted", h->path);
    out->entries[out->n_entries++] =
        (safetensors_entry){.value = value, .name_at = (uint32_t)name_at, .is_mapped = true};
    return KEN_OK;
}

/* __metadata__: strings by strings, or null. */
static ken_status parse_metadata(header *h, ken_error *err) {
    json_cursor *c = &h->cursor;
    if (h->has_metadata)
        return error_at(err, KEN_BAD_FORMAT, length_bytes + (int64_t)c->at,
                        "'%s': invalid header: duplicate key '__metadata__'", h->path);
    h->has_metadata = true;
    h->out->metadata_at = h->text_used;
    if (json_read_null(c))
        return KEN_OK;
    if (!json_expect(c, '{', "expected an object of strings in '__metadata__'"))
        return bad_json(h, err);
    if (json_next_is(c, '}'))
        return KEN_OK;
    do {
        for (int i = 0; i < 2; i++) {
            char *text;
            size_t n;
            TRY(scratch_string(h, &text, &n, err));
            h->text_used += n + 1;
            if (i == 0 && !json_expect(c, ':', "expected ':' after a key"))
                return bad_json(h, err);
        }
        h->out->n_metadata++;
    } while (json_next_is(c, ','));
    return json_expect(c, '}', "expected ',' or '}'") ? KEN_OK : bad_json(h, err);
}

static ken_status parse_header(header *h, ken_error *err) {
    json_cursor *c = &h->cursor;
    if (!json_expect(c, '{', "expected '{'"))
        return bad_json(h, err);
    if (json_next_is(c, '}'))
        return json_end(c) ? KEN_OK : bad_json(h, err);
    do {
        char *name;
        size_t n;
        TRY(scratch_string(h, &name, &n, err));
        if (!json_expect(c, ':', "expected ':' after a key"))
            return bad_json(h, err);
        if (strcmp(name, "__metadata__") == 0)
            TRY(parse_metadata(h, err));
        else
            TRY(parse_entry(h, name, n, err));
    } while (json_next_is(c, ','));
    if (!json_expect(c, '}', "expected ',' or '}'") || !json_end(c))
        return bad_json(h, err);
    return KEN_OK;
}

/* The three rules about the header's length. */
static ken_status check_length(const file_map *file, const char *path, size_t *header_bytes,
                               ken_error *err) {
    if (file->size < length_bytes)
        return error_at(err, KEN_BAD_FORMAT, 0,
                        "'%s': header too small: the file has %zu bytes, expected at least %d",
                        path, file->size, length_bytes);
    uint64_t length = 0;
    for (int i = length_bytes - 1; i >= 0; i--)
        length = length << 8 | file->data[i];
    if (length > SAFETENSORS_MAX_HEADER)
        return error_at(err, KEN_BAD_FORMAT, 0,
                        "'%s': header too large: %" PRIu64 " bytes, the limit is %d", path, length,
                        SAFETENSORS_MAX_HEADER);
    if (length > file->size - length_bytes)
        return error_at(err, KEN_BAD_FORMAT, 0,
                        "'%s': invalid header length: %" PRIu64
                        " bytes after byte 8 do not fit a file of %zu bytes",
                        path, length, file->size);
    *header_bytes = (size_t)length;
    return KEN_OK;
}

/* An upper bound of the number of entries: memory is then a constant times the header's size. */
static size_t count_entries(const uint8_t *text, size_t size) {
    size_t braces = 0;
    for (size_t i = 0; i < size; i++)
        braces += text[i] == '{';
    size_t most = size / min_entry_bytes + 1;
    return braces < most ? braces : most;
}

static ken_status allocate(header *h, ken_error *err) {
    h->capacity = count_entries(h->cursor.text, h->cursor.size);
    h->out->entries = mem_alloc(h->capacity * sizeof *h->out->entries);
    if (!h->out->entries)
        return error_no_memory(err, h->capacity * sizeof *h->out->entries);
    h->out->text = mem_alloc(h->cursor.size + 1);
    return h->out->text ? KEN_OK : error_no_memory(err, h->cursor.size + 1);
}

static ken_status parse(const file_map *file, const char *path, safetensors *out, ken_error *err) {
    size_t header_bytes = 0;
    TRY(check_length(file, path, &header_bytes, err));
    header h = {
        .path = path,
        .cursor = {.text = file->data + length_bytes, .size = header_bytes},
        .data = file->data + length_bytes + header_bytes,
        .data_bytes = file->size - length_bytes - header_bytes,
        .out = out,
    };
    TRY(allocate(&h, err));
    TRY(parse_header(&h, err));
    TRY(safetensors_check_layout(out, h.data, h.data_bytes, path, err));
    TRY(safetensors_index_names(out, path, err));
    return safetensors_check_metadata(out, path, err);
}

ken_status safetensors_parse(const file_map *file, const char *path, safetensors *out,
                             ken_error *err) {
    *out = (safetensors){0};
    ken_status status = parse(file, path, out, err);
    if (status != KEN_OK)
        safetensors_reset(out);
    return status;
}

void safetensors_reset(safetensors *s) {
    index_table_reset(&s->by_name);
    mem_free(s->entries);
    mem_free(s->text);
    *s = (safetensors){0};
}

const char *safetensors_name(const safetensors *s, size_t index) {
    return s->text + s->entries[index].name_at;
}

const char *safetensors_metadata(const safetensors *s, const char *key) {
    const char *at = s->n_metadata ? s->text + s->metadata_at : NULL;
    for (size_t i = 0; i < s->n_metadata; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, key) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
