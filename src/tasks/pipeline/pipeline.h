/* tasks/pipeline/pipeline.h: inputs -> embedded items, in input order. The engine under `ken
 * embed`, and under every command that takes pictures or texts directly.
 *
 *   lister -> [items] -> sandboxed decode processes -> [pixels] -> encode threads -> [rows] -> sink
 *
 * Queues are bounded; memory does not grow with the number of inputs beyond the list of their
 * names. The sink is called from one thread, in input order, whatever the number of threads. A bad
 * item reaches the sink with its failure and never stops the run; the sink's own failure does. */
#ifndef KEN_TASKS_PIPELINE_H
#define KEN_TASKS_PIPELINE_H

#include "base/buf.h"
#include "image/preprocess.h"
#include "models/model.h"
#include "tasks/inputs/inputs.h"
#include "tasks/pipeline/decode_pool.h"
#include "tasks/pipeline/stage_time.h"

#include <signal.h>

/* One finished item. Pointers are valid during the sink's call. */
typedef struct embed_item {
    uint64_t index;   /* position in the input order, from 0 */
    const char *id;   /* valid UTF-8; odd bytes percent-escaped */
    const char *path; /* likewise; "" when there is none */

    int width, height;        /* images: after EXIF orientation */
    int64_t size_bytes;       /* images */
    int64_t mtime_us;         /* images: microseconds since 1970, -1 unknown */
    const char *hash;         /* images: xxh3-128 hex of the file's bytes, "" unknown */
    const char *text;         /* texts */
    int n_tokens;             /* texts */
    bool truncated;           /* texts */
    const char *caption;      /* NULL when there is none */
    const input_extra *extra; /* the --keep columns, in the order asked for */
    size_t n_extra;

    const float *embedding; /* [E]; NULL when the item failed */
    /* A failed item: stage is open, sniff, decode, resize, encode or fetch; reason is a short
     * stable word such as "truncated", "too_large", "timeout", "not_found"; detail is the whole
     * message. */
    const char *stage;
    const char *reason;
    const char *detail;
    const char *warning; /* decoded but damaged; else NULL */
} embed_item;

typedef ken_status embed_sink(void *context, const embed_item *item, ken_error *err);

typedef struct embed_progress {
    uint64_t n_done, n_failed;
    uint64_t n_total; /* 0 while unknown */
    double seconds;   /* since the start */
} embed_progress;

typedef struct pipeline_options {
    int n_threads;  /* encode threads; 0: the CPUs */
    int n_decoders; /* decode processes; 0: the same number */
    int batch;      /* images a session call; 0: by memory */
    image_limits limits;
    double item_timeout;          /* seconds an item may take in a decoder; 0: 30 */
    uint64_t max_file_bytes;      /* 0: 1 GiB */
    bool no_sandbox;              /* decode without Landlock and seccomp; for debuggers */
    const preprocess *preprocess; /* NULL: the model's; else the model's changed by options */
    uint64_t count;               /* items from `first` on; 0: all */
    decode_fn *decode;            /* NULL: preprocess_bytes; tests replace it */
    /* Called by the reading threads, one at a time: first with what the file system says of an item
     * (hash ""), then with its hash. When it returns true it has given the embedding, width, height
     * and hash of an earlier run, valid until its next call, and the item is not decoded. */
    bool (*reuse)(void *context, const embed_item *item, embed_item *out);
    void *reuse_context;
    /* Set by a signal handler: not 0 ends the run soon with KEN_CANCELLED; the items in hand are
     * dropped, and the sink has seen all before them. */
    const volatile sig_atomic_t *cancel;
    /* From the caller's thread, about ten times a second. */
    void (*progress)(void *context, const embed_progress *progress);
    void *progress_context;
    void (*plan)(void *context, const char *line); /* memory and threads, before the start */
    void *plan_context;
} pipeline_options;

typedef struct pipeline_stats {
    uint64_t n_done, n_failed;
    double seconds; /* by the clock */
    stage_time stages[PIPELINE_STAGES];
} pipeline_stats;
/* For runs in several pieces. */
void pipeline_stats_add(pipeline_stats *to, const pipeline_stats *from);

/* How a run is laid out. Its memory is n_encoders * encoder_bytes + n_feeders * feeder_bytes +
 * n_ring * ring_item_bytes, a feeder's file (max_file_bytes at most), and the model. */
typedef struct pipeline_sizes {
    int n_encoders, n_feeders, batch;
    size_t n_ring;                         /* items between the input and the sink */
    size_t payload_bytes, embedding_bytes; /* of an item: pixels or token ids; its vector */
    uint64_t encoder_bytes, feeder_bytes, ring_item_bytes;
} pipeline_sizes;
pipeline_sizes pipeline_size(const ken_model *model, const inputs *in, const pipeline_options *o);

/* Embeds every item that `in` lists from item `first` on; those before it, if not yet given, are
 * skipped. Forks the decoders: call it while the process has no threads of the caller's that hold
 * locks. */
KEN_MUST_CHECK ken_status pipeline_run(const ken_model *model, inputs *in, uint64_t first,
                                       const pipeline_options *options, embed_sink *sink,
                                       void *sink_context, pipeline_stats *stats, ken_error *err);

#endif
