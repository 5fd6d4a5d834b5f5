#include "tasks/collection/collection_files.h"

#include "base/file.h"
#include "tasks/collection/manifest.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { max_shards = 99999 };

void collection_files_free(collection_files *files) {
    mem_free(files->paths);
    arena_free(&files->memory);
    *files = (collection_files){0};
}

static ken_status add(collection_files *files, const char *path, ken_error *err) {
    if (files->n == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 16;
        const char **grown =
            mem_grow(files->paths, files->n * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return error_no_memory(err, capacity * sizeof *grown);
        files->paths = grown;
        files->capacity = capacity;
    }
    files->paths[files->n] = arena_strdup(&files->memory, path);
    if (!files->paths[files->n])
        return error_no_memory(err, strlen(path));
    files->n++;
    return KEN_OK;
}

static ken_status holds(const char *dir, const char *name, bool *found, ken_error *err) {
    buf path;
    buf_init(&path, PATH_MAX);
    file_join(&path, dir, name);
    ken_status status = buf_check(&path, err);
    *found = status == KEN_OK && file_exists(path.data);
    buf_free(&path);
    return status;
}

/* N of the "shard-I-of-N" in the folder, or 0; the largest of several. */
static int count_shards(const char *dir) {
    DIR *stream = opendir(dir);
    int n = 0;
    struct dirent *entry;
    while (stream && (entry = readdir(stream)) != NULL) {
        int index, count, used = 0;
        if (sscanf(entry->d_name, "shard-%5d-of-%5d%n", &index, &count, &used) == 2 &&
            !entry->d_name[used] && count > n && count <= max_shards)
            n = count;
    }
    if (stream)
        closedir(stream);
    return n;
}

bool collection_is_folder(const char *path) {
    bool sealed;
    return (holds(path, "ken.json", &sealed, NULL) == KEN_OK && sealed) || count_shards(path) > 0;
}

static ken_status refuse_unfinished(const char *dir, ken_error *err) {
    bool begun;
    TRY(holds(dir, "job.json", &begun, err));
    if (!begun)
        return error_hint(err, error_set(err, KEN_NOT_FOUND, "'%s' holds no collection", dir),
                          "make one with 'ken embed INPUT... -o FOLDER/'");
    return error_hint(err, error_set(err, KEN_UNAVAILABLE, "collection '%s' is not finished", dir),
                      "give the same 'ken embed' command again: it goes on where it stopped");
}

static ken_status add_parts(collection_files *files, const char *dir, ken_error *err) {
    bool sealed;
    TRY(holds(dir, "ken.json", &sealed, err));
    if (!sealed)
        return refuse_unfinished(dir, err);
    buf path;
    buf_init(&path, PATH_MAX);
    manifest parts;
    ken_status status = file_join(&path, dir, "manifest.jsonl")
                            ? manifest_read(path.data, &parts, err)
                            : error_no_memory(err, PATH_MAX);
    if (status == KEN_OK) {
        for (size_t i = 0; i < parts.n && status == KEN_OK; i++) {
            part_file_name(&path, dir, parts.parts[i].part);
            status = buf_check(&path, err);
            if (status == KEN_OK && (parts.parts[i].rows || i == 0))
                status = add(files, path.data, err);
        }
        if (status == KEN_OK && !parts.n)
            status = error_set(err, KEN_BAD_FORMAT, "'%s': manifest.jsonl names no parts", dir);
        manifest_free(&parts);
    }
    buf_free(&path);
    return status;
}

ken_status collection_files_find(const char *path, collection_files *out, ken_error *err) {
    *out = (collection_files){0};
    if (!file_is_directory(path))
        return add(out, path, err);
    bool sealed;
    TRY(holds(path, "ken.json", &sealed, err));
    int n_shards = sealed ? 0 : count_shards(path);
    if (!n_shards)
        return add_parts(out, path, err);
    char shard[PATH_MAX];
    for (int i = 0; i < n_shards; i++) {
        int n = snprintf(shard, sizeof shard, "%s/shard-%05d-of-%05d", path, i, n_shards);
        if (n < 0 || (size_t)n >= sizeof shard)
            return error_set(err, KEN_BAD_ARGUMENT, "path '%s' is too long", path);
        TRY(add_parts(out, shard, err));
    }
    return KEN_OK;
}
