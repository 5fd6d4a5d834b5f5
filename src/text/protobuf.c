#include "text/protobuf.h"

#include <string.h>

static bool read_varint(protobuf *p, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && p->at < p->size; shift += 7) {
        uint8_t byte = p->data[p->at++];
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_fixed(protobuf *p, size_t n, uint64_t *value) {
    if (p->size - p->at < n)
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++)
        *value |= (uint64_t)p->data[p->at++] << (8 * i);
    return true;
}

static bool read_field(protobuf *p, protobuf_field *field) {
    uint64_t key, size;
    if (!read_varint(p, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
        return false;
    *field = (protobuf_field){.number = (uint32_t)(key >> 3), .wire = (protobuf_wire)(key & 7)};
    switch (field->wire) {
    case PROTOBUF_VARINT:
        return read_varint(p, &field->value);
    case PROTOBUF_FIXED64:
        return read_fixed(p, 8, &field->value);
    case PROTOBUF_FIXED32:
        return read_fixed(p, 4, &field->value);
    case PROTOBUF_BYTES:
        if (!read_varint(p, &size) || size > p->size - p->at)
            return false;
        field->bytes = (protobuf){p->data + p->at, (size_t)size, 0};
        p->at += (size_t)size;
        return true;
    }
    return false;
}

bool protobuf_next(protobuf *p, protobuf_field *field, ken_status *status, ken_error *err) {
    if (*status != KEN_OK || p->at >= p->size)
        return false;
    size_t begin = p->at;
    if (read_field(p, field))
        return true;
    *status = error_at(err, KEN_BAD_FORMAT, (int64_t)begin,
                       "a protocol buffer of %zu bytes breaks off or is damaged at byte %zu",
                       p->size, begin);
    return false;
}

float protobuf_float(const protobuf_field *field, float fallback) {
    if (field->wire != PROTOBUF_FIXED32)
        return fallback;
    uint32_t bits = (uint32_t)field->value;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
