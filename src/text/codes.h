/* text/codes.h: text as an array of code points, which is what the cleaning steps work on, and the
 * list of ids that comes out of them.
 *
 * Appending past the ceiling or without memory sets `status` and leaves the contents as they were,
 * so a long run of appends needs one check at its end. */
#ifndef KEN_TEXT_CODES_H
#define KEN_TEXT_CODES_H

#include "base/buf.h"

typedef struct codes {
    uint32_t *data;
    size_t size;
    size_t capacity;
    ken_status status;
} codes;

/* A zeroed struct is empty and ready for use. */
void codes_free(codes *c);
void codes_clear(codes *c); /* keeps the memory */
void codes_push(codes *c, uint32_t code);
void codes_append(codes *c, const uint32_t *data, size_t n);
/* Invalid UTF-8 becomes U+FFFD, one for each maximal invalid part. */
void codes_append_utf8(codes *c, const char *text, size_t size);
void codes_swap(codes *a, codes *b);
ken_status codes_check(const codes *c, ken_error *err);
void codes_put_utf8(buf *out, const uint32_t *data, size_t n);

typedef struct id_list {
    int32_t *data;
    size_t size;
    size_t capacity;
    ken_status status;
} id_list;

void id_list_free(id_list *list);
void id_list_push(id_list *list, int32_t id);
ken_status id_list_check(const id_list *list, ken_error *err);

#endif
