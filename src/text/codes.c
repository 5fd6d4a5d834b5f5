#include "text/codes.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

enum { max_codes = 1 << 27, max_ids = 1 << 26 };

/* Room for `n` more items of `item_bytes` in a growing array; the new status. */
static ken_status grow(void **data, size_t size, size_t *capacity, size_t n, size_t max,
                       size_t item_bytes) {
    if (n > max - size)
        return KEN_TOO_LARGE;
    size_t needed = size + n;
    if (needed <= *capacity)
        return KEN_OK;
    size_t larger = *capacity ? *capacity : 64;
    while (larger < needed)
        larger *= 2;
    void *block = mem_grow(*data, size * item_bytes, larger * item_bytes);
    if (!block)
        return KEN_NO_MEMORY;
    *data = block;
    *capacity = larger;
    return KEN_OK;
}

static bool codes_reserve(codes *c, size_t n) {
    if (c->status == KEN_OK) {
        void *data = c->data;
        c->status = grow(&data, c->size, &c->capacity, n, max_codes, sizeof *c->data);
        c->data = data;
    }
    return c->status == KEN_OK;
}

void codes_free(codes *c) {
    mem_free(c->data);
    *c = (codes){0};
}

void codes_clear(codes *c) {
    c->size = 0;
    c->status = KEN_OK;
}

void codes_push(codes *c, uint32_t code) {
    if (codes_reserve(c, 1))
        c->data[c->size++] = code;
}

void codes_append(codes *c, const uint32_t *data, size_t n) {
    if (n && codes_reserve(c, n)) {
        memcpy(c->data + c->size, data, n * sizeof *data);
        c->size += n;
    }
}

void codes_append_utf8(codes *c, const char *text, size_t size) {
    if (!codes_reserve(c, size))
        return;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += utf8_decode(text + i, size - i, &code);
        c->data[c->size++] = code == UTF8_INVALID ? 0xFFFD : code;
    }
}

void codes_swap(codes *a, codes *b) {
    codes kept = *a;
    *a = *b;
    *b = kept;
}

static ken_status list_check(ken_status status, ken_error *err) {
    if (status == KEN_NO_MEMORY)
        return error_set(err, status, "no memory for the text being tokenized");
    if (status == KEN_TOO_LARGE)
        return error_set(err, status, "text grew past the limit of %d code points", max_codes);
    return status;
}

ken_status codes_check(const codes *c, ken_error *err) {
    return list_check(c->status, err);
}

void codes_put_utf8(buf *out, const uint32_t *data, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        buf_append(out, bytes, utf8_encode(data[i], bytes));
    }
}

void id_list_free(id_list *list) {
    mem_free(list->data);
    *list = (id_list){0};
}

void id_list_push(id_list *list, int32_t id) {
    if (list->status == KEN_OK) {
        void *data = list->data;
        list->status = grow(&data, list->size, &list->capacity, 1, max_ids, sizeof *list->data);
        list->data = data;
    }
    if (list->status == KEN_OK)
        list->data[list->size++] = id;
}

ken_status id_list_check(const id_list *list, ken_error *err) {
    return list_check(list->status, err);
}
