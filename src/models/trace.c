/* models/trace.c: names and shapes of activations. */
#include "models/trace.h"

#include <stdio.h>

void trace_rows(const tracer *t, const char *name, const float *data, size_t rows, size_t width) {
    if (t->fn)
        t->fn(t->context, name, data, 2, (int64_t[]){(int64_t)rows, (int64_t)width});
}

void trace_block(const tracer *t, const char *prefix, size_t index, const float *data, size_t rows,
                 size_t width) {
    if (!t->fn)
        return;
    char name[64];
    snprintf(name, sizeof name, "%s.blocks.%zu", prefix, index);
    trace_rows(t, name, data, rows, width);
}

void trace_picture(const tracer *t, const char *name, const float *data, size_t batch,
                   size_t height, size_t width, size_t channels) {
    if (t->fn)
        t->fn(t->context, name, data, 4,
              (int64_t[]){(int64_t)batch, (int64_t)height, (int64_t)width, (int64_t)channels});
}
