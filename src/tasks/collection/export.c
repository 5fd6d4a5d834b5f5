#include "tasks/collection/export.h"

#include "base/file.h"
#include "formats/npy.h"
#include "tasks/collection/collection.h"
#include "tasks/collection/export_rows.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool export_format_named(const char *name, export_format *out) {
    static const char *const names[] = {[EXPORT_NPY] = "npy",
                                        [EXPORT_CLIP_RETRIEVAL] = "clip-retrieval",
                                        [EXPORT_JSONL] = "jsonl",
                                        [EXPORT_CSV] = "csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (export_format)i;
            return true;
        }
    }
    return false;
}

static ken_status write_vectors(const collection *c, const char *path, ken_error *err) {
    int64_t shape[2] = {(int64_t)collection_n_rows(c), collection_get_meta(c)->dim};
    return npy_write(path, KEN_DTYPE_F32, 2, shape, collection_embeddings(c), err);
}

/* "vectors.npy" and "vectors.ids.txt" */
static ken_status export_npy(const collection *c, const char *output, ken_error *err) {
    bool named = strcmp(file_extension(output), ".npy") == 0;
    int stem = named ? (int)(file_extension(output) - output) : (int)strlen(output);
    buf path, ids;
    buf_init(&path, PATH_MAX);
    buf_init(&ids, SIZE_MAX / 4);
    buf_printf(&path, "%.*s.ids.txt", stem, output);
    for (size_t i = 0; i < collection_n_rows(c); i++) {
        buf_puts(&ids, collection_id(c, i));
        buf_putc(&ids, '\n');
    }
    ken_status status = buf_check(&path, err);
    if (status == KEN_OK)
        status = buf_check(&ids, err);
    if (status == KEN_OK)
        status = file_write_atomic(path.data, ids.data ? ids.data : "", ids.size, err);
    buf_clear(&path);
    buf_printf(&path, "%.*s.npy", stem, output);
    if (status == KEN_OK)
        status = buf_check(&path, err);
    if (status == KEN_OK)
        status = write_vectors(c, path.data, err);
    buf_free(&ids);
    buf_free(&path);
    return status;
}

/* ---- clip-retrieval
 * ------------------------------------------------------------------------------ */

static ken_status make_folder(const char *path, ken_error *err) {
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && file_is_directory(path)))
        return KEN_OK;
    error_errno(err, errno, "could not create folder '%s'", path);
    if (err)
        err->status = KEN_CANNOT_CREATE;
    return KEN_CANNOT_CREATE;
}

/* OUT/FOLDER/NAME, the folder made. */
static ken_status place(const char *output, const char *folder, const char *name, buf *path,
                        ken_error *err) {
    file_join(path, output, folder);
    TRY(buf_check(path, err));
    TRY(make_folder(path->data, err));
    buf_printf(path, "/%s", name);
    return buf_check(path, err);
}

static ken_status write_metadata(const collection *c, const char *path, ken_error *err) {
    buf tmp;
    buf_init(&tmp, PATH_MAX);
    buf_printf(&tmp, "%s.tmp-%ld", path, (long)getpid());
    ken_status status = buf_check(&tmp, err);
    if (status == KEN_OK)
        status = export_metadata_table(c, tmp.data, err);
    if (status == KEN_OK && rename(tmp.data, path) != 0)
        status = error_errno(err, errno, "could not create '%s'", path);
    if (status == KEN_OK)
        status = file_sync_parent(path, err);
    else if (tmp.data)
        unlink(tmp.data);
    buf_free(&tmp);
    return status;
}

static ken_status export_clip_retrieval(const collection *c, const char *output, ken_error *err) {
    bool images = strcmp(collection_get_meta(c)->kind, "image") == 0;
    buf path;
    buf_init(&path, PATH_MAX);
    ken_status status = make_folder(output, err);
    if (status == KEN_OK)
        status = place(output, images ? "img_emb" : "text_emb",
                       images ? "img_emb_0.npy" : "text_emb_0.npy", &path, err);
    if (status == KEN_OK)
        status = write_vectors(c, path.data, err);
    if (status == KEN_OK)
        status = place(output, "metadata", "metadata_0.parquet", &path, err);
    if (status == KEN_OK)
        status = write_metadata(c, path.data, err);
    buf_free(&path);
    return status;
}

ken_status export_collection(const char *path, export_format format, const char *output,
                             uint64_t *n_rows, ken_error *err) {
    collection *c;
    TRY(collection_open(path, &c, err));
    *n_rows = collection_n_rows(c);
    ken_status status;
    if (format == EXPORT_NPY)
        status = export_npy(c, output, err);
    else if (format == EXPORT_CLIP_RETRIEVAL)
        status = export_clip_retrieval(c, output, err);
    else
        status = export_text_rows(c, format == EXPORT_JSONL, output, err);
    collection_close(c);
    return status;
}
