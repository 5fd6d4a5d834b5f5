/* models/trace.h: telling a trace_fn what a layer made. */
#ifndef KEN_MODELS_TRACE_H
#define KEN_MODELS_TRACE_H

#include "models/model.h"

typedef struct tracer {
    trace_fn *fn; /* NULL: nobody listens */
    void *context;
} tracer;

/* A [rows, width] activation. */
void trace_rows(const tracer *t, const char *name, const float *data, size_t rows, size_t width);
/* "PREFIX.blocks.INDEX", [rows, width]. */
void trace_block(const tracer *t, const char *prefix, size_t index, const float *data, size_t rows,
                 size_t width);
/* [B, H, W, C] */
void trace_picture(const tracer *t, const char *name, const float *data, size_t batch,
                   size_t height, size_t width, size_t channels);

#endif
