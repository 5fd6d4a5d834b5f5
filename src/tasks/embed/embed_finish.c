/* tasks/embed/embed_finish.c: the end of a job: parts become the result, and it is known to be
 * whole. */
#include "base/doc.h"
#include "base/file.h"
#include "tasks/embed/embed_job.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { max_seal_bytes = 1 << 20 };

/* ---- error table ----------------------------------------------------------------------------- */

static ken_status write_errors(embed_job *job, ken_error *err) {
    if (!job->report->n_failed) {
        /* One of an earlier job would be read as this one's. */
        if (unlink(job->errors_path) != 0 && errno != ENOENT)
            return output_error(err, errno, "remove", job->errors_path);
        return KEN_OK;
    }
    buf lines, table;
    ken_status status = parts_read_errors(&job->parts, &lines, err);
    buf_init(&table, SIZE_MAX / 4);
    if (status == KEN_OK) {
        buf_puts(&table, ERROR_TABLE_HEADER);
        buf_append(&table, lines.data, lines.size);
        status = buf_check(&table, err);
    }
    /* First among the parts, whose folder is cleaned up after a crash. */
    char *made = arena_printf(&job->memory, "%s/errors.csv", job->parts_dir);
    if (status == KEN_OK && !made)
        status = error_no_memory(err, PATH_MAX);
    if (status == KEN_OK)
        status = output_failed(err, file_write_atomic(made, table.data, table.size, err));
    if (status == KEN_OK && !job->folder) {
        if (rename(made, job->errors_path) != 0)
            status = output_error(err, errno, "create", job->errors_path);
        else
            status = output_failed(err, file_sync_parent(job->errors_path, err));
    }
    buf_free(&lines);
    buf_free(&table);
    return status;
}

/* ---- one file -------------------------------------------------------------------------------- */

static ken_status check_rows(const char *path, uint64_t expected, ken_error *err) {
    table_reader *r;
    TRY(table_reader_open(&path, 1, NULL, 0, &r, err));
    uint64_t found = table_reader_n_rows(r);
    table_reader_close(r);
    if (found != expected)
        return error_set(err, KEN_INTERNAL, "the joined file has %llu rows, expected %llu",
                         (unsigned long long)found, (unsigned long long)expected);
    return KEN_OK;
}

static ken_status join_to(embed_job *job, const char *joined, ken_error *err) {
    const manifest *m = &job->parts.manifest;
    const char **paths = mem_zalloc(m->n, sizeof *paths);
    char *failed = arena_printf(&job->memory, "%llu", (unsigned long long)job->report->n_failed);
    if (!paths || !failed) {
        mem_free(paths);
        return error_no_memory(err, m->n * sizeof *paths);
    }
    ken_status status = KEN_OK;
    for (size_t i = 0; i < m->n && status == KEN_OK; i++) {
        part_file_name(&job->parts.path, job->parts_dir, m->parts[i].part);
        status = buf_check(&job->parts.path, err);
        if (status == KEN_OK)
            paths[i] = arena_strdup(&job->memory, job->parts.path.data);
        if (status == KEN_OK && !paths[i])
            status = error_no_memory(err, PATH_MAX);
    }
    table_metadata metadata[job_metadata + 1];
    memcpy(metadata, job->metadata, sizeof job->metadata);
    metadata[job_metadata] = (table_metadata){"ken.n_failed", failed};
    if (status == KEN_OK)
        status = table_join(paths, m->n, metadata, job_metadata + 1, joined, err);
    mem_free(paths);
    return output_failed(err, status);
}

/* The mark that the result is in place comes before the parts go: whoever finds it has only to
 * clean up. */
static ken_status mark_done(embed_job *job, ken_error *err) {
    file_join(&job->parts.path, job->parts_dir, "done");
    TRY(buf_check(&job->parts.path, err));
    return output_failed(err, file_write_atomic(job->parts.path.data, "", 0, err));
}

static ken_status finish_file(embed_job *job, ken_error *err) {
    char *joined = arena_printf(&job->memory, "%s/joined.parquet", job->parts_dir);
    if (!joined)
        return error_no_memory(err, PATH_MAX);
    ken_status status = join_to(job, joined, err);
    if (status == KEN_OK)
        status = check_rows(joined, job->report->n_rows, err);
    if (status != KEN_OK) {
        unlink(joined);
        return status;
    }
    TRY(write_errors(job, err));
    if (rename(joined, job->output) != 0)
        return output_error(err, errno, "create", job->output);
    TRY(output_failed(err, file_sync_parent(job->output, err)));
    TRY(mark_done(job, err));
    return parts_remove(&job->parts, err);
}

/* ---- a folder -------------------------------------------------------------------------------- */

static ken_status seal_folder(embed_job *job, ken_error *err) {
    buf text;
    buf_init(&text, max_seal_bytes);
    time_t now = time(NULL);
    struct tm utc;
    char created[32];
    gmtime_r(&now, &utc);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    buf_printf(&text, "{\n  \"created_at\": \"%s\",\n  \"job\": \"%s\",\n", created, job->hash);
    buf_printf(&text, "  \"n_rows\": %llu,\n  \"n_failed\": %llu",
               (unsigned long long)job->report->n_rows, (unsigned long long)job->report->n_failed);
    for (size_t i = 0; i < COLLECTION_META_ENTRIES; i++) {
        const table_metadata *entry = &job->metadata[i];
        buf_printf(&text, ",\n  \"%s\": ", entry->key + strlen("ken."));
        buf_put_json(&text, entry->value, strlen(entry->value));
    }
    buf_puts(&text, "\n}\n");
    file_join(&job->parts.path, job->parts_dir, "ken.json");
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        status = buf_check(&job->parts.path, err);
    if (status == KEN_OK)
        status =
            output_failed(err, file_write_atomic(job->parts.path.data, text.data, text.size, err));
    buf_free(&text);
    return status;
}

ken_status embed_job_finish(embed_job *job, ken_error *err) {
    if (!job->folder)
        return finish_file(job, err);
    TRY(write_errors(job, err));
    return seal_folder(job, err);
}

/* ---- finished before ------------------------------------------------------------------------- */

static ken_status refuse_other(const embed_job *job, ken_error *err) {
    error_set(err, KEN_CANNOT_CREATE, "output '%s' exists, and is not the result of this command",
              job->output);
    return error_hint(err, KEN_CANNOT_CREATE, "%s",
                      job->folder ? "--update brings it up to date, --restart makes it anew"
                                  : "name another output, or add --restart to replace it");
}

static uint64_t to_number(const char *text) {
    return text ? strtoull(text, NULL, 10) : 0;
}

static ken_status look_at_file(embed_job *job, bool *same, ken_error *err) {
    table_reader *r;
    *same = false;
    if (table_reader_open(&job->output, 1, NULL, 0, &r, NULL) != KEN_OK)
        return refuse_other(job, err);
    const char *hash = table_reader_metadata(r, "ken.job");
    *same = hash && strcmp(hash, job->hash) == 0;
    job->report->n_rows = table_reader_n_rows(r);
    job->report->n_failed = to_number(table_reader_metadata(r, "ken.n_failed"));
    table_reader_close(r);
    return *same ? KEN_OK : refuse_other(job, err);
}

static ken_status look_at_seal(embed_job *job, const char *seal, bool *same, ken_error *err) {
    json_t *doc;
    const char *hash = NULL;
    int64_t rows = 0, failed = 0;
    TRY(doc_read(seal, max_seal_bytes, &doc, err));
    ken_status status = doc_get_string(doc, "job", seal, &hash, err);
    if (status == KEN_OK)
        status = doc_get_int(doc, "n_rows", seal, 0, INT64_MAX, &rows, err);
    if (status == KEN_OK)
        status = doc_get_int(doc, "n_failed", seal, 0, INT64_MAX, &failed, err);
    *same = status == KEN_OK && hash && strcmp(hash, job->hash) == 0;
    json_decref(doc);
    job->report->n_rows = (uint64_t)rows;
    job->report->n_failed = (uint64_t)failed;
    if (status == KEN_OK && !*same && !job->options->update)
        return refuse_other(job, err);
    return status;
}

/* A run that ended between its result and the removal of its parts. */
static ken_status clean_up(embed_job *job, ken_error *err) {
    TRY(parts_open(job->parts_dir, job->facts, job_facts, false, &job->parts, err));
    return parts_remove(&job->parts, err);
}

ken_status embed_job_is_complete(embed_job *job, bool *complete, ken_error *err) {
    *complete = false;
    const char *name = job->folder ? "ken.json" : "done";
    char *mark = arena_printf(&job->memory, "%s/%s", job->parts_dir, name);
    if (!mark)
        return error_no_memory(err, PATH_MAX);
    if (job->folder) {
        bool same = false;
        if (file_exists(mark))
            TRY(look_at_seal(job, mark, &same, err));
        *complete = same && !job->options->update;
    } else if (file_exists(job->output)) {
        bool unfinished = file_exists(job->parts_dir) && !file_exists(mark);
        if (unfinished)
            return KEN_OK; /* the same parts make the same file again */
        TRY(look_at_file(job, complete, err));
        if (file_exists(mark))
            TRY(clean_up(job, err));
    }
    if (*complete && job->report->n_failed)
        snprintf(job->report->errors_path, sizeof job->report->errors_path, "%s", job->errors_path);
    return KEN_OK;
}
