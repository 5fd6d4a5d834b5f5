/* tasks/embed/embed.c: the beginning of a job: what it is, where it goes, what is there already. */
#include "tasks/embed/embed.h"

#include "base/file.h"
#include "base/sys.h"
#include "tasks/embed/embed_job.h"
#include "tasks/embed/embed_update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

ken_status embed_output_is_folder(const char *output, bool *folder, ken_error *err) {
    size_t n = strlen(output);
    *folder = n && (output[n - 1] == '/' || file_is_directory(output));
    if (*folder || (n > 8 && strcmp(file_extension(output), ".parquet") == 0))
        return KEN_OK;
    return error_hint(err,
                      error_set(err, KEN_BAD_ARGUMENT,
                                "output '%s' is neither a .parquet file nor a folder", output),
                      "name it 'photos.parquet' for one file, 'photos/' for a folder of parts");
}

/* At the speeds measured for f32 on two cores, a part of this size takes less than a minute. It may
 * depend on nothing but the model: the parts of a resumed job must begin where the first run's did.
 */
static uint64_t choose_part_rows(const ken_model *model, const embed_options *o) {
    if (o->part_rows)
        return o->part_rows;
    ken_model_info info;
    ken_model_get_info(model, &info);
    return info.n_parameters < 50000000 ? 2048 : info.n_parameters < 250000000 ? 256 : 64;
}

static ken_status name_outputs(embed_job *job, ken_error *err) {
    const embed_options *o = job->options;
    TRY(embed_output_is_folder(o->output, &job->folder, err));
    size_t n = strlen(o->output);
    while (job->folder && n > 1 && o->output[n - 1] == '/')
        n--;
    arena *a = &job->memory;
    job->output = arena_strndup(a, o->output, n);
    if (job->folder && job->output && o->shard_count) {
        if (mkdir(job->output, 0777) != 0 && errno != EEXIST)
            return output_error(err, errno, "create folder", job->output);
        job->output =
            arena_printf(a, "%s/shard-%05d-of-%05d", job->output, o->shard_index, o->shard_count);
    }
    if (!job->output)
        return error_no_memory(err, n);
    int stem = (int)(file_extension(job->output) - job->output);
    job->parts_dir = job->folder ? job->output : arena_printf(a, "%s.parts", job->output);
    job->errors_path = job->folder ? arena_printf(a, "%s/errors.csv", job->output)
                                   : arena_printf(a, "%.*s.errors.csv", stem, job->output);
    return job->parts_dir && job->errors_path ? KEN_OK : error_no_memory(err, n);
}

static ken_status set_metadata(embed_job *job, ken_error *err) {
    TRY(collection_meta_of_model(job->model, job->options->model_id, job->options->model_revision,
                                 job->options->pipeline.preprocess, !inputs_are_texts(job->in),
                                 &job->memory, &job->meta, err));
    char *dim = arena_printf(&job->memory, "%d", job->meta.dim);
    if (!dim)
        return error_no_memory(err, 16);
    collection_meta_entries(&job->meta, dim, job->metadata);
    job->metadata[COLLECTION_META_ENTRIES] = (table_metadata){"ken.job", job->hash};
    return KEN_OK;
}

/* The same bits are promised for one CPU tier, so an interrupted job goes on with the tier that it
 * was begun with. A finished one is the same job's on every machine: the hash leaves the tier out.
 */
static ken_status set_facts(embed_job *job, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(job->model, &info);
    char *print = arena_alloc(&job->memory, HASH_XXH128_HEX);
    const pipeline_options *p = &job->options->pipeline;
    char *limits = arena_printf(&job->memory, "max_pixels %llu strict %d max_file_bytes %llu",
                                (unsigned long long)p->limits.max_pixels, p->limits.strict,
                                (unsigned long long)p->max_file_bytes);
    char *rows = arena_printf(&job->memory, "%llu", (unsigned long long)job->part_rows);
    if (!print || !limits || !rows)
        return error_no_memory(err, 256);
    inputs_fingerprint(job->in, print);
    const job_fact facts[job_facts] = {{"inputs", print},
                                       {"kind", job->meta.kind},
                                       {"weights_sha256", job->meta.weights_sha256},
                                       {"preprocess_sha256", job->meta.preprocess_sha256},
                                       {"precision", job->meta.precision},
                                       {"limits", limits},
                                       {"part_rows", rows},
                                       {"program_version", ken_version()},
                                       {"cpu_tier", info.cpu_tier}};
    memcpy(job->facts, facts, sizeof facts);
    buf text;
    buf_init(&text, 65536);
    parts_describe(job->facts, hashed_job_facts, &text);
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        hash_xxh128(text.data, text.size, job->hash);
    buf_free(&text);
    return status;
}

ken_status embed_job_begin(embed_job *job, ken_error *err) {
    job->part_rows = choose_part_rows(job->model, job->options);
    TRY(name_outputs(job, err));
    TRY(set_metadata(job, err));
    TRY(set_facts(job, err));
    ken_model_info info;
    ken_model_get_info(job->model, &info);
    return row_layout_init(job->in, info.embedding_width, &job->layout, err);
}

void embed_job_end(embed_job *job) {
    table_writer_free(job->rows);
    buf_free(&job->errors);
    row_layout_reset(&job->layout);
    parts_close(&job->parts);
    arena_free(&job->memory);
}

/* What the finished parts add up to. */
static void count(const embed_job *job, uint64_t *items, uint64_t *rows, uint64_t *failed) {
    *items = *rows = *failed = 0;
    for (size_t i = 0; i < job->parts.manifest.n; i++) {
        *items += job->parts.manifest.parts[i].items;
        *rows += job->parts.manifest.parts[i].rows;
        *failed += job->parts.manifest.parts[i].failed;
    }
}

ken_status embed_job_run(embed_job *job, ken_error *err) {
    uint64_t items, rows, failed;
    embed_report *report = job->report;
    TRY(parts_open(job->parts_dir, job->facts, job_facts, job->options->restart, &job->parts, err));
    count(job, &items, &rows, &failed);
    report->n_resumed = items;
    report->n_damaged_parts = job->parts.n_damaged;
    report->memory = embed_memory_of(job->model, job->in, &job->options->pipeline);
    embed_memory_say(&report->memory, &job->options->pipeline);
    ken_status status = embed_job_work(job, err);
    count(job, &items, &report->n_rows, &report->n_failed);
    TRY(status);
    if (report->n_failed)
        snprintf(report->errors_path, sizeof report->errors_path, "%s", job->errors_path);
    stage_time since = stage_clock();
    status = embed_job_finish(job, err);
    embed_job_note_writing(job, since);
    return status;
}

ken_status embed_run(const ken_model *model, inputs *in, const embed_options *options,
                     embed_report *report, ken_error *err) {
    embed_job *job = mem_zalloc(1, sizeof *job);
    if (!job)
        return error_no_memory(err, sizeof *job);
    *report = (embed_report){0};
    double since = sys_seconds();
    job->model = model;
    job->in = in;
    job->options = options;
    job->report = report;
    job->parts.lock_fd = -1;
    ken_status status = embed_job_begin(job, err);
    if (status == KEN_OK && !options->restart)
        status = embed_job_is_complete(job, &report->was_complete, err);
    if (status == KEN_OK && !report->was_complete)
        status = options->update ? embed_update(job, err) : embed_job_run(job, err);
    embed_job_end(job);
    mem_free(job);
    report->seconds = sys_seconds() - since;
    return status;
}
