/* formats/duck.c: loads libduckdb and opens databases in it. */
#include "formats/duck.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/utf8.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

duck_api duck;

/* ---- loading ----------------------------------------------------------------------------------
 */

/* The installed place is ../lib/ken beside the program's folder; the program's folder itself serves
 * bundles. */
static void program_folder(char *out, size_t size) {
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

static ken_status load(ken_error *err) {
    static const sys_symbol symbols[] = {
#define DUCK(name) {"duckdb_" #name, (void **)&duck.name},
#include "formats/duck.def"
#undef DUCK
    };
    char folder[PATH_MAX], installed[PATH_MAX + 32], bundled[PATH_MAX + 32];
    program_folder(folder, sizeof folder);
    snprintf(installed, sizeof installed, "%s/../lib/ken/libduckdb.so", folder);
    snprintf(bundled, sizeof bundled, "%s/libduckdb.so", folder);
    const char *paths[5];
    size_t n_paths = 0;
    if (file_exists(installed))
        paths[n_paths++] = installed;
    if (file_exists(bundled))
        paths[n_paths++] = bundled;
    if (file_exists(KEN_DUCKDB_DIR "/libduckdb.so"))
        paths[n_paths++] = KEN_DUCKDB_DIR "/libduckdb.so";
    paths[n_paths++] = "libduckdb.so";
    paths[n_paths] = NULL;
    ken_status status = sys_load_library(paths, symbols, sizeof symbols / sizeof *symbols, err);
    if (status == KEN_UNAVAILABLE)
        error_hint(err, status, "put libduckdb.so into '%s/../lib/ken', or build with ./dev build",
                   folder);
    return status;
}

ken_status duck_load(ken_error *err) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    pthread_mutex_lock(&mutex);
    ken_status status = loaded ? KEN_OK : load(err);
    loaded = status == KEN_OK;
    pthread_mutex_unlock(&mutex);
    return status;
}

/* ---- sessions ---------------------------------------------------------------------------------
 */

static ken_status configure(duckdb_config config, duck_purpose purpose, ken_error *err) {
    /* Writing holds a part's rows, or a row group: half of what the process may use, the rest is
     * the models'. Reading needs little, and a small file may claim gigabytes. */
    char memory[32];
    uint64_t limit = sys_memory_limit() / 2;
    const uint64_t least = (uint64_t)512 << 20, reading = (uint64_t)1 << 30;
    limit = limit < least ? least : limit;
    limit = purpose == DUCK_READ && limit > reading ? reading : limit;
    snprintf(memory, sizeof memory, "%lluB", (unsigned long long)limit);
    const char *const options[][2] = {
        {"threads", "1"},
        {"memory_limit", memory},
        {"temp_directory", ""},
        {"max_temp_directory_size", "0B"},
        {"preserve_insertion_order", "true"},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"allow_persistent_secrets", "false"},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (duck.set_config(config, options[i][0], options[i][1]) != DuckDBSuccess)
            return error_set(err, KEN_UNAVAILABLE, "libduckdb does not know the option '%s'",
                             options[i][0]);
    return KEN_OK;
}

ken_status duck_open(duck_session *s, duck_purpose purpose, ken_error *err) {
    *s = (duck_session){0};
    TRY(duck_load(err));
    duckdb_config config;
    if (duck.create_config(&config) != DuckDBSuccess)
        return error_set(err, KEN_NO_MEMORY, "could not configure a table session");
    char *reason = NULL;
    ken_status status = configure(config, purpose, err);
    if (status == KEN_OK &&
        duck.open_ext(":memory:", &s->database, config, &reason) != DuckDBSuccess)
        status = error_set(err, KEN_INTERNAL, "could not open a table session: %s",
                           reason ? reason : "unknown reason");
    if (reason)
        duck.free(reason);
    duck.destroy_config(&config);
    if (status == KEN_OK && duck.connect(s->database, &s->connection) != DuckDBSuccess)
        status = error_set(err, KEN_INTERNAL, "could not connect to a table session");
    if (status != KEN_OK)
        duck_close(s);
    return status;
}

void duck_close(duck_session *s) {
    if (s->connection)
        duck.disconnect(&s->connection);
    if (s->database)
        duck.close(&s->database);
    *s = (duck_session){0};
}

/* ---- statements -------------------------------------------------------------------------------
 */

/* Our messages begin in lower case; names of things ("BYTE_STREAM_SPLIT", "TProtocol") stay. */
static char first_letter(const char *reason) {
    size_t n = strspn(reason + 1, "abcdefghijklmnopqrstuvwxyz");
    bool is_word = reason[n + 1] == ' ' || reason[n + 1] == ':' || reason[n + 1] == '\0';
    return is_word && *reason >= 'A' && *reason <= 'Z' ? (char)(*reason - 'A' + 'a') : *reason;
}

/* DuckDB's reason as one line: the first, and of CSV errors those that say what was expected; not
 * its advice and not its list of options. */
static void put_reason(buf *out, const char *reason) {
    bool is_csv = strncmp(reason, "CSV Error", 9) == 0;
    while (*reason && *reason != ' ' && strncmp(reason, "Possible", 8) != 0) {
        size_t n = strcspn(reason, "\n");
        const char *next = reason + n + (reason[n] == '\n');
        if (n && strncmp(reason, "Original Line", 13) != 0) {
            while (n > 1 && (reason[n - 1] == '.' || reason[n - 1] == ' '))
                n--;
            buf_printf(out, "%s%.*s", out->size ? ", " : "", (int)(n < 400 ? n : 400), reason);
        }
        if (!is_csv)
            return;
        reason = next;
    }
}

ken_status duck_fail(duckdb_error_type type, const char *reason, const char *doing,
                     ken_error *err) {
    ken_status status = type == DUCKDB_ERROR_OUT_OF_MEMORY ? KEN_TOO_LARGE
                        : type == DUCKDB_ERROR_IO          ? KEN_IO
                                                           : KEN_BAD_FORMAT;
    /* "Invalid Input Error: No magic bytes ..." -> "no magic bytes ..." */
    const char *colon = reason ? strstr(reason, "Error: ") : NULL;
    if (colon && colon - reason < 40)
        reason = colon + strlen("Error: ");
    if (!reason || !*reason)
        reason = "unknown reason";
    buf text;
    buf_init(&text, 600);
    put_reason(&text, reason);
    error_set(err, status, "could not %s: %c%s", doing, first_letter(reason),
              text.size > 1 ? text.data + 1 : "");
    buf_free(&text);
    return status;
}

ken_status duck_query(const duck_session *s, const char *sql, const char *doing,
                      duckdb_result *result, ken_error *err) {
    duckdb_result local;
    duckdb_result *to = result ? result : &local;
    bool ok = duck.query(s->connection, sql, to) == DuckDBSuccess;
    ken_status status = KEN_OK;
    if (!ok)
        status = duck_fail(duck.result_error_type(to), duck.result_error(to), doing, err);
    if (!ok || !result)
        duck.destroy_result(to);
    return status;
}

bool duck_quote(buf *sql, char quote, const char *text) {
    buf_putc(sql, quote);
    for (; *text; text++) {
        if (*text == quote)
            buf_putc(sql, quote);
        buf_putc(sql, *text);
    }
    return buf_putc(sql, quote);
}

ken_status duck_quote_path(buf *sql, const char *path, bool is_pattern, ken_error *err) {
    buf absolute;
    buf_init(&absolute, PATH_MAX * 4);
    char here[PATH_MAX];
    if (path[0] != '/') {
        if (!getcwd(here, sizeof here))
            return error_set(err, KEN_IO, "could not find out the current directory");
        buf_puts(&absolute, here);
        buf_putc(&absolute, '/');
    }
    buf_puts(&absolute, path);
    ken_status status = buf_check(&absolute, err);
    if (status == KEN_OK && !utf8_valid(absolute.data, absolute.size))
        status = error_set(err, KEN_UNSUPPORTED, "'%s': the path of a table must be UTF-8", path);
    buf_putc(sql, '\'');
    for (const char *c = absolute.data; status == KEN_OK && *c; c++) {
        if (is_pattern && strchr("*?[", *c))
            buf_printf(sql, "[%c]", *c);
        else if (*c == '\'')
            buf_puts(sql, "''");
        else
            buf_putc(sql, *c);
    }
    buf_putc(sql, '\'');
    buf_free(&absolute);
    return status;
}
