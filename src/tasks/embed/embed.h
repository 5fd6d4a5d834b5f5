/* tasks/embed/embed.h: `ken embed`: inputs and a model become a collection, through crashes and
 * full disks.
 *
 * The work goes in parts of `part_rows` items (tasks/embed/parts.h). The bytes of the result depend
 * on the inputs, the model and the CPU tier: not on threads, batches, timing or interruptions. */
#ifndef KEN_TASKS_EMBED_H
#define KEN_TASKS_EMBED_H

#include "tasks/collection/collection.h"
#include "tasks/embed/embed_memory.h"

typedef struct embed_options {
    const char *output; /* x.parquet, or a folder: it ends in '/' or is one already */
    const char *model_id, *model_revision;
    pipeline_options pipeline;    /* cancel, progress and plan are seen by the job as well */
    int shard_index, shard_count; /* a folder's shards get folders of their own in it */
    uint64_t part_rows; /* 0: by the model's size, so that a part takes a minute at most */
    bool restart;       /* begin anew, replacing what an earlier job made */
    bool update;        /* bring a folder up to date with the inputs as they are now */
    /* A picture that decoded although it is damaged. */
    void (*damaged)(void *context, const char *path, const char *warning);
    void *damaged_context;
} embed_options;

typedef struct embed_report {
    uint64_t n_rows, n_failed;    /* of the whole collection */
    uint64_t n_resumed;           /* items that were done before this run */
    uint64_t n_damaged_parts;     /* parts of the earlier run that had to be made again */
    uint64_t n_damaged;           /* pictures that decoded although damaged, in this run */
    uint64_t n_reused, n_removed; /* --update: unchanged since then; gone since then */
    bool was_complete;            /* there was nothing left to do */
    char errors_path[4096];       /* "" when nothing failed */
    embed_memory memory;          /* as it was expected before the start */
    double seconds;               /* of this run by the clock, with the joining of parts */
    pipeline_stats stats;         /* of this run; writing includes the joining */
} embed_report;

KEN_MUST_CHECK ken_status embed_run(const ken_model *model, inputs *in,
                                    const embed_options *options, embed_report *report,
                                    ken_error *err);
/* Whether `output` means a folder; fails when it is neither that nor x.parquet. */
KEN_MUST_CHECK ken_status embed_output_is_folder(const char *output, bool *folder, ken_error *err);

#endif
