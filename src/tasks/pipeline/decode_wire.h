/* tasks/pipeline/decode_wire.h: what travels between the caller, the keeper and the workers of a
 * decode pool. All messages are whole packets of sequenced-packet sockets. */
#ifndef KEN_TASKS_DECODE_WIRE_H
#define KEN_TASKS_DECODE_WIRE_H

#include "tasks/pipeline/decode_pool.h"

#include <sys/types.h>

typedef enum wire_kind {
    WIRE_HELLO = 1, /* worker: ready, or why not */
    WIRE_DONE,      /* worker: an item is finished */
    WIRE_DEATH,     /* keeper, in the name of a worker that ended */
} wire_kind;

typedef struct wire_reply {
    uint32_t kind;
    uint32_t status;     /* HELLO, DONE: ken_status */
    uint64_t sequence;   /* DONE: of the request */
    int32_t stage;       /* DONE: image_stage */
    int32_t wait_status; /* DEATH: as waitpid gives it */
    int32_t landlock_abi;
    int32_t width, height;
    double cpu_seconds; /* DONE: in all; then by the clock in all, and of these for the resize */
    double seconds, resize_seconds;
    char message[512];
    char hint[160];
    char warning[160];
} wire_reply;

typedef struct wire_request {
    uint64_t sequence;
    uint64_t size;
} wire_request;

/* caller -> keeper */
typedef enum wire_order_kind { WIRE_SPAWN = 1, WIRE_KILL } wire_order_kind;
typedef struct wire_order {
    uint32_t kind;
    uint32_t worker;
} wire_order;

typedef struct decode_slot {
    uint8_t *shared; /* pixels, then room for the file */
    int parent_fd, child_fd;
    pid_t pid;  /* in the keeper; 0: not running */
    bool alive; /* in the caller */
    uint64_t sequence;
} decode_slot;

struct decode_pool {
    decode_pool_options options;
    size_t pixels_bytes; /* rounded up to pages */
    size_t shared_bytes;
    int control_fd; /* the caller's end, or in the keeper its own */
    pid_t keeper;
    bool started; /* then landlock_abi stands: threads may be using the pool */
    int landlock_abi;
    decode_slot *slots;
};

/* The keeper's life; does not return. */
_Noreturn void decode_keeper_main(decode_pool *pool, int control_fd);
/* A worker's life; does not return. */
_Noreturn void decode_worker_main(decode_pool *pool, int worker);

#endif
