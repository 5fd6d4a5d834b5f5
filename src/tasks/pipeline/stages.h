/* tasks/pipeline/stages.h: the threads of a pipeline and what they share.
 *
 * A ring of entries, one for each item between the input and the sink, holds them in input order:
 *
 *   FREE -> TAKEN (a feeder reads and decodes it) -> READY -> ENCODING -> DONE -> (sink) FREE
 *
 * A failed item goes from TAKEN or ENCODING to DONE. Feeders wait for a free entry, encoders for
 * ready ones, the sink for the first entry to be done. An encoder takes less than its share only
 * when no item is being decoded, so nothing waits for what cannot come. */
#ifndef KEN_TASKS_STAGES_H
#define KEN_TASKS_STAGES_H

#include "base/mem.h"
#include "tasks/pipeline/pipeline.h"

#include <pthread.h>

typedef enum entry_state {
    ENTRY_FREE,
    ENTRY_TAKEN,
    ENTRY_READY,
    ENTRY_ENCODING,
    ENTRY_DONE,
} entry_state;

typedef struct entry {
    entry_state state;
    embed_item item; /* its strings live in `memory` */
    arena memory;
    input_kind kind;
    const char *os_path;
    size_t size;      /* INPUT_IMAGE_BYTES: in the feeder's buffer */
    void *payload;    /* 8-bit pixels, or token ids */
    float *embedding; /* [E] */
} entry;

typedef struct stages {
    const ken_model *model;
    const pipeline_options *options;
    inputs *in;
    decode_pool *decoders; /* NULL for texts */
    bool texts;
    pipeline_sizes size;
    uint64_t last; /* one past the last item of the inputs; UINT64_MAX while unknown */
    double item_timeout;
    uint64_t max_file_bytes;

    pthread_mutex_t input_lock; /* inputs_next; taken before `lock` */
    pthread_mutex_t reuse_lock;
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t space, ready, done;
    entry *ring;
    uint64_t head, tail, end; /* next for the sink; next to take; one past the last to take */
    size_t n_taken, n_ready;
    bool input_ended;
    ken_status status; /* of the first failure that ends the run */
    ken_error err;
    volatile sig_atomic_t stop;
    stage_time times[PIPELINE_STAGES];
} stages;

typedef struct stage_thread {
    stages *stages;
    int index;            /* feeders: of the decoder that belongs to it */
    ken_session *session; /* encoders */
    void *batch_payload;
    float *batch_embeddings;
    entry **batch_entries;
    pthread_t thread;
    bool started;
} stage_thread;

void *feeder_main(void *stage_thread);
void *encoder_main(void *stage_thread);
/* Ends the run: the first failure counts. Takes `lock`. */
void stages_fail(stages *s, ken_status status, const ken_error *err);
/* Adds what the calling thread has used since stage_clock. Takes `lock`. */
void stages_note(stages *s, pipeline_stage stage, stage_time since);
/* Copies the text into the entry, what is not UTF-8 replaced. NULL without memory. */
const char *entry_text(entry *e, const char *text, size_t size);
void entry_fail(entry *e, const char *stage, const char *reason, const char *detail);

#endif
