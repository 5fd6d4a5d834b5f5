/* tensor/exec.h: on what an operation runs, and the memory that it may use.
 *
 * An exec names the kernels, the pool that work is split over (NULL: this thread alone) and a
 * private scratch area for each of the pool's threads. A workspace is one block, sized once, from
 * which an encoder takes its buffers; taking from a workspace without memory only counts, so the
 * function that lays the buffers out is also the one that says how much they need. */
#ifndef KEN_TENSOR_EXEC_H
#define KEN_TENSOR_EXEC_H

#include "base/pool.h"
#include "kernels/kernels.h"

typedef struct exec {
    const kernels *kernels;
    ken_pool *pool;
    float *scratch;        /* thread t's area starts at scratch + t * scratch_floats */
    size_t scratch_floats; /* a thread, at least what the operation's *_scratch function says */
    void *quantized;       /* one for all threads: linear_quantized_bytes of what runs on this */
} exec;

static inline float *exec_scratch(const exec *e, int thread) {
    return e->scratch + (size_t)thread * e->scratch_floats;
}

typedef struct workspace {
    char *base; /* NULL while counting */
    size_t used_bytes;
} workspace;

/* `n` elements, 64-byte aligned; NULL while counting. A size that overflows makes used_bytes
 * SIZE_MAX, which no allocation can satisfy. */
void *workspace_take(workspace *w, size_t n, size_t element_bytes);
float *workspace_floats(workspace *w, size_t n);

#endif
