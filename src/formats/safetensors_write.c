#include "formats/safetensors_write.h"

#include "base/buf.h"
#include "base/file.h"

#include <string.h>

static const size_t max_bytes = (size_t)1 << 34;

static size_t count(const safetensors_output *t) {
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

static void put_metadata(const char *const *metadata, size_t n, buf *out) {
    buf_puts(out, "{\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i ? "," : "");
        buf_put_json(out, metadata[2 * i], strlen(metadata[2 * i]));
        buf_putc(out, ':');
        buf_put_json(out, metadata[2 * i + 1], strlen(metadata[2 * i + 1]));
    }
    buf_putc(out, '}');
}

static void put_tensor(const safetensors_output *t, size_t *at, buf *out) {
    buf_putc(out, ',');
    buf_put_json(out, t->name, strlen(t->name));
    buf_puts(out, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; i < t->rank; i++)
        buf_printf(out, "%s%zu", i ? "," : "", t->shape[i]);
    size_t end = *at + count(t) * sizeof(float);
    buf_printf(out, "],\"data_offsets\":[%zu,%zu]}", *at, end);
    *at = end;
}

/* The header's length, the header padded with spaces to a multiple of 8, and the tensors. */
static ken_status put_file(const safetensors_output *tensors, size_t n_tensors,
                           const char *const *metadata, size_t n_metadata, buf *out,
                           ken_error *err) {
    uint8_t length[8] = {0};
    buf_append(out, length, sizeof length);
    put_metadata(metadata, n_metadata, out);
    size_t at = 0;
    for (size_t i = 0; i < n_tensors; i++)
        put_tensor(&tensors[i], &at, out);
    buf_putc(out, '}');
    while (out->size % 8)
        if (!buf_putc(out, ' '))
            break;
    TRY(buf_check(out, err));
    uint64_t header = out->size - sizeof length;
    for (size_t i = 0; i < sizeof length; i++)
        out->data[i] = (char)(uint8_t)(header >> (8 * i));
    for (size_t i = 0; i < n_tensors; i++)
        buf_append(out, tensors[i].data, count(&tensors[i]) * sizeof(float));
    return buf_check(out, err);
}

ken_status safetensors_write(const char *path, const safetensors_output *tensors, size_t n_tensors,
                             const char *const *metadata, size_t n_metadata, ken_error *err) {
    buf file;
    buf_init(&file, max_bytes);
    ken_status status = put_file(tensors, n_tensors, metadata, n_metadata, &file, err);
    if (status == KEN_OK)
        status = file_write_atomic(path, file.data, file.size, err);
    buf_free(&file);
    return status;
}
