/* tasks/pipeline/decode_pool.h: image decoders in processes of their own.
 *
 * A picture is bytes from a stranger. Each decoder is a forked, sandboxed process that gets a
 * file's bytes through shared memory and gives back 8-bit pixels; when it crashes, runs out of
 * memory or takes too long, that costs one item and a new process.
 *
 *   caller -- control --> keeper --fork--> worker 0..n-1
 *          <---- a socket and a piece of shared memory for each worker ---->
 *
 * The keeper is forked before the caller makes threads and stays single-threaded, so it can fork
 * new workers at any time, which a process with threads cannot do safely. */
#ifndef KEN_TASKS_DECODE_POOL_H
#define KEN_TASKS_DECODE_POOL_H

#include "image/preprocess.h"
#include "tasks/pipeline/stage_time.h"

#include <signal.h>

/* What a worker does with a file; tests replace it. */
typedef ken_status decode_fn(const preprocess *p, const kernels *k, const uint8_t *bytes,
                             size_t size, const image_limits *limits, uint8_t *out,
                             image_facts *facts, image_stage *stage, ken_error *err);

typedef struct decode_pool_options {
    int n_workers;
    size_t max_bytes; /* largest file */
    const preprocess *preprocess;
    const kernels *kernels;
    image_limits limits;
    double timeout_seconds;
    bool no_sandbox;
    const volatile sig_atomic_t *stop; /* may be NULL; not 0: waits end with KEN_CANCELLED */
    decode_fn *decode;                 /* NULL: preprocess_bytes */
} decode_pool_options;

/* How one item went. */
typedef struct decoded {
    const char *stage;  /* NULL: pixels are there */
    const char *reason; /* a short stable word */
    char detail[768];
    int width, height; /* of the picture, after orientation; 0 unknown */
    char warning[160]; /* decoded but damaged; else "" */
    stage_time decode, resize;
} decoded;

typedef struct decode_pool decode_pool;

/* Forks. Call it before making threads. Everything that the options point to is borrowed until
 * decode_pool_free. */
KEN_MUST_CHECK ken_status decode_pool_new(const decode_pool_options *options, decode_pool **out,
                                          ken_error *err);
void decode_pool_free(decode_pool *pool);
/* -1: no sandbox; 0: seccomp only; else the Landlock ABI in force as well. */
int decode_pool_landlock_abi(const decode_pool *pool);
/* Bytes of address space that a worker may add to what it starts with. */
uint64_t decode_pool_worker_bytes(const image_limits *limits);

/* Where the caller puts the file's bytes for `worker`: max_bytes of room. */
uint8_t *decode_pool_buffer(decode_pool *pool, int worker);
/* Decodes the first `size` bytes of the buffer. One call at a time for each worker. On success with
 * stage NULL, *pixels points to preprocess_size bytes, valid until the worker's next call. Fails
 * only when the pool itself is broken or stopped. */
KEN_MUST_CHECK ken_status decode_pool_run(decode_pool *pool, int worker, size_t size, decoded *out,
                                          const uint8_t **pixels, ken_error *err);

#endif
