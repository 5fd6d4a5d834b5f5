/* tasks/classify/samples.c: filling the table of samples. */
#include "tasks/classify/samples.h"

#include "base/file.h"
#include "tasks/classify/csv.h"

#include <string.h>

enum { first_capacity = 256 };
static const size_t max_error_table_bytes = (size_t)1 << 30;

/* ---- a collection -----------------------------------------------------------------------------
 */

/* Doubles an array of the samples when it is full. */
static ken_status make_room(void **array, size_t n, size_t *capacity, size_t item_bytes,
                            ken_error *err) {
    if (n < *capacity)
        return KEN_OK;
    size_t grown = *capacity ? 2 * *capacity : first_capacity;
    void *block = mem_grow(*array, n * item_bytes, grown * item_bytes);
    if (!block)
        return error_no_memory(err, grown * item_bytes);
    *array = block;
    *capacity = grown;
    return KEN_OK;
}

static ken_status add_failure(samples *s, const sample_failure *failure, ken_error *err) {
    void *array = s->failures;
    TRY(make_room(&array, s->n_failures, &s->failure_capacity, sizeof *s->failures, err));
    s->failures = array;
    sample_failure copy = {
        arena_strdup(&s->memory, failure->id),     arena_strdup(&s->memory, failure->path),
        arena_strdup(&s->memory, failure->stage),  arena_strdup(&s->memory, failure->reason),
        arena_strdup(&s->memory, failure->detail),
    };
    if (!copy.id || !copy.path || !copy.stage || !copy.reason || !copy.detail)
        return error_no_memory(err, strlen(failure->detail));
    s->failures[s->n_failures++] = copy;
    return KEN_OK;
}

static ken_status parse_failures(samples *s, const buf *text, const char *where, ken_error *err) {
    static const char *const names[] = {"id", "path", "stage", "reason", "detail"};
    size_t at[5];
    csv_reader csv;
    csv_open(&csv, text->data ? text->data : "", text->size, ',', where);
    ken_status status = csv_header(&csv, names, 5, at, err);
    bool more = true;
    while (status == KEN_OK) {
        status = csv_next(&csv, &more, err);
        if (status != KEN_OK || !more)
            break;
        sample_failure failure = {csv_field(&csv, at[0]), csv_field(&csv, at[1]),
                                  csv_field(&csv, at[2]), csv_field(&csv, at[3]),
                                  csv_field(&csv, at[4])};
        status = add_failure(s, &failure, err);
    }
    csv_close(&csv);
    return status;
}

/* photos.parquet -> photos.errors.csv; a directory holds errors.csv. */
static ken_status read_failures(samples *s, const char *path, ken_error *err) {
    buf name, text;
    buf_init(&name, 8192);
    buf_init(&text, max_error_table_bytes);
    if (file_is_directory(path))
        file_join(&name, path, "errors.csv");
    else
        buf_printf(&name, "%.*s.errors.csv", (int)(strlen(path) - strlen(file_extension(path))),
                   path);
    ken_status status = buf_check(&name, err);
    if (status == KEN_OK && file_exists(name.data)) {
        status = file_read(name.data, &text, err);
        if (status == KEN_OK)
            status = parse_failures(s, &text, name.data, err);
    }
    buf_free(&name);
    buf_free(&text);
    return status;
}

static ken_status list_rows(samples *s, ken_error *err) {
    s->n = collection_n_rows(s->collection);
    s->ids = mem_zalloc(s->n, sizeof *s->ids);
    s->paths = mem_zalloc(s->n, sizeof *s->paths);
    if (!s->ids || !s->paths)
        return error_no_memory(err, s->n * sizeof *s->ids);
    for (size_t i = 0; i < s->n; i++) {
        s->ids[i] = collection_id(s->collection, i);
        s->paths[i] = collection_path(s->collection, i);
    }
    s->embeddings = collection_embeddings(s->collection);
    return KEN_OK;
}

static ken_status open_collection(samples *s, const char *path, ken_error *err) {
    TRY(collection_open(path, &s->collection, err));
    s->meta = *collection_get_meta(s->collection);
    s->dim = (size_t)s->meta.dim;
    if (!s->meta.kind || strcmp(s->meta.kind, "image") != 0) {
        ken_status status = error_set(err, KEN_BAD_ARGUMENT, "'%s' holds embeddings of kind '%s'",
                                      path, s->meta.kind ? s->meta.kind : "");
        return error_hint(err, status, "give a collection of images");
    }
    TRY(list_rows(s, err));
    return read_failures(s, path, err);
}

ken_status samples_open(const char *path, samples **out, ken_error *err) {
    *out = NULL;
    samples *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err, sizeof *s);
    ken_status status = open_collection(s, path, err);
    if (status == KEN_OK)
        *out = s;
    else
        samples_free(s);
    return status;
}

/* ---- embedding on the fly ---------------------------------------------------------------------
 */

static ken_status grow_rows(samples *s, ken_error *err) {
    if (s->n < s->capacity)
        return KEN_OK;
    void *ids = s->ids, *paths = s->paths, *rows = s->owned;
    size_t capacity = s->capacity;
    TRY(make_room(&ids, s->n, &capacity, sizeof *s->ids, err));
    s->ids = ids;
    capacity = s->capacity;
    TRY(make_room(&paths, s->n, &capacity, sizeof *s->paths, err));
    s->paths = paths;
    capacity = s->capacity;
    TRY(make_room(&rows, s->n, &capacity, s->dim * sizeof *s->owned, err));
    s->embeddings = s->owned = rows;
    s->capacity = capacity;
    return KEN_OK;
}

static ken_status take_item(void *context, const embed_item *item, ken_error *err) {
    samples *s = context;
    if (!item->embedding) {
        sample_failure failure = {item->id, item->path ? item->path : "",
                                  item->stage ? item->stage : "", item->reason ? item->reason : "",
                                  item->detail ? item->detail : ""};
        return add_failure(s, &failure, err);
    }
    TRY(grow_rows(s, err));
    s->ids[s->n] = arena_strdup(&s->memory, item->id);
    s->paths[s->n] = arena_strdup(&s->memory, item->path ? item->path : "");
    if (!s->ids[s->n] || !s->paths[s->n])
        return error_no_memory(err, strlen(item->id));
    memcpy(s->owned + s->n * s->dim, item->embedding, s->dim * sizeof *s->owned);
    s->n++;
    return KEN_OK;
}

ken_status samples_embed(const ken_model *model, const collection_meta *meta,
                         const inputs_options *input_options, const pipeline_options *options,
                         samples **out, ken_error *err) {
    *out = NULL;
    samples *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err, sizeof *s);
    s->meta = *meta;
    s->dim = (size_t)meta->dim;
    inputs *in = NULL;
    ken_status status = inputs_open(input_options, &in, err);
    if (status == KEN_OK && inputs_are_texts(in))
        status = error_set(err, KEN_BAD_ARGUMENT, "the input is texts, expected images");
    pipeline_stats stats;
    if (status == KEN_OK)
        status = pipeline_run(model, in, 0, options, take_item, s, &stats, err);
    inputs_close(in);
    if (status == KEN_OK)
        *out = s;
    else
        samples_free(s);
    return status;
}

void samples_free(samples *s) {
    if (!s)
        return;
    collection_close(s->collection);
    mem_free(s->ids);
    mem_free(s->paths);
    mem_free(s->owned);
    mem_free(s->failures);
    arena_free(&s->memory);
    mem_free(s);
}

bool samples_put_errors(const samples *s, buf *out) {
    buf_puts(out, "id,path,stage,reason,detail\n");
    for (size_t i = 0; i < s->n_failures; i++) {
        const sample_failure *f = &s->failures[i];
        const char *fields[] = {f->id, f->path, f->stage, f->reason, f->detail};
        for (size_t j = 0; j < 5; j++) {
            buf_put_csv(out, fields[j], strlen(fields[j]));
            buf_putc(out, j < 4 ? ',' : '\n');
        }
    }
    return !out->failed;
}
