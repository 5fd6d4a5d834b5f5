#include "tasks/embed/embed_update.h"

#include "base/doc.h"
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what there was -------------------------------------------------------------------------- */

typedef struct old_row {
    const char *id, *hash;
    int64_t size_bytes, mtime_us;
    int width, height;
    bool seen; /* among the new inputs */
} old_row;

typedef struct old_rows {
    arena memory;
    old_row *rows;   /* in the collection's order: row i has embedding i */
    old_row **by_id; /* sorted */
    size_t n;
    collection *from;
    embed_report *report;
} old_rows;

static int by_id(const void *a, const void *b) {
    return strcmp((*(old_row *const *)a)->id, (*(old_row *const *)b)->id);
}

static void old_rows_free(old_rows *old) {
    mem_free(old->rows);
    mem_free(old->by_id);
    collection_close(old->from);
    arena_free(&old->memory);
}

static int64_t integer_or(const table_value *value, int64_t otherwise) {
    return value->is_null ? otherwise : value->integer;
}

static ken_status read_old_row(old_rows *old, size_t i, const table_value *v, ken_error *err) {
    old_row *row = &old->rows[i];
    *row = (old_row){.id = collection_id(old->from, i),
                     .hash = arena_strndup(&old->memory, v[0].is_null ? "" : v[0].bytes,
                                           v[0].is_null ? 0 : v[0].size),
                     .size_bytes = integer_or(&v[1], -1),
                     .mtime_us = integer_or(&v[2], -1),
                     .width = (int)integer_or(&v[3], 0),
                     .height = (int)integer_or(&v[4], 0)};
    old->by_id[i] = row;
    return row->hash ? KEN_OK : error_no_memory(err, v[0].size);
}

static ken_status read_old(old_rows *old, const char *dir, ken_error *err) {
    static const char *const columns[] = {"hash", "size_bytes", "mtime", "width", "height"};
    TRY(collection_open(dir, &old->from, err));
    old->n = collection_n_rows(old->from);
    old->rows = mem_zalloc(old->n + 1, sizeof *old->rows);
    old->by_id = mem_zalloc(old->n + 1, sizeof *old->by_id);
    if (!old->rows || !old->by_id)
        return error_no_memory(err, old->n * sizeof *old->rows);
    size_t n_paths, i = 0;
    const char *const *paths = collection_part_paths(old->from, &n_paths);
    table_reader *r;
    TRY(table_reader_open(paths, n_paths, columns, 5, &r, err));
    ken_status status = KEN_OK;
    bool more = true;
    table_value values[5];
    while (status == KEN_OK && i < old->n) {
        status = table_reader_next(r, values, &more, err);
        if (status == KEN_OK && !more)
            status = error_set(err, KEN_BAD_FORMAT, "'%s' changed while it was read", dir);
        if (status == KEN_OK)
            status = read_old_row(old, i++, values, err);
    }
    table_reader_close(r);
    if (old->n)
        qsort(old->by_id, old->n, sizeof *old->by_id, by_id);
    return status;
}

/* The same file: by its bytes when they are known, else by size and time, as make and rsync do. */
static bool reuse(void *context, const embed_item *item, embed_item *out) {
    old_rows *old = context;
    const old_row key = {.id = item->id}, *wanted = &key;
    old_row **found =
        old->n ? bsearch(&wanted, old->by_id, old->n, sizeof *old->by_id, by_id) : NULL;
    if (!found)
        return false;
    old_row *row = *found;
    row->seen = true;
    bool same = item->hash[0] ? strcmp(item->hash, row->hash) == 0
                              : item->mtime_us != -1 && item->mtime_us == row->mtime_us &&
                                    item->size_bytes == row->size_bytes;
    if (!same)
        return false;
    size_t i = (size_t)(row - old->rows);
    int dim = collection_get_meta(old->from)->dim;
    *out = (embed_item){.hash = row->hash,
                        .width = row->width,
                        .height = row->height,
                        .embedding = collection_embeddings(old->from) + i * (size_t)dim};
    old->report->n_reused++;
    return true;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

typedef struct exchange {
    const char *dir, *next;
    buf from, to;
} exchange;

static ken_status move(exchange *x, const char *name, ken_error *err) {
    file_join(&x->from, x->next, name);
    file_join(&x->to, x->dir, name);
    TRY(buf_check(&x->from, err));
    TRY(buf_check(&x->to, err));
    /* Not there: the run before this one moved it already. */
    if (rename(x->from.data, x->to.data) != 0 && errno != ENOENT)
        return output_error(err, errno, "move", x->from.data);
    return KEN_OK;
}

static ken_status drop(exchange *x, const char *dir, const char *name, ken_error *err) {
    file_join(&x->to, dir, name);
    TRY(buf_check(&x->to, err));
    if (unlink(x->to.data) != 0 && errno != ENOENT)
        return output_error(err, errno, "remove", x->to.data);
    return KEN_OK;
}

static ken_status read_manifest(exchange *x, const char *dir, manifest *out, ken_error *err) {
    file_join(&x->from, dir, "manifest.jsonl");
    TRY(buf_check(&x->from, err));
    return manifest_read(x->from.data, out, err);
}

/* Takes the new parts over the old ones. */
static ken_status move_parts(exchange *x, const manifest *fresh, ken_error *err) {
    char name[64];
    bool failed = false;
    for (size_t i = 0; i < fresh->n; i++) {
        unsigned long long part = (unsigned long long)fresh->parts[i].part;
        snprintf(name, sizeof name, "part-%06llu.parquet", part);
        TRY(move(x, name, err));
        snprintf(name, sizeof name, "part-%06llu.errors.csv", part);
        failed = failed || fresh->parts[i].failed;
        TRY(fresh->parts[i].failed ? move(x, name, err) : drop(x, x->dir, name, err));
    }
    return failed ? move(x, "errors.csv", err) : drop(x, x->dir, "errors.csv", err);
}

/* Parts that the new collection does not have. */
static ken_status drop_surplus(exchange *x, const manifest *old, const manifest *fresh,
                               ken_error *err) {
    char name[64];
    for (size_t i = 0; i < old->n; i++) {
        unsigned long long part = (unsigned long long)old->parts[i].part;
        if (manifest_find(fresh, old->parts[i].part))
            continue;
        snprintf(name, sizeof name, "part-%06llu.parquet", part);
        TRY(drop(x, x->dir, name, err));
        snprintf(name, sizeof name, "part-%06llu.errors.csv", part);
        TRY(drop(x, x->dir, name, err));
    }
    return KEN_OK;
}

static ken_status exchange_parts(exchange *x, ken_error *err) {
    manifest old = {0}, fresh = {0};
    ken_status status = read_manifest(x, x->next, &fresh, err);
    bool moved = status == KEN_OK && !fresh.n; /* the manifest is the last but one to move */
    if (status == KEN_OK && !moved)
        status = read_manifest(x, x->dir, &old, err);
    if (status == KEN_OK && !moved)
        status = move_parts(x, &fresh, err);
    if (status == KEN_OK && !moved)
        status = drop_surplus(x, &old, &fresh, err);
    manifest_free(&old);
    manifest_free(&fresh);
    return status;
}

/* Every step may have been done already by a run that was killed here. */
static ken_status run_exchange(exchange *x, ken_error *err) {
    file_join(&x->from, x->next, "ken.json");
    TRY(buf_check(&x->from, err));
    if (file_exists(x->from.data))
        TRY(drop(x, x->dir, "ken.json", err));
    TRY(exchange_parts(x, err));
    TRY(move(x, "job.json", err));
    TRY(move(x, "manifest.jsonl", err));
    TRY(move(x, "ken.json", err));
    file_join(&x->to, x->dir, "ken.json");
    TRY(file_sync_parent(x->to.data, err));
    TRY(drop(x, x->next, "lock", err));
    TRY(drop(x, x->next, "done", err));
    if (rmdir(x->next) != 0 && errno != ENOENT)
        return output_error(err, errno, "remove folder", x->next);
    return KEN_OK;
}

static ken_status take_over(const char *dir, const char *next, ken_error *err) {
    exchange x = {.dir = dir, .next = next};
    buf_init(&x.from, PATH_MAX);
    buf_init(&x.to, PATH_MAX);
    ken_status status = run_exchange(&x, err);
    buf_free(&x.from);
    buf_free(&x.to);
    return status;
}

/* ---- the update ------------------------------------------------------------------------------ */

static ken_status rebuild(embed_job *job, const char *dir, const char *next, ken_error *err) {
    old_rows old = {.report = job->report};
    embed_options options = *job->options;
    const embed_options *asked = job->options;
    ken_status status = read_old(&old, dir, err);
    if (status == KEN_OK)
        status = collection_meta_match(collection_get_meta(old.from), dir, &job->meta,
                                       "the model in use", err);
    options.pipeline.reuse = reuse;
    options.pipeline.reuse_context = &old;
    job->options = &options;
    job->parts_dir = next;
    const char *errors_path = job->errors_path;
    job->errors_path = arena_printf(&job->memory, "%s/errors.csv", next);
    if (status == KEN_OK && !job->errors_path)
        status = error_no_memory(err, PATH_MAX);
    if (status == KEN_OK)
        status = embed_job_run(job, err);
    for (size_t i = 0; i < old.n; i++)
        job->report->n_removed += !old.rows[i].seen;
    old_rows_free(&old);
    job->options = asked;
    job->errors_path = errors_path;
    if (job->report->n_failed)
        snprintf(job->report->errors_path, sizeof job->report->errors_path, "%s", errors_path);
    if (status != KEN_OK)
        return status;
    char *done = arena_printf(&job->memory, "%s/done", next);
    if (!done)
        return error_no_memory(err, PATH_MAX);
    TRY(output_failed(err, file_write_atomic(done, "", 0, err)));
    return take_over(dir, next, err);
}

ken_status embed_update(embed_job *job, ken_error *err) {
    const char *dir = job->parts_dir;
    if (!job->folder)
        return error_hint(err,
                          error_set(err, KEN_BAD_ARGUMENT,
                                    "--update needs a folder as output, '%s' is a file",
                                    job->output),
                          "make the collection with '-o FOLDER/', or make the file anew with "
                          "--restart");
    if (inputs_are_texts(job->in))
        return error_set(err, KEN_BAD_ARGUMENT, "--update works on images, not on texts");
    char *next = arena_printf(&job->memory, "%s/next", dir);
    char *done = arena_printf(&job->memory, "%s/next/done", dir);
    char *seal = arena_printf(&job->memory, "%s/ken.json", dir);
    if (!next || !done || !seal)
        return error_no_memory(err, PATH_MAX);
    parts lock = {.lock_fd = -1};
    /* No lock is left in a folder that is somebody else's. */
    bool ours = file_exists(seal) || file_exists(done);
    ken_status status = ours ? parts_lock(dir, &lock, err) : KEN_OK;
    if (status == KEN_OK && file_exists(done))
        status = take_over(dir, next, err);
    bool finished = ours && file_exists(seal);
    if (status == KEN_OK && finished)
        status = rebuild(job, dir, next, err);
    parts_close(&lock);
    /* Nothing to update yet: the first run. */
    return status == KEN_OK && !finished ? embed_job_run(job, err) : status;
}
