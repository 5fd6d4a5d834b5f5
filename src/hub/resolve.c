/* hub/resolve.c: finds a model's directory: as a path, among ken's own files, or in the cache that
 * Hugging Face's tools fill. */
#include "hub/resolve.h"

#include "base/file.h"
#include "base/mem.h"
#include "hub/spelling.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ken_status fill(model_location *out, const char *dir, const char *id, const char *revision,
                       ken_error *err) {
    *out = (model_location){mem_strdup(dir), mem_strdup(id), mem_strdup(revision)};
    if (out->dir && out->id && out->revision)
        return KEN_OK;
    model_location_free(out);
    return error_no_memory(err, strlen(dir) + 1);
}

void model_location_free(model_location *location) {
    if (!location)
        return;
    mem_free(location->dir);
    mem_free(location->id);
    mem_free(location->revision);
    *location = (model_location){0};
}

/* ---- directories ------------------------------------------------------------------------------
 */

/* A snapshot in a hub cache, ".../models--org--name/snapshots/COMMIT", says who it is. */
static bool is_snapshot(const char *real, char *id, size_t id_size, const char **commit) {
    static const char prefix[] = "models--", middle[] = "/snapshots/";
    const char *at = strstr(real, middle);
    if (!at || strchr(at + strlen(middle), '/'))
        return false;
    const char *begin = at;
    while (begin > real && begin[-1] != '/')
        begin--;
    if (strncmp(begin, prefix, strlen(prefix)) != 0)
        return false;
    begin += strlen(prefix);
    size_t used = 0;
    while (begin < at && used + 1 < id_size) {
        bool separator = at - begin > 2 && begin[0] == '-' && begin[1] == '-';
        id[used++] = separator ? '/' : *begin;
        begin += separator ? 2 : 1;
    }
    id[used] = '\0';
    *commit = at + strlen(middle);
    return true;
}

static ken_status from_directory(const char *path, model_location *out, ken_error *err) {
    char real[PATH_MAX], id[256];
    const char *commit;
    if (!realpath(path, real))
        return error_set(err, KEN_NOT_FOUND, "model '%s' is not there", path);
    if (is_snapshot(real, id, sizeof id, &commit))
        return fill(out, path, id, commit, err);
    return fill(out, path, file_name(real), "", err);
}

/* The weights file of a directory stands for the directory. */
static ken_status from_file(const char *path, model_location *out, ken_error *err) {
    if (strcmp(file_extension(path), ".safetensors") != 0) {
        error_set(err, KEN_UNSUPPORTED, "model '%s' is neither a directory nor a .safetensors file",
                  path);
        return error_hint(err, KEN_UNSUPPORTED,
                          "give the directory that holds the model's configuration and weights");
    }
    char dir[PATH_MAX];
    size_t n = (size_t)(file_name(path) - path);
    if (n >= sizeof dir)
        return error_set(err, KEN_BAD_ARGUMENT, "the path '%.100s...' is too long", path);
    snprintf(dir, sizeof dir, "%.*s", (int)n, path);
    while (n > 1 && dir[n - 1] == '/')
        dir[--n] = '\0';
    return from_directory(n ? dir : ".", out, err);
}

static ken_status from_path(const char *path, model_location *out, ken_error *err) {
    if (file_is_directory(path))
        return from_directory(path, out, err);
    if (file_exists(path))
        return from_file(path, out, err);
    error_set(err, KEN_NOT_FOUND, "model '%s' is not there", path);
    return error_hint(err, KEN_NOT_FOUND,
                      "give a model's directory, ORG/REPO of a downloaded one, or 'demo'");
}

static ken_status from_demo(const char *const *data_dirs, model_location *out, ken_error *err) {
    buf path;
    buf_init(&path, PATH_MAX);
    ken_status status = KEN_NOT_FOUND;
    for (; data_dirs && *data_dirs && status == KEN_NOT_FOUND; data_dirs++)
        if (file_join(&path, *data_dirs, "models/demo") && file_is_directory(path.data))
            status = fill(out, path.data, "demo", "", err);
    buf_free(&path);
    if (status == KEN_NOT_FOUND) {
        error_set(err, status, "the demonstration model is not installed");
        error_hint(err, status, "run ken from its checkout, or install it with its data folder");
    }
    return status;
}

/* ---- the hub's cache --------------------------------------------------------------------------
 */

/* The cache's folder of a repository: "models--org--name". */
static bool repo_folder(buf *out, const char *hf_cache, const char *repo) {
    file_join(out, hf_cache, "models--");
    for (; *repo; repo++)
        buf_puts(out, *repo == '/' ? "--" : (char[2]){*repo, '\0'});
    return !out->failed;
}

/* The commit that refs/REVISION holds. */
static bool read_ref(const char *folder, const char *revision, char *commit, size_t size) {
    buf path, text;
    buf_init(&path, PATH_MAX);
    buf_init(&text, size - 1);
    buf_printf(&path, "%s/refs/%s", folder, revision);
    bool found = !path.failed && file_read(path.data, &text, NULL) == KEN_OK && text.size;
    size_t n = found ? strspn(text.data, "0123456789abcdefABCDEF") : 0;
    if (n)
        snprintf(commit, size, "%.*s", (int)n, text.data);
    buf_free(&path);
    buf_free(&text);
    return n > 0;
}

/* A download by commit leaves no ref; a single snapshot is then the one that is meant. */
static bool only_snapshot(const char *folder, char *commit, size_t size) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/snapshots", folder);
    DIR *stream = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
    int n_found = 0;
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        if (entry->d_name[0] != '.' && strlen(entry->d_name) < size) {
            snprintf(commit, size, "%s", entry->d_name);
            n_found++;
        }
    if (stream)
        closedir(stream);
    return n_found == 1;
}

static bool has_snapshot(buf *path, const char *folder, const char *commit) {
    buf_clear(path);
    buf_printf(path, "%s/snapshots/%s", folder, commit);
    return !path->failed && file_is_directory(path->data);
}

static bool find_snapshot(const char *folder, const spelling *name, buf *path, char *commit,
                          size_t size) {
    const char *revision = name->revision[0] ? name->revision : "main";
    if (read_ref(folder, revision, commit, size) && has_snapshot(path, folder, commit))
        return true;
    if (name->revision[0]) {
        snprintf(commit, size, "%s", name->revision);
        return !strchr(commit, '/') && has_snapshot(path, folder, commit);
    }
    return only_snapshot(folder, commit, size) && has_snapshot(path, folder, commit);
}

static ken_status not_downloaded(const spelling *name, const char *hf_cache, ken_error *err) {
    const char *at = name->revision[0] ? "@" : "";
    error_set(err, KEN_NOT_FOUND, "model '%s%s%s' is not on this machine (looked in '%s')",
              name->repo, at, name->revision, hf_cache ? hf_cache : "no cache folder");
    return error_hint(err, KEN_NOT_FOUND,
                      "download it with: hf download %s%s%s, then run the same command; or give a "
                      "model's directory",
                      name->repo, name->revision[0] ? " --revision " : "", name->revision);
}

static ken_status from_cache(const spelling *name, const char *hf_cache, model_location *out,
                             ken_error *err) {
    buf folder, path;
    buf_init(&folder, PATH_MAX);
    buf_init(&path, PATH_MAX);
    char commit[129];
    ken_status status;
    if (hf_cache && repo_folder(&folder, hf_cache, name->repo) &&
        find_snapshot(folder.data, name, &path, commit, sizeof commit))
        status = fill(out, path.data, name->repo, commit, err);
    else
        status = not_downloaded(name, hf_cache, err);
    buf_free(&folder);
    buf_free(&path);
    return status;
}

ken_status model_resolve(const char *spec, const char *hf_cache, const char *const *data_dirs,
                         model_location *out, ken_error *err) {
    *out = (model_location){0};
    spelling name;
    TRY(spelling_parse(spec, &name, err));
    switch (name.kind) {
    case SPELLING_DEMO:
        return from_demo(data_dirs, out, err);
    case SPELLING_REPO:
        return from_cache(&name, hf_cache, out, err);
    case SPELLING_EITHER:
        if (!file_exists(name.path))
            return from_cache(&name, hf_cache, out, err);
        return from_path(name.path, out, err);
    case SPELLING_LOCAL:
        if (!file_is_directory(name.path))
            return error_set(err, KEN_NOT_FOUND, "model directory '%s' is not there", name.path);
        return from_directory(name.path, out, err);
    case SPELLING_PATH:
        break;
    }
    return from_path(name.path, out, err);
}
