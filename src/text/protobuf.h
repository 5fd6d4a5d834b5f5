/* text/protobuf.h: reading the wire format of protocol buffers, one field after the other. Nothing
 * is copied; a cursor never leaves its bytes. */
#ifndef KEN_TEXT_PROTOBUF_H
#define KEN_TEXT_PROTOBUF_H

#include "base/error.h"

typedef struct protobuf {
    const uint8_t *data;
    size_t size;
    size_t at;
} protobuf;

typedef enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5,
} protobuf_wire;

typedef struct protobuf_field {
    uint32_t number;
    protobuf_wire wire;
    uint64_t value; /* of varint and fixed fields */
    protobuf bytes; /* of PROTOBUF_BYTES: text, or a message of its own */
} protobuf_field;

/* True while there are fields; check `status` after the loop. */
bool protobuf_next(protobuf *p, protobuf_field *field, ken_status *status, ken_error *err);
/* A fixed32 field as a float; `fallback` for another wire type. */
float protobuf_float(const protobuf_field *field, float fallback);

#endif
