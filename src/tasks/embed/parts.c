#include "tasks/embed/parts.h"

#include "base/doc.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { max_job_bytes = 1 << 20 };
static const size_t max_errors_bytes = (size_t)1 << 34;

ken_status output_error(ken_error *err, int errnum, const char *what, const char *path) {
    bool cannot_create = errnum == EACCES || errnum == EPERM || errnum == EROFS ||
                         errnum == ENOENT || errnum == ENOTDIR || errnum == EISDIR ||
                         errnum == EEXIST || errnum == ENAMETOOLONG;
    error_errno(err, errnum, "could not %s '%s'", what, path);
    if (err)
        err->status = cannot_create ? KEN_CANNOT_CREATE : KEN_IO;
    if (cannot_create)
        return KEN_CANNOT_CREATE;
    return error_hint(err, KEN_IO,
                      "the finished parts are kept: when there is room, resume with the same "
                      "command");
}

ken_status output_failed(ken_error *err, ken_status status) {
    static const char *const signs[] = {"No space left", "Disk quota", "File too large",
                                        "Input/output error", "IO Error"};
    bool io = status == KEN_IO;
    for (size_t i = 0; err && i < sizeof signs / sizeof *signs; i++)
        io = io || strstr(err->message, signs[i]);
    if (!io || status == KEN_OK)
        return status;
    if (err)
        err->status = KEN_IO;
    return error_hint(err, KEN_IO,
                      "the finished parts are kept: when there is room, resume with the same "
                      "command");
}

static ken_status inside(parts *p, const char *name, ken_error *err) {
    file_join(&p->path, p->dir, name);
    return buf_check(&p->path, err);
}

/* ---- whose folder it is ---------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* Names that a job makes; nothing else is ever removed. */
static bool is_ours(const char *name) {
    static const char *const names[] = {"lock",     "job.json", "manifest.jsonl",
                                        "ken.json", "done",     "errors.csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (starts_with(name, names[i]) && (!name[n] || starts_with(name + n, ".tmp")))
            return true;
    }
    if (starts_with(name, "joined.parquet"))
        return true;
    size_t digits = starts_with(name, "part-") ? strspn(name + 5, "0123456789") : 0;
    return digits >= 6 && (starts_with(name + 5 + digits, ".parquet") ||
                           starts_with(name + 5 + digits, ".errors"));
}

/* A folder of the user's own pictures must not become a job's. */
static ken_status check_contents(const char *dir, ken_error *err) {
    DIR *stream = opendir(dir);
    if (!stream)
        return output_error(err, errno, "open folder", dir);
    ken_status status = KEN_OK;
    struct dirent *entry;
    while (status == KEN_OK && (entry = readdir(stream)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "next") == 0 ||
            starts_with(name, "shard-") || is_ours(name))
            continue;
        error_set(err, KEN_CANNOT_CREATE, "output folder '%s' holds other files, such as '%s'", dir,
                  name);
        status = error_hint(err, KEN_CANNOT_CREATE, "name a folder that does not exist yet");
    }
    closedir(stream);
    return status;
}

static ken_status make_folder(const char *dir, ken_error *err) {
    if (mkdir(dir, 0777) == 0)
        return output_failed(err, file_sync_parent(dir, err));
    int reason = errno;
    if (reason != EEXIST || !file_is_directory(dir)) {
        ken_status status = output_error(err, reason, "create folder", dir);
        return reason == ENOENT
                   ? error_hint(err, status, "make the folder that is to hold it first")
                   : status;
    }
    return check_contents(dir, err);
}

/* ---- lock ------------------------------------------------------------------------------------ */

static ken_status refuse_locked(parts *p, ken_error *err) {
    char holder[32] = "";
    ssize_t n = pread(p->lock_fd, holder, sizeof holder - 1, 0);
    holder[n > 0 ? strspn(holder, "0123456789") : 0] = '\0';
    error_set(err, KEN_CANNOT_CREATE, "'%s' is in use by another ken%s%s", p->dir,
              holder[0] ? ", process " : "", holder);
    return error_hint(err, KEN_CANNOT_CREATE, "wait until it has finished, or stop it");
}

/* The lock is the kernel's and ends with the process; a file left behind locks nobody out. */
static ken_status take_lock(parts *p, ken_error *err) {
    TRY(inside(p, "lock", err));
    for (;;) {
        p->lock_fd = open(p->path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (p->lock_fd < 0)
            return output_error(err, errno, "create", p->path.data);
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(p->lock_fd, F_OFD_SETLK, &whole) != 0)
            return errno == EAGAIN || errno == EACCES
                       ? refuse_locked(p, err)
                       : output_error(err, errno, "lock", p->path.data);
        /* The job before may have removed the file between our open and our lock. */
        struct stat held, named;
        if (fstat(p->lock_fd, &held) == 0 && stat(p->path.data, &named) == 0 &&
            held.st_ino == named.st_ino)
            break;
        close(p->lock_fd);
    }
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(p->lock_fd, 0) != 0 || pwrite(p->lock_fd, text, (size_t)n, 0) != n)
        return output_error(err, errno, "write", p->path.data);
    return KEN_OK;
}

/* ---- what the job is ------------------------------------------------------------------------- */

bool parts_describe(const job_fact *facts, size_t n_facts, buf *out) {
    buf_puts(out, "{\n");
    for (size_t i = 0; i < n_facts; i++) {
        buf_printf(out, "  \"%s\": ", facts[i].name);
        buf_put_json(out, facts[i].value, strlen(facts[i].value));
        buf_puts(out, i + 1 < n_facts ? ",\n" : "\n");
    }
    return buf_puts(out, "}\n");
}

static ken_status compare_facts(parts *p, const json_t *was, const job_fact *facts, size_t n_facts,
                                ken_error *err) {
    for (size_t i = 0; i < n_facts; i++) {
        const char *old = json_string_value(json_object_get(was, facts[i].name));
        if (old && strcmp(old, facts[i].value) == 0)
            continue;
        error_set(err, KEN_CANNOT_CREATE,
                  "'%s' was begun by another job: %s was '%.100s', now it is '%.100s'", p->dir,
                  facts[i].name, old ? old : "", facts[i].value);
        if (old && strcmp(facts[i].name, "cpu_tier") == 0)
            return error_hint(err, KEN_CANNOT_CREATE,
                              "add --cpu %.32s to finish it with the same bits, or --restart to "
                              "begin anew",
                              old);
        return error_hint(err, KEN_CANNOT_CREATE,
                          "give the earlier command to finish it, or add --restart to begin anew");
    }
    return KEN_OK;
}

static ken_status check_job(parts *p, const job_fact *facts, size_t n_facts, ken_error *err) {
    TRY(inside(p, "job.json", err));
    if (file_exists(p->path.data)) {
        json_t *was;
        TRY(doc_read(p->path.data, max_job_bytes, &was, err));
        ken_status status = compare_facts(p, was, facts, n_facts, err);
        json_decref(was);
        return status;
    }
    buf text;
    buf_init(&text, max_job_bytes);
    parts_describe(facts, n_facts, &text);
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        status = output_failed(err, file_write_atomic(p->path.data, text.data, text.size, err));
    buf_free(&text);
    return status;
}

/* ---- parts that are there -------------------------------------------------------------------- */

static bool has_hash(const char *path, const char *hash, const uint64_t *size_bytes) {
    file_map map;
    char found[HASH_XXH128_HEX];
    if (file_map_open(path, &map, NULL) != KEN_OK)
        return false;
    bool right = !size_bytes || map.size == *size_bytes;
    if (right) {
        hash_xxh128(map.data, map.size, found);
        right = strcmp(found, hash) == 0;
    }
    file_map_close(&map);
    return right;
}

static bool is_whole(parts *p, const part_record *record) {
    bool ok = part_file_name(&p->path, p->dir, record->part) &&
              has_hash(p->path.data, record->hash, &record->size_bytes);
    if (ok && record->failed)
        ok = part_errors_name(&p->path, p->dir, record->part) &&
             has_hash(p->path.data, record->errors_hash, NULL);
    return ok;
}

/* Keeps the parts that are whole, and cuts a torn line off the manifest so that the next line does
 * not continue it. */
static ken_status check_parts(parts *p, ken_error *err) {
    TRY(inside(p, "manifest.jsonl", err));
    TRY(manifest_read(p->path.data, &p->manifest, err));
    struct stat info;
    if (stat(p->path.data, &info) == 0 && (size_t)info.st_size > p->manifest.valid_bytes &&
        truncate(p->path.data, (off_t)p->manifest.valid_bytes) != 0)
        return output_error(err, errno, "repair", p->path.data);
    size_t kept = 0;
    for (size_t i = 0; i < p->manifest.n; i++)
        if (is_whole(p, &p->manifest.parts[i]))
            p->manifest.parts[kept++] = p->manifest.parts[i];
    p->n_damaged = p->manifest.n - kept;
    p->n_resumed = p->manifest.n = kept;
    return KEN_OK;
}

/* Removes the files whose names `chosen` picks, of those that are a job's. */
static ken_status remove_chosen(parts *p, bool (*chosen)(const char *name), ken_error *err) {
    DIR *stream = opendir(p->dir);
    if (!stream)
        return output_error(err, errno, "open folder", p->dir);
    ken_status status = KEN_OK;
    struct dirent *entry;
    while (status == KEN_OK && (entry = readdir(stream)) != NULL) {
        if (!is_ours(entry->d_name) || !chosen(entry->d_name))
            continue;
        status = inside(p, entry->d_name, err);
        if (status == KEN_OK && unlink(p->path.data) != 0)
            status = output_error(err, errno, "remove", p->path.data);
    }
    closedir(stream);
    return status;
}

static bool is_temporary(const char *name) {
    return strstr(name, ".tmp") != NULL;
}

/* They go last, and the lock last of all, so that what is left after a crash half-way is still
 * known as a job's. */
static const char *const last_files[] = {"job.json", "done", "lock"};
enum { n_last_files = sizeof last_files / sizeof *last_files };

static bool is_not_last(const char *name) {
    for (int i = 0; i < n_last_files; i++)
        if (strcmp(name, last_files[i]) == 0)
            return false;
    return true;
}

/* `keep_lock`: the folder goes on being used. */
static ken_status remove_files(parts *p, bool keep_lock, ken_error *err) {
    TRY(remove_chosen(p, is_not_last, err));
    for (int i = 0; i < n_last_files - keep_lock; i++) {
        TRY(inside(p, last_files[i], err));
        if (unlink(p->path.data) != 0 && errno != ENOENT)
            return output_error(err, errno, "remove", p->path.data);
    }
    return KEN_OK;
}

ken_status parts_remove(parts *p, ken_error *err) {
    TRY(remove_files(p, false, err));
    if (rmdir(p->dir) != 0)
        return output_error(err, errno, "remove folder", p->dir);
    return output_failed(err, file_sync_parent(p->dir, err));
}

static ken_status open_all(parts *p, const job_fact *facts, size_t n_facts, bool restart,
                           ken_error *err) {
    TRY(make_folder(p->dir, err));
    TRY(take_lock(p, err));
    /* What a run that was killed had not finished writing. */
    TRY(remove_chosen(p, is_temporary, err));
    if (restart)
        TRY(remove_files(p, true, err));
    TRY(check_job(p, facts, n_facts, err));
    return check_parts(p, err);
}

static ken_status init(const char *dir, parts *out, ken_error *err) {
    *out = (parts){.lock_fd = -1, .dir = mem_strdup(dir)};
    buf_init(&out->path, PATH_MAX);
    return out->dir ? KEN_OK : error_no_memory(err, strlen(dir));
}

ken_status parts_lock(const char *dir, parts *out, ken_error *err) {
    ken_status status = init(dir, out, err);
    if (status == KEN_OK)
        status = take_lock(out, err);
    if (status != KEN_OK)
        parts_close(out);
    return status;
}

ken_status parts_open(const char *dir, const job_fact *facts, size_t n_facts, bool restart,
                      parts *out, ken_error *err) {
    TRY(init(dir, out, err));
    ken_status status = open_all(out, facts, n_facts, restart, err);
    if (status != KEN_OK)
        parts_close(out);
    return status;
}

void parts_close(parts *p) {
    if (p->lock_fd >= 0)
        close(p->lock_fd);
    manifest_free(&p->manifest);
    buf_free(&p->path);
    mem_free(p->dir);
    *p = (parts){.lock_fd = -1};
}

/* ---- writing a part -------------------------------------------------------------------------- */

static ken_status write_rows(parts *p, table_writer *rows, part_record *record, ken_error *err) {
    part_file_name(&p->path, p->dir, record->part);
    buf tmp;
    buf_init(&tmp, PATH_MAX);
    buf_printf(&tmp, "%s.tmp", p->path.data ? p->path.data : "");
    ken_status status = buf_check(&p->path, err);
    if (status == KEN_OK)
        status = buf_check(&tmp, err);
    if (status == KEN_OK)
        status = table_writer_finish(rows, tmp.data, err);
    file_map map;
    if (status == KEN_OK)
        status = file_map_open(tmp.data, &map, err);
    if (status == KEN_OK) {
        record->size_bytes = map.size;
        hash_xxh128(map.data, map.size, record->hash);
        file_map_close(&map);
        if (rename(tmp.data, p->path.data) != 0)
            status = output_error(err, errno, "rename", tmp.data);
    }
    if (status == KEN_OK)
        status = file_sync_parent(p->path.data, err);
    else if (tmp.data)
        unlink(tmp.data);
    buf_free(&tmp);
    return output_failed(err, status);
}

static ken_status append_line(parts *p, const part_record *record, ken_error *err) {
    buf line;
    buf_init(&line, 4096);
    manifest_put_line(&line, record);
    ken_status status = buf_check(&line, err);
    int fd = -1;
    if (status == KEN_OK)
        status = inside(p, "manifest.jsonl", err);
    bool fresh = status == KEN_OK && !file_exists(p->path.data);
    if (status == KEN_OK) {
        fd = open(p->path.data, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            status = output_error(err, errno, "create", p->path.data);
    }
    if (status == KEN_OK)
        status = file_write_all(fd, line.data, line.size, p->path.data, err);
    if (status == KEN_OK && fsync(fd) != 0)
        status = output_error(err, errno, "sync", p->path.data);
    if (fd >= 0 && close(fd) != 0 && status == KEN_OK)
        status = output_error(err, errno, "close", p->path.data);
    if (status == KEN_OK && fresh)
        status = file_sync_parent(p->path.data, err);
    buf_free(&line);
    return output_failed(err, status);
}

ken_status parts_commit(parts *p, table_writer *rows, const buf *errors, part_record *record,
                        ken_error *err) {
    record->errors_hash[0] = '\0';
    if (record->failed) {
        hash_xxh128(errors->data, errors->size, record->errors_hash);
        part_errors_name(&p->path, p->dir, record->part);
        TRY(buf_check(&p->path, err));
        TRY(output_failed(err, file_write_atomic(p->path.data, errors->data, errors->size, err)));
    }
    TRY(write_rows(p, rows, record, err));
    TRY(append_line(p, record, err));
    return manifest_set(&p->manifest, record, err);
}

ken_status parts_read_errors(parts *p, buf *out, ken_error *err) {
    buf_init(out, max_errors_bytes);
    for (size_t i = 0; i < p->manifest.n; i++) {
        if (!p->manifest.parts[i].failed)
            continue;
        part_errors_name(&p->path, p->dir, p->manifest.parts[i].part);
        TRY(buf_check(&p->path, err));
        TRY(file_read(p->path.data, out, err));
    }
    return KEN_OK;
}
