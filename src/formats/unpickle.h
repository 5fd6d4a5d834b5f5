/* formats/unpickle.h: the values of a pickle (protocol 2) that holds plain data and tensors.
 * Nothing is executed: a name that is called must be one of the few below, and what it makes is a
 * value here. See formats/torch_file.h. */
#ifndef KEN_FORMATS_UNPICKLE_H
#define KEN_FORMATS_UNPICKLE_H

#include "base/mem.h"
#include "tensor/tensor.h"

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,     /* number */
    PICKLE_FLOAT,   /* its value is not kept */
    PICKLE_TEXT,    /* text, size */
    PICKLE_LIST,    /* list, n: tuples and lists */
    PICKLE_DICT,    /* list, n: keys and values in turn */
    PICKLE_NAME,    /* number: which of the known names */
    PICKLE_STORAGE, /* text, size: its key; dtype */
    PICKLE_TENSOR,  /* items: storage, sizes, strides; number: offset in elements */
} pickle_kind;

typedef struct pickle_value {
    pickle_kind kind;
    ken_dtype dtype;
    int64_t number;
    const char *text; /* in the pickle's bytes, without NUL */
    size_t size;
    uint32_t *list; /* indices of values */
    size_t n, capacity;
    uint32_t items[3];
} pickle_value;

typedef struct pickle {
    pickle_value *values;
    size_t n_values, capacity;
    uint32_t root;
} pickle;

/* Texts point into `bytes`. Reset the pickle in any case. */
KEN_MUST_CHECK ken_status unpickle(const uint8_t *bytes, size_t size, const char *path, pickle *out,
                                   ken_error *err);
void pickle_reset(pickle *p);

#endif
