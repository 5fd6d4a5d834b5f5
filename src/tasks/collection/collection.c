#include "tasks/collection/collection.h"

#include "base/checked.h"
#include "base/file.h"
#include "tasks/collection/collection_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { max_dim = 1 << 20 };

struct collection {
    arena memory;
    collection_meta meta;
    collection_files files;
    size_t n_rows;
    const char **ids, **paths;
    float *embeddings;
};

void collection_close(collection *c) {
    if (!c)
        return;
    collection_files_free(&c->files);
    mem_free(c->ids);
    mem_free(c->paths);
    mem_free(c->embeddings);
    arena_free(&c->memory);
    mem_free(c);
}

const collection_meta *collection_get_meta(const collection *c) {
    return &c->meta;
}

size_t collection_n_rows(const collection *c) {
    return c->n_rows;
}

const char *collection_id(const collection *c, size_t row) {
    return c->ids[row];
}

const char *collection_path(const collection *c, size_t row) {
    return c->paths[row];
}

const float *collection_embeddings(const collection *c) {
    return c->embeddings;
}

const char *const *collection_part_paths(const collection *c, size_t *n) {
    *n = c->files.n;
    return c->files.paths;
}

/* ---- metadata -------------------------------------------------------------------------------- */

static ken_status parse_dim(const char *text, const char *where, int *out, ken_error *err) {
    char *end = NULL;
    long value = text ? strtol(text, &end, 10) : 0;
    if (!text || *end || end == text || value < 1 || value > max_dim)
        return error_set(err, KEN_BAD_FORMAT, "'%s': ken.dim is '%.32s', expected 1 to %d", where,
                         text ? text : "", max_dim);
    *out = (int)value;
    return KEN_OK;
}

ken_status collection_read_meta(const table_reader *r, const char *where, arena *memory,
                                collection_meta *out, ken_error *err) {
    const struct {
        const char *key;
        const char **to;
    } fields[] = {
        {"ken.format_version", &out->format_version},
        {"ken.program_version", &out->program_version},
        {"ken.model_id", &out->model_id},
        {"ken.model_revision", &out->model_revision},
        {"ken.weights_sha256", &out->weights_sha256},
        {"ken.preprocess", &out->preprocess},
        {"ken.preprocess_sha256", &out->preprocess_sha256},
        {"ken.precision", &out->precision},
        {"ken.precision_cosine_min", &out->precision_cosine_min},
        {"ken.kind", &out->kind},
    };
    const char *s16_layers = table_reader_metadata(r, "ken.precision_s16_layers");
    out->precision_s16_layers = arena_strdup(memory, s16_layers ? s16_layers : "");
    if (!out->precision_s16_layers)
        return error_no_memory(err, 1);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *value = table_reader_metadata(r, fields[i].key);
        if (!value)
            return error_hint(err,
                              error_set(err, KEN_BAD_FORMAT,
                                        "'%s' is not a collection: it has no '%s' metadata", where,
                                        fields[i].key),
                              "make one with 'ken embed'");
        *fields[i].to = arena_strdup(memory, value);
        if (!*fields[i].to)
            return error_no_memory(err, strlen(value));
    }
    if (strcmp(out->format_version, "1") != 0)
        return error_hint(err,
                          error_set(err, KEN_UNSUPPORTED,
                                    "'%s' has format version '%.32s', this program knows '1'",
                                    where, out->format_version),
                          "read it with the newer ken that wrote it");
    if (strcmp(out->kind, "image") != 0 && strcmp(out->kind, "text") != 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s': ken.kind is '%.32s', expected image or text",
                         where, out->kind);
    return parse_dim(table_reader_metadata(r, "ken.dim"), where, &out->dim, err);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static ken_status make_room(collection *c, size_t n_rows, ken_error *err) {
    size_t bytes;
    if (!checked_mul3(n_rows, (size_t)c->meta.dim, sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX);
    c->ids = mem_zalloc(n_rows + 1, sizeof *c->ids);
    c->paths = mem_zalloc(n_rows + 1, sizeof *c->paths);
    c->embeddings = mem_alloc(bytes);
    if (!c->ids || !c->paths || !c->embeddings)
        return error_no_memory(err, bytes);
    return KEN_OK;
}

static ken_status bad_row(const char *path, size_t row, const char *id, const char *what,
                          ken_error *err) {
    return error_hint(
        err, error_set(err, KEN_BAD_FORMAT, "'%s': row %zu ('%.200s'): %s", path, row, id, what),
        "make the collection again with 'ken embed --restart'");
}

static ken_status copy_vector(collection *c, const char *path, const float *from, ken_error *err) {
    size_t dim = (size_t)c->meta.dim;
    float *to = c->embeddings + c->n_rows * dim;
    double square = 0;
    memcpy(to, from, dim * sizeof *to);
    for (size_t i = 0; i < dim; i++)
        square += (double)to[i] * to[i];
    if (!isfinite(square))
        return bad_row(path, c->n_rows, c->ids[c->n_rows], "the embedding is not finite", err);
    if (square == 0)
        return bad_row(path, c->n_rows, c->ids[c->n_rows], "the embedding is zero", err);
    return KEN_OK;
}

static ken_status copy_name(collection *c, const table_value *value, const char **out,
                            ken_error *err) {
    *out = value->is_null ? "" : arena_strndup(&c->memory, value->bytes, value->size);
    return *out ? KEN_OK : error_no_memory(err, value->size);
}

/* `row`: id, embedding and, for images, path. */
static ken_status add_row(collection *c, const char *path, const table_value *row, bool images,
                          ken_error *err) {
    c->paths[c->n_rows] = "";
    TRY(copy_name(c, &row[0], &c->ids[c->n_rows], err));
    if (images)
        TRY(copy_name(c, &row[2], &c->paths[c->n_rows], err));
    if (row[1].is_null)
        return bad_row(path, c->n_rows, c->ids[c->n_rows], "the embedding is missing", err);
    TRY(copy_vector(c, path, row[1].vector, err));
    c->n_rows++;
    return KEN_OK;
}

static ken_status read_rows(collection *c, const char *path, ken_error *err) {
    static const char *const columns[] = {"id", "embedding", "path"};
    bool images = strcmp(c->meta.kind, "image") == 0;
    table_reader *r;
    TRY(table_reader_open(c->files.paths, c->files.n, columns, images ? 3 : 2, &r, err));
    int width = 0;
    ken_status status = KEN_OK;
    uint64_t n_rows = table_reader_n_rows(r);
    if (table_reader_column_type(r, 0, NULL) != TABLE_TEXT)
        status = error_set(err, KEN_BAD_FORMAT, "'%s': column 'id' does not hold text", path);
    else if (table_reader_column_type(r, 1, &width) != TABLE_VECTOR ||
             (n_rows && width != c->meta.dim))
        status = error_set(err, KEN_BAD_FORMAT,
                           "'%s': column 'embedding' does not hold vectors of %d floats", path,
                           c->meta.dim);
    else if (n_rows > SIZE_MAX / 2)
        status = error_no_memory(err, SIZE_MAX);
    else
        status = make_room(c, (size_t)n_rows, err);
    bool more = true;
    while (status == KEN_OK && c->n_rows <= n_rows) {
        table_value row[3];
        status = table_reader_next(r, row, &more, err);
        if (status != KEN_OK || !more)
            break;
        status = c->n_rows < n_rows
                     ? add_row(c, path, row, images, err)
                     : error_set(err, KEN_BAD_FORMAT, "'%s' has more rows than it says", path);
    }
    table_reader_close(r);
    return status;
}

static ken_status read_meta(collection *c, const char *file, const char *where,
                            collection_meta *out, ken_error *err) {
    static const char *const columns[] = {"id"};
    table_reader *r;
    TRY(table_reader_open(&file, 1, columns, 1, &r, err));
    ken_status status = collection_read_meta(r, where, &c->memory, out, err);
    table_reader_close(r);
    return status;
}

static size_t folder_chars(const char *path) {
    return (size_t)(strrchr(path, '/') ? strrchr(path, '/') - path : 0);
}

/* The parts of one folder are one job's. Shards are made apart, perhaps by different hands. */
static ken_status check_shards(collection *c, ken_error *err) {
    for (size_t i = 1; i < c->files.n; i++) {
        const char *before = c->files.paths[i - 1], *file = c->files.paths[i];
        size_t n = folder_chars(file);
        if (n == folder_chars(before) && memcmp(file, before, n) == 0)
            continue;
        collection_meta meta = {0};
        TRY(read_meta(c, file, file, &meta, err));
        TRY(collection_meta_match(&c->meta, c->files.paths[0], &meta, file, err));
        if (strcmp(meta.kind, c->meta.kind) != 0)
            return error_set(err, KEN_BAD_FORMAT, "'%s' holds %ss, '%s' holds %ss",
                             c->files.paths[0], c->meta.kind, file, meta.kind);
    }
    return KEN_OK;
}

static ken_status open_all(collection *c, const char *path, ken_error *err) {
    TRY(collection_files_find(path, &c->files, err));
    TRY(read_meta(c, c->files.paths[0], path, &c->meta, err));
    TRY(check_shards(c, err));
    return read_rows(c, path, err);
}

ken_status collection_open(const char *path, collection **out, ken_error *err) {
    *out = NULL;
    collection *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err, sizeof *c);
    ken_status status = open_all(c, path, err);
    if (status == KEN_OK)
        *out = c;
    else
        collection_close(c);
    return status;
}

bool collection_looks_like(const char *path) {
    table_file kind;
    if (file_is_directory(path))
        return collection_is_folder(path);
    if (!table_file_kind(path, &kind) || kind != TABLE_PARQUET)
        return false;
    table_reader *r;
    if (table_reader_open(&path, 1, NULL, 0, &r, NULL) != KEN_OK)
        return false;
    bool found = table_reader_metadata(r, "ken.format_version") != NULL;
    table_reader_close(r);
    return found;
}
