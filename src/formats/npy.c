/* formats/npy.c: writes version 1.0 with the header that NumPy writes; reads versions 1 to 3. */
#include "formats/npy.h"

#include "base/checked.h"
#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

enum { magic_bytes = 6, max_header_bytes = 1 << 20 };
static const uint8_t magic[magic_bytes] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

static const struct {
    ken_dtype dtype;
    const char *descr;
} dtypes[] = {
    {KEN_DTYPE_F32, "<f4"}, {KEN_DTYPE_F16, "<f2"}, {KEN_DTYPE_F64, "<f8"}, {KEN_DTYPE_I32, "<i4"},
    {KEN_DTYPE_I64, "<i8"}, {KEN_DTYPE_U8, "|u1"},  {KEN_DTYPE_I8, "|i1"},  {KEN_DTYPE_BOOL, "|b1"},
    {KEN_DTYPE_I16, "<i2"}, {KEN_DTYPE_U16, "<u2"}, {KEN_DTYPE_U32, "<u4"}, {KEN_DTYPE_U64, "<u8"},
};

/* ---- writing ----------------------------------------------------------------------------------
 */

static const char *descr_of(ken_dtype dtype) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].descr;
    return NULL;
}

bool npy_put_header(buf *out, ken_dtype dtype, int rank, const int64_t *shape) {
    const char *descr = descr_of(dtype);
    buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr ? descr : "");
    for (int i = 0; i < rank; i++)
        buf_printf(&text, "%s%" PRId64, i ? ", " : "", shape[i]);
    buf_puts(&text, rank == 1 ? ",), }" : "), }");
    /* The data begins at a multiple of 64 bytes, behind the newline. */
    while ((magic_bytes + 4 + text.size + 1) % 64 && !text.failed)
        buf_putc(&text, ' ');
    buf_putc(&text, '\n');
    bool ok = descr && !text.failed;
    if (ok) {
        const uint8_t head[] = {1, 0, (uint8_t)(text.size & 255), (uint8_t)(text.size >> 8)};
        buf_append(out, magic, sizeof magic);
        buf_append(out, head, sizeof head);
        buf_append(out, text.data, text.size);
    }
    buf_free(&text);
    return ok && !out->failed;
}

ken_status npy_write(const char *path, ken_dtype dtype, int rank, const int64_t *shape,
                     const void *data, ken_error *err) {
    if (!descr_of(dtype))
        return error_set(err, KEN_UNSUPPORTED, "'%s': an .npy file cannot hold %s", path,
                         dtype_name(dtype));
    size_t size = dtype_size(dtype);
    for (int i = 0; i < rank; i++)
        if (shape[i] < 0 || !checked_mul(size, (size_t)shape[i], &size))
            return error_set(err, KEN_TOO_LARGE, "'%s': the array is too large", path);
    buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    ken_status status = KEN_OK;
    if (!npy_put_header(&bytes, dtype, rank, shape) || !buf_append(&bytes, data, size))
        status = error_no_memory(err, size);
    if (status == KEN_OK)
        status = file_write_atomic(path, bytes.data, bytes.size, err);
    buf_free(&bytes);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* The header is a Python dictionary literal; this reads the three keys in any order. */
typedef struct literal {
    const char *at, *end;
} literal;

static void skip_space(literal *l) {
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' || *l->at == '\t'))
        l->at++;
}

static bool take(literal *l, const char *text) {
    skip_space(l);
    size_t n = strlen(text);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, text, n) != 0)
        return false;
    l->at += n;
    return true;
}

static bool take_string(literal *l, char *out, size_t size) {
    char quote = '\'';
    if (!take(l, "'")) {
        quote = '"';
        if (!take(l, "\""))
            return false;
    }
    const char *close = memchr(l->at, quote, (size_t)(l->end - l->at));
    if (!close || (size_t)(close - l->at) >= size)
        return false;
    memcpy(out, l->at, (size_t)(close - l->at));
    out[close - l->at] = '\0';
    l->at = close + 1;
    return true;
}

static bool take_size(literal *l, int64_t *out) {
    skip_space(l);
    int64_t value = 0;
    const char *begin = l->at;
    for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)(*l->at - '0'), &value))
            return false;
    bool found = l->at > begin;
    take(l, "L"); /* Python 2 wrote 3L */
    *out = value;
    return found;
}

static bool take_shape(literal *l, tensor *out) {
    if (!take(l, "("))
        return false;
    while (!take(l, ")")) {
        if (out->rank == TENSOR_MAX_RANK || !take_size(l, &out->shape[out->rank]))
            return false;
        out->rank++;
        if (!take(l, ",")) {
            if (!take(l, ")"))
                return false;
            break;
        }
    }
    return true;
}

typedef struct npy_header {
    char descr[64];
    bool fortran_order;
    bool has_descr, has_order, has_shape;
} npy_header;

static bool take_item(literal *l, npy_header *h, tensor *out) {
    char key[32];
    if (!take_string(l, key, sizeof key) || !take(l, ":"))
        return false;
    bool *seen = strcmp(key, "descr") == 0           ? &h->has_descr
                 : strcmp(key, "fortran_order") == 0 ? &h->has_order
                 : strcmp(key, "shape") == 0         ? &h->has_shape
                                                     : NULL;
    if (!seen || *seen)
        return false;
    *seen = true;
    if (seen == &h->has_descr)
        return take_string(l, h->descr, sizeof h->descr);
    if (seen == &h->has_shape)
        return take_shape(l, out);
    h->fortran_order = take(l, "True");
    return h->fortran_order || take(l, "False");
}

static bool take_header(literal *l, npy_header *h, tensor *out) {
    if (!take(l, "{"))
        return false;
    while (!take(l, "}")) {
        if (!take_item(l, h, out))
            return false;
        if (!take(l, ",")) {
            if (!take(l, "}"))
                return false;
            break;
        }
    }
    skip_space(l);
    return l->at == l->end && h->has_descr && h->has_order && h->has_shape;
}

/* Where the header text begins and how long it is. */
static ken_status find_header(const uint8_t *bytes, size_t size, const char *where, size_t *begin,
                              size_t *length, ken_error *err) {
    if (size < magic_bytes + 4 || memcmp(bytes, magic, magic_bytes) != 0)
        return error_at(err, KEN_BAD_FORMAT, 0, "'%s' is not an .npy file", where);
    int version = bytes[magic_bytes];
    if (version < 1 || version > 3)
        return error_at(err, KEN_UNSUPPORTED, magic_bytes, "'%s': .npy version %d, expected 1 to 3",
                        where, version);
    *begin = version == 1 ? magic_bytes + 4 : magic_bytes + 6;
    *length = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1 && size >= *begin)
        *length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size < *begin || *length > max_header_bytes || *length > size - *begin)
        return error_at(err, KEN_BAD_FORMAT, magic_bytes + 2,
                        "'%s': a header of %zu bytes does not fit a file of %zu", where, *length,
                        size);
    return KEN_OK;
}

static ken_status set_dtype(const npy_header *h, const char *where, tensor *out, ken_error *err) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(h->descr, dtypes[i].descr) == 0) {
            out->dtype = dtypes[i].dtype;
            return KEN_OK;
        }
    return error_set(err, KEN_UNSUPPORTED, "'%s': arrays of type '%s' are not supported", where,
                     h->descr);
}

ken_status npy_parse(const uint8_t *bytes, size_t size, const char *where, tensor *out,
                     ken_error *err) {
    *out = (tensor){0};
    size_t begin = 0, length = 0;
    TRY(find_header(bytes, size, where, &begin, &length, err));
    literal text = {(const char *)bytes + begin, (const char *)bytes + begin + length};
    npy_header header = {0};
    if (!take_header(&text, &header, out))
        return error_at(err, KEN_BAD_FORMAT, text.at - (const char *)bytes,
                        "'%s': the header cannot be read at byte %td", where,
                        text.at - (const char *)bytes);
    TRY(set_dtype(&header, where, out, err));
    if (header.fortran_order && out->rank > 1)
        return error_set(err, KEN_UNSUPPORTED, "'%s': arrays in Fortran order are not supported",
                         where);
    out->size_bytes = dtype_size(out->dtype);
    for (int i = 0; i < out->rank; i++)
        if (!checked_mul(out->size_bytes, (size_t)out->shape[i], &out->size_bytes))
            return error_set(err, KEN_BAD_FORMAT, "'%s': its size does not fit 64 bits", where);
    out->data = bytes + begin + length;
    if (out->size_bytes > size - begin - length)
        return error_set(err, KEN_BAD_FORMAT, "'%s' is cut short: it has %zu bytes of data of %zu",
                         where, size - begin - length, out->size_bytes);
    return KEN_OK;
}
