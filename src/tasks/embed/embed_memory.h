/* tasks/embed/embed_memory.h: the most memory that a job's own process takes, known before it
 * starts. docs/jobs.md states the formula, tests/jobs/test_cost.py holds real jobs against it. */
#ifndef KEN_TASKS_EMBED_MEMORY_H
#define KEN_TASKS_EMBED_MEMORY_H

#include "tasks/pipeline/pipeline.h"

typedef struct embed_memory {
    uint64_t program_bytes; /* code and libraries, libduckdb above all */
    uint64_t model_bytes;
    uint64_t names_bytes; /* of the inputs */
    pipeline_sizes sizes;
    uint64_t writing_bytes; /* a group of rows on its way to Parquet */
} embed_memory;

embed_memory embed_memory_of(const ken_model *model, const inputs *in, const pipeline_options *o);
/* All of it. A decoder's shared memory holds one file besides, which the kernel counts here, too.
 */
uint64_t embed_memory_total(const embed_memory *m);
/* Through the options' plan function. */
void embed_memory_say(const embed_memory *m, const pipeline_options *o);

#endif
