#include "tasks/inputs/source_list.h"

#include "base/file.h"
#include "base/random.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { max_list_bytes = INT_MAX, max_depth = 256 };

void source_list_free(source_list *list) {
    arena_free(&list->arena);
    mem_free(list->items);
    *list = (source_list){0};
}

ken_status source_list_add(source_list *list, const source *item, ken_error *err) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256;
        source *grown = mem_grow(list->items, list->n * sizeof *grown, capacity * sizeof *grown);
        if (!grown)
            return error_no_memory(err, capacity * sizeof *grown);
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->n++] = *item;
    return KEN_OK;
}

/* `prefix` + `name`, escaped: as a rule the end of `os_path`, which then serves for both, since
 * there may be millions. Else in the list's arena. */
static ken_status make_id(source_list *list, const char *prefix, const char *name,
                          const char *os_path, const char **out, ken_error *err) {
    buf id;
    buf_init(&id, 4 * PATH_MAX);
    utf8_escape(&id, prefix, strlen(prefix));
    utf8_escape(&id, name, strlen(name));
    ken_status status = buf_check(&id, err);
    *out = NULL;
    if (status == KEN_OK) {
        const char *text = id.data ? id.data : "";
        size_t n = strlen(os_path);
        bool ends_path = id.size <= n && strcmp(os_path + n - id.size, text) == 0;
        *out = ends_path ? os_path + n - id.size : arena_strndup(&list->arena, text, id.size);
        if (!*out)
            status = error_no_memory(err, id.size);
    }
    buf_free(&id);
    return status;
}

static ken_status add_named(source_list *list, source_kind kind, const char *path,
                            const char *id_prefix, const char *id_name, source *item,
                            ken_error *err) {
    item->kind = kind;
    item->os_path = arena_strdup(&list->arena, path);
    if (!item->os_path)
        return error_no_memory(err, strlen(path));
    TRY(make_id(list, id_prefix, id_name, item->os_path, &item->id, err));
    return source_list_add(list, item, err);
}

ken_status source_list_add_file(source_list *list, const char *path, ken_error *err) {
    const char *name = path;
    while (name[0] == '.' && name[1] == '/') {
        name += 2;
        while (*name == '/')
            name++;
    }
    return add_named(list, SOURCE_FILE, path, "", *name ? name : path, &(source){0}, err);
}

/* ---- folders --------------------------------------------------------------------------------- */

static bool is_image_name(const char *name) {
    static const char *const known[] = {".jpg", ".jpeg", ".jpe",  ".png",  ".webp", ".gif", ".bmp",
                                        ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl"};
    const char *extension = file_extension(name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(extension, known[i]) == 0)
            return true;
    return false;
}

typedef struct walk {
    source_list *list;
    const char *id_prefix;
    char root[PATH_MAX]; /* canonical, to see whether links lead out */
    size_t root_chars;   /* of the root as typed, with its '/': what ids leave out */
} walk;

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}

/* The folder's names, hidden ones left out, sorted by bytes. errno is set when *out is NULL. */
static bool read_names(const char *dir, char ***out, size_t *n_out) {
    *out = NULL;
    DIR *stream = opendir(dir);
    if (!stream)
        return false;
    char **names = NULL;
    size_t n = 0, capacity = 0;
    int reason = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (!entry) {
            reason = errno;
            break;
        }
        if (entry->d_name[0] == '.')
            continue;
        if (n == capacity) {
            char **grown = mem_grow(names, n * sizeof *names, (2 * n + 64) * sizeof *names);
            if (!grown) {
                reason = ENOMEM;
                break;
            }
            names = grown;
            capacity = 2 * n + 64;
        }
        names[n] = mem_strdup(entry->d_name);
        if (!names[n]) {
            reason = ENOMEM;
            break;
        }
        n++;
    }
    closedir(stream);
    if (reason) {
        free_names(names, n);
        errno = reason;
        return false;
    }
    if (n)
        qsort(names, n, sizeof *names, by_name);
    *out = names;
    *n_out = n;
    return true;
}

static bool has_name(char **names, size_t n, const char *image, const char *extension) {
    char wanted[NAME_MAX + 8];
    size_t stem = (size_t)(file_extension(image) - image);
    if (stem > NAME_MAX)
        return false;
    memcpy(wanted, image, stem);
    memcpy(wanted + stem, extension, strlen(extension) + 1);
    const char *key = wanted;
    return n && bsearch(&key, names, n, sizeof *names, by_name);
}

static bool leads_out(const walk *w, const char *path) {
    char real[PATH_MAX];
    if (!realpath(path, real))
        return false; /* dangling: an item that cannot be opened says so */
    size_t n = strlen(w->root);
    if (n && w->root[n - 1] == '/')
        n--;
    return strncmp(real, w->root, n) != 0 || (real[n] != '/' && real[n] != '\0');
}

static ken_status walk_folder(walk *w, const char *dir, int depth, ken_error *err);

static ken_status visit(walk *w, const char *path, const char *name, char **names, size_t n_names,
                        int depth, ken_error *err) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return KEN_OK; /* gone since the folder was read */
    bool link = S_ISLNK(info.st_mode);
    if (link && leads_out(w, path)) {
        w->list->n_links_out++;
        return KEN_OK;
    }
    /* A linked folder inside the root is walked where it really lies, so loops cannot arise. */
    if (S_ISDIR(info.st_mode))
        return walk_folder(w, path, depth + 1, err);
    if (!is_image_name(name) || (link && file_is_directory(path)))
        return KEN_OK;
    source item = {.has_txt = has_name(names, n_names, name, ".txt"),
                   .has_json = has_name(names, n_names, name, ".json")};
    return add_named(w->list, SOURCE_FILE, path, w->id_prefix, path + w->root_chars, &item, err);
}

static ken_status cannot_list(walk *w, const char *dir, int depth, int reason, ken_error *err) {
    if (depth == 0)
        return error_errno(err, reason, "could not list folder '%s'", dir);
    ken_error text;
    error_errno(&text, reason, "could not list folder");
    source item = {.detail = arena_strdup(&w->list->arena, text.message)};
    if (!item.detail)
        return error_no_memory(err, sizeof text.message);
    return add_named(w->list, SOURCE_UNREADABLE, dir, w->id_prefix, dir + w->root_chars, &item,
                     err);
}

static ken_status walk_folder(walk *w, const char *dir, int depth, ken_error *err) {
    char **names;
    size_t n = 0;
    if (depth > max_depth)
        return cannot_list(w, dir, depth, ELOOP, err);
    if (!read_names(dir, &names, &n))
        return errno == ENOMEM ? error_no_memory(err, 0) : cannot_list(w, dir, depth, errno, err);
    ken_status status = KEN_OK;
    buf path;
    buf_init(&path, PATH_MAX);
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        file_join(&path, dir, names[i]);
        status = buf_check(&path, err);
        if (status == KEN_OK)
            status = visit(w, path.data, names[i], names, n, depth, err);
    }
    buf_free(&path);
    free_names(names, n);
    return status;
}

static int by_id_bytes(const void *a, const void *b) {
    return strcmp(((const source *)a)->os_path, ((const source *)b)->os_path);
}

ken_status source_list_add_folder(source_list *list, const char *root, const char *id_prefix,
                                  ken_error *err) {
    walk w = {.list = list, .id_prefix = id_prefix};
    if (!realpath(root, w.root))
        return error_errno(err, errno, "could not open folder '%s'", root);
    size_t n = strlen(root);
    w.root_chars = n && root[n - 1] == '/' ? n : n + 1;
    size_t first = list->n;
    TRY(walk_folder(&w, root, 0, err));
    /* Walking in name order is not path order ("a-b" < "a/b" by bytes, but folder "a" sorts first).
     */
    if (list->n > first)
        qsort(list->items + first, list->n - first, sizeof *list->items, by_id_bytes);
    return KEN_OK;
}

/* ---- globs and lists ------------------------------------------------------------------------- */

ken_status source_list_add_glob(source_list *list, const char *pattern, bool *matched,
                                ken_error *err) {
    glob_t found;
    *matched = false;
    int rc = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (rc == GLOB_NOMATCH)
        return KEN_OK;
    if (rc != 0) {
        globfree(&found);
        return rc == GLOB_NOSPACE ? error_no_memory(err, 0)
                                  : error_set(err, KEN_IO, "could not expand '%s'", pattern);
    }
    *matched = true;
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < found.gl_pathc && status == KEN_OK; i++)
        if (!file_is_directory(found.gl_pathv[i]))
            status = source_list_add_file(list, found.gl_pathv[i], err);
    globfree(&found);
    return status;
}

static ken_status read_all(int fd, buf *out, ken_error *err) {
    for (;;) {
        void *to = buf_reserve(out, 65536);
        if (!to)
            return error_set(err, KEN_TOO_LARGE, "the list on standard input is too large");
        ssize_t got = read(fd, to, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, errno, "could not read the list on standard input");
        if (got == 0)
            return KEN_OK;
        out->size += (size_t)got;
        out->data[out->size] = '\0';
    }
}

ken_status source_list_add_names(source_list *list, int fd, bool null_separated, ken_error *err) {
    buf text;
    buf_init(&text, max_list_bytes);
    ken_status status = read_all(fd, &text, err);
    char separator = null_separated ? '\0' : '\n';
    for (size_t at = 0; status == KEN_OK && at < text.size;) {
        char *line = text.data + at;
        char *end = memchr(line, separator, text.size - at);
        size_t n = end ? (size_t)(end - line) : text.size - at;
        at += n + 1;
        if (!null_separated && n && line[n - 1] == '\r')
            n--;
        line[n] = '\0'; /* the buffer keeps a byte past its end */
        if (n && strlen(line) == n)
            status = source_list_add_file(list, line, err);
        else if (n)
            status = error_hint(
                err, error_set(err, KEN_BAD_ARGUMENT, "a name on standard input holds a zero byte"),
                "give -0 when the names are separated by zero bytes");
    }
    buf_free(&text);
    return status;
}

ken_status source_list_add_lines(source_list *list, const char *path, ken_error *err) {
    buf text;
    buf_init(&text, max_list_bytes);
    ken_status status = file_read(path, &text, err);
    uint64_t line_number = 0;
    for (size_t at = 0; status == KEN_OK && at < text.size;) {
        const char *line = text.data + at;
        const char *end = memchr(line, '\n', text.size - at);
        size_t n = end ? (size_t)(end - line) : text.size - at;
        at += n + 1;
        if (n && line[n - 1] == '\r')
            n--;
        source item = {.kind = SOURCE_TEXT,
                       .os_path = arena_strndup(&list->arena, line, n),
                       .size = n,
                       .id = arena_printf(&list->arena, "%llu", (unsigned long long)line_number++)};
        status =
            item.os_path && item.id ? source_list_add(list, &item, err) : error_no_memory(err, n);
    }
    buf_free(&text);
    return status;
}

void source_list_shuffle(source_list *list, uint64_t seed) {
    for (size_t i = list->n; i > 1; i--) {
        size_t j = random_below(&seed, i);
        source swap = list->items[i - 1];
        list->items[i - 1] = list->items[j];
        list->items[j] = swap;
    }
}
