/* tasks/embed/embed_work.c: the middle of a job: pipeline runs over the parts that are missing. */
#include "base/sys.h"
#include "tasks/embed/embed_job.h"

#include <string.h>

/* A first Ctrl-C is answered within five seconds: the part in hand is finished when that takes less
 * than this, and dropped otherwise. */
static const double finish_seconds = 4;
static const size_t max_part_errors_bytes = (size_t)1 << 30;

/* ---- one part -------------------------------------------------------------------------------- */

static ken_status begin_part(embed_job *job, uint64_t first, ken_error *err) {
    job->record = (part_record){.part = first / job->part_rows, .first = first};
    buf_clear(&job->errors);
    table_writer_free(job->rows);
    job->rows = NULL;
    TRY(table_writer_new(job->layout.columns, job->layout.n_columns, job->metadata, job_metadata,
                         &job->rows, err));
    job->part_open = true;
    return KEN_OK;
}

static ken_status end_part(embed_job *job, ken_error *err) {
    job->part_open = false;
    TRY(buf_check(&job->errors, err));
    ken_status status = parts_commit(&job->parts, job->rows, &job->errors, &job->record, err);
    table_writer_free(job->rows);
    job->rows = NULL;
    return status;
}

/* Decides, once a signal was seen, whether the part in hand is still worth finishing. */
static void answer_signal(embed_job *job) {
    const volatile sig_atomic_t *cancel = job->options->pipeline.cancel;
    if (!cancel || !*cancel || job->stop)
        return;
    double now = sys_seconds();
    if (!job->cancelled_at)
        job->cancelled_at = now;
    uint64_t left = job->part_open ? job->part_rows - job->record.items : 0;
    double each = job->n_done ? (now - job->began) / (double)job->n_done : finish_seconds;
    double deadline = job->cancelled_at + finish_seconds;
    if (!left || now + each * (double)left > deadline)
        job->stop = 1;
}

static ken_status take_row(embed_job *job, const embed_item *item, ken_error *err) {
    if (item->warning) {
        job->report->n_damaged++;
        if (job->options->damaged)
            job->options->damaged(job->options->damaged_context, item->path, item->warning);
    }
    job->record.items++;
    if (item->stage) {
        job->record.failed++;
        error_line_put(&job->errors, item);
        return KEN_OK;
    }
    job->record.rows++;
    return row_add(&job->layout, job->rows, item, err);
}

static ken_status sink(void *context, const embed_item *item, ken_error *err) {
    embed_job *job = context;
    if (!job->part_open)
        TRY(begin_part(job, item->index, err));
    TRY(take_row(job, item, err));
    job->n_done++;
    if (job->record.items == job->part_rows)
        TRY(end_part(job, err));
    answer_signal(job);
    return KEN_OK;
}

/* ---- the run --------------------------------------------------------------------------------- */

static void pass_progress(void *context, const embed_progress *from) {
    embed_job *job = context;
    answer_signal(job);
    const pipeline_options *o = &job->options->pipeline;
    if (!o->progress)
        return;
    embed_progress progress = *from;
    progress.n_done = job->n_done;
    progress.n_failed = job->record.failed * job->part_open;
    for (size_t i = 0; i < job->parts.manifest.n; i++)
        progress.n_failed += job->parts.manifest.parts[i].failed;
    progress.n_total = inputs_total(job->in);
    if (progress.n_total)
        progress.n_total -= job->report->n_resumed;
    progress.seconds = sys_seconds() - job->began;
    o->progress(o->progress_context, &progress);
}

void embed_job_note_writing(embed_job *job, stage_time since) {
    stage_time used = stage_time_since(&since);
    stage_time_add(&job->report->stats.stages[STAGE_WRITE], &used);
}

/* Items from `first` on; count 0: to the end. */
static ken_status run_range(embed_job *job, uint64_t first, uint64_t count, ken_error *err) {
    pipeline_options o = job->options->pipeline;
    o.count = count;
    o.cancel = &job->stop;
    o.progress = pass_progress;
    o.progress_context = job;
    pipeline_stats stats = {0};
    ken_status status = pipeline_run(job->model, job->in, first, &o, sink, job, &stats, err);
    pipeline_stats_add(&job->report->stats, &stats);
    stage_time since = stage_clock();
    if (status == KEN_OK && job->part_open)
        status = end_part(job, err);
    embed_job_note_writing(job, since);
    return status;
}

/* The first part from `part` on that is missing, and how many follow each other; *n is 0 when all
 * after it are missing as far as is known. False when nothing is. */
static bool next_gap(const embed_job *job, uint64_t *part, uint64_t *n) {
    const manifest *m = &job->parts.manifest;
    while (manifest_find(m, *part)) {
        /* A part that is not full was the last one. */
        if (manifest_find(m, *part)->items < job->part_rows)
            return false;
        ++*part;
    }
    uint64_t total = inputs_total(job->in);
    if (total && *part * job->part_rows >= total)
        return false;
    *n = 0;
    for (size_t i = 0; i < m->n && !*n; i++)
        if (m->parts[i].part > *part)
            *n = m->parts[i].part - *part;
    return true;
}

ken_status embed_job_work(embed_job *job, ken_error *err) {
    job->began = sys_seconds();
    buf_init(&job->errors, max_part_errors_bytes);
    uint64_t part = 0, n = 0;
    while (next_gap(job, &part, &n)) {
        TRY(run_range(job, part * job->part_rows, n * job->part_rows, err));
        if (!n)
            break;
        part += n;
    }
    if (job->parts.manifest.n)
        return KEN_OK;
    TRY(begin_part(job, 0, err)); /* no items at all: a collection without rows */
    return end_part(job, err);
}
