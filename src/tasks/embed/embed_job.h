/* tasks/embed/embed_job.h: the state of one `ken embed` between its steps: begin, work, finish. */
#ifndef KEN_TASKS_EMBED_JOB_H
#define KEN_TASKS_EMBED_JOB_H

#include "tasks/embed/embed.h"
#include "tasks/embed/embed_rows.h"
#include "tasks/embed/parts.h"

/* The last fact decides whether parts may be joined, but is no part of what the job is. */
enum {
    job_facts = 9,
    hashed_job_facts = job_facts - 1,
    job_metadata = COLLECTION_META_ENTRIES + 1
};

typedef struct embed_job {
    const ken_model *model;
    inputs *in;
    const embed_options *options;
    embed_report *report;

    arena memory;
    bool folder;        /* the parts are the result; else they are joined into a file */
    const char *output; /* the file, or the folder of the parts */
    const char *parts_dir;
    const char *errors_path;
    collection_meta meta;
    job_fact facts[job_facts];
    char hash[HASH_XXH128_HEX]; /* of the hashed facts: `ken.job` */
    table_metadata metadata[job_metadata];
    parts parts;
    uint64_t part_rows;

    row_layout layout;
    table_writer *rows; /* of the part in hand */
    buf errors;         /* likewise */
    part_record record; /* likewise */
    bool part_open;

    volatile sig_atomic_t stop; /* tells the pipeline to end */
    double cancelled_at;        /* when the first signal was seen; 0: not yet */
    double began;
    uint64_t n_done; /* in this run */
} embed_job;

/* Names, facts, lock, parts that are there. */
KEN_MUST_CHECK ken_status embed_job_begin(embed_job *job, ken_error *err);
void embed_job_end(embed_job *job);
/* Makes the parts that are missing. */
KEN_MUST_CHECK ken_status embed_job_work(embed_job *job, ken_error *err);
/* Counts what this thread has used since then as writing. */
void embed_job_note_writing(embed_job *job, stage_time since);
/* Joins or seals the parts, writes the error table, cleans up. */
KEN_MUST_CHECK ken_status embed_job_finish(embed_job *job, ken_error *err);
/* Whether the output file is there and is this very job's. Fails when it is another's. */
KEN_MUST_CHECK ken_status embed_job_is_complete(embed_job *job, bool *complete, ken_error *err);

#endif
