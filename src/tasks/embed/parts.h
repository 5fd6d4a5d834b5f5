/* tasks/embed/parts.h: the folder in which a long job keeps what it has finished.
 *
 *   lock             held (flock) while a process works here; its text is that process's id
 *   job.json         what the job is: inputs, model, options. Another job is refused
 *   part-000000.parquet, part-000000.errors.csv, ...
 *   manifest.jsonl   a line for each finished part
 *
 * A part is written to a .tmp file, synced, renamed, the folder synced, and only then named in the
 * manifest; so after a crash at any point the manifest's parts are whole, and at most one part's
 * work is lost. */
#ifndef KEN_TASKS_PARTS_H
#define KEN_TASKS_PARTS_H

#include "base/mem.h"
#include "formats/table.h"
#include "tasks/collection/manifest.h"

/* One fact of what a job is, such as "weights_sha256". */
typedef struct job_fact {
    const char *name;
    const char *value;
} job_fact;

typedef struct parts {
    char *dir;
    int lock_fd;
    manifest manifest;  /* of parts that are there and whole */
    uint64_t n_resumed; /* parts that were there when it was opened */
    uint64_t n_damaged; /* parts that the manifest named, but that were missing or changed */
    buf path;           /* scratch */
} parts;

/* Makes the folder or goes on with one of the same facts, after checking every part it has.
 * `restart` removes an earlier job's files first. Fails with KEN_CANNOT_CREATE when another process
 * holds it, when it belongs to another job, and when it holds files that are not a job's. */
KEN_MUST_CHECK ken_status parts_open(const char *dir, const job_fact *facts, size_t n_facts,
                                     bool restart, parts *out, ken_error *err);
/* Only the lock, of a folder that exists: so that nobody else works there meanwhile. */
KEN_MUST_CHECK ken_status parts_lock(const char *dir, parts *out, ken_error *err);
/* Unlocks. Everything stays. A zeroed `parts` with lock_fd -1 may be closed. */
void parts_close(parts *p);
/* Writes the rows as part number record->part and names it in the manifest. Fills the record's
 * sizes and hashes. `errors` are the lines of the part's error table. */
KEN_MUST_CHECK ken_status parts_commit(parts *p, table_writer *rows, const buf *errors,
                                       part_record *record, ken_error *err);
/* Removes the job's files and then the folder. */
KEN_MUST_CHECK ken_status parts_remove(parts *p, ken_error *err);
/* As the job's facts are written to job.json; its hash stands for the job. */
bool parts_describe(const job_fact *facts, size_t n_facts, buf *out);
/* Appends the error lines of all parts, in order. */
KEN_MUST_CHECK ken_status parts_read_errors(parts *p, buf *out, ken_error *err);

/* Failures of output files: what cannot be made is KEN_CANNOT_CREATE, the rest (disk full, quota, a
 * broken disk) is KEN_IO, with the advice to resume. */
ken_status output_error(ken_error *err, int errnum, const char *what, const char *path);
/* Gives `status` from a lower layer's write the same meaning. */
ken_status output_failed(ken_error *err, ken_status status);

#endif
