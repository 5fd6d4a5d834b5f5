/* cli/cli.c: messages, the model a user named, signals. */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/sys.h"
#include "cli/cache_folder.h"
#include "hub/resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

common_options common;
const char *cli_command_name = "";
volatile sig_atomic_t cli_cancelled;

/* The first Ctrl-C is answered within five seconds, whatever hangs. */
static const struct itimerval patience = {.it_value = {.tv_sec = 4, .tv_usec = 700000}};

/* Bytes of the control character at `c`: 1 below the space, 2 for U+0080 to U+009F, which terminals
 * obey too (U+009B begins a sequence as Escape and '[' do); 0 for what can be shown. */
static int control_bytes(const unsigned char *c) {
    if (*c < 0x20 || *c == 0x7f)
        return 1;
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
}

void cli_print_escaped(FILE *to, const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    while (*c) {
        int n = control_bytes(c);
        if (n == 0)
            fputc(*c++, to);
        for (; n > 0; n--)
            fprintf(to, "\\x%02x", *c++);
    }
}

static void print_json_error(const ken_error *err) {
    buf line;
    buf_init(&line, 16384);
    buf_printf(&line, "{\"error\":{\"code\":\"%s\",\"message\":", ken_status_name(err->status));
    buf_put_json(&line, err->message, strlen(err->message));
    buf_puts(&line, ",\"hint\":");
    buf_put_json(&line, err->hint, strlen(err->hint));
    buf_puts(&line, "}}\n");
    if (line.data)
        fputs(line.data, stderr);
    buf_free(&line);
}

int cli_fail(const ken_error *err) {
    if (common.json) {
        print_json_error(err);
    } else {
        fprintf(stderr, "ken%s%s: ", *cli_command_name ? " " : "", cli_command_name);
        cli_print_escaped(stderr, err->message);
        if (err->hint[0]) {
            fputs(": ", stderr);
            cli_print_escaped(stderr, err->hint);
        }
        fputc('\n', stderr);
    }
    return ken_status_exit_code(err->status);
}

int cli_usage(const char *format, ...) {
    ken_error err = {.status = KEN_BAD_ARGUMENT, .offset = -1};
    va_list args;
    va_start(args, format);
    vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    if (*cli_command_name)
        snprintf(err.hint, sizeof err.hint, "see 'ken help %s'", cli_command_name);
    else
        snprintf(err.hint, sizeof err.hint, "see 'ken help'");
    return cli_fail(&err);
}

void cli_note(const char *format, ...) {
    if (common.quiet)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_print_escaped(stderr, text);
    fputc('\n', stderr);
}

/* Cuts the line off that begins at *next, which becomes where the one behind it begins. */
static char *cut_line(char **next) {
    char *line = *next, *end = strchr(line, '\n');
    if (end)
        *end = '\0';
    *next = end ? end + 1 : line + strlen(line);
    return line;
}

void cli_note_lines(buf *text) {
    for (char *next = text->data; next && *next;)
        cli_note("ken %s: %s", cli_command_name, cut_line(&next));
}

void cli_print_lines(FILE *to, buf *text) {
    for (char *next = text->data; next && *next;) {
        cli_print_escaped(to, cut_line(&next));
        fputc('\n', to);
    }
}

int cli_finish(int exit_code) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    if (errno == EPIPE) /* the reader, such as `head`, has had enough */
        return exit_code;
    ken_error err;
    error_errno(&err, errno, "could not write standard output");
    return cli_fail(&err);
}

int cli_threads(void) {
    return common.threads ? (int)common.threads : sys_cpu_count();
}

static void end_at_once(void) {
    _exit(ken_status_exit_code(KEN_CANCELLED));
}

/* What is in hand may take longer than anybody waits: a large model's batch, a dead network file
 * system. Nothing that was finished depends on it. */
static void on_alarm(int number) {
#define DROPPED "what was in hand took too long and was dropped"
    static const char text[] = "ken: interrupted: " DROPPED "\n";
    static const char json[] = "{\"error\":{\"code\":\"cancelled\",\"message\":\"interrupted\","
                               "\"hint\":\"" DROPPED "\"}}\n";
    (void)number;
    ssize_t n = common.json ? write(STDERR_FILENO, json, sizeof json - 1)
                            : write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    end_at_once();
}

static void on_signal(int number) {
    (void)number;
    if (cli_cancelled)
        end_at_once();
    cli_cancelled = 1;
    setitimer(ITIMER_REAL, &patience, NULL);
}

void cli_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
}

/* $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub: the cache that other tools share. */
static bool hf_cache_dir(buf *out) {
    const char *dir;
    if ((dir = getenv("HF_HUB_CACHE")) && *dir)
        return buf_puts(out, dir);
    if ((dir = getenv("HF_HOME")) && *dir)
        return buf_printf(out, "%s/hub", dir);
    if ((dir = getenv("XDG_CACHE_HOME")) && *dir)
        return buf_printf(out, "%s/huggingface/hub", dir);
    if ((dir = getenv("HOME")) && *dir)
        return buf_printf(out, "%s/.cache/huggingface/hub", dir);
    return false;
}

/* PREFIX/share/ken for an installed program PREFIX/bin/ken. */
static bool share_dir(buf *out) {
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    for (int up = 0; up < 2 && n > 0; up++) {
        while (n > 0 && exe[n - 1] != '/')
            n--;
        n -= n > 0;
    }
    return n > 0 && buf_printf(out, "%.*s/share/ken", (int)n, exe);
}

static ken_status resolve(const char *spec, model_location *out, ken_error *err) {
    buf hub, share;
    buf_init(&hub, 8192);
    buf_init(&share, 8192);
    const char *hf_cache = hf_cache_dir(&hub) ? hub.data : NULL;
    const char *data_dirs[] = {share_dir(&share) ? share.data : KEN_SOURCE_DIR, KEN_SOURCE_DIR,
                               NULL};
    ken_status status = model_resolve(spec, hf_cache, data_dirs, out, err);
    buf_free(&hub);
    buf_free(&share);
    return status;
}

/* `name` is one of the option's choices. */
static ken_precision precision_named(const char *name) {
    ken_precision precision = KEN_PRECISION_F32;
    while (strcmp(ken_precision_name(precision), name) != 0)
        precision++;
    return precision;
}

static void say_notice(void *context, bool warning, const char *text) {
    (void)context;
    if (warning || common.verbose)
        cli_note("ken %s: %s", cli_command_name, text);
}

static ken_status load(const char *dir, ken_model_options *options, ken_model **out,
                       ken_error *err) {
    cache_folder folder;
    ken_status status = cache_folder_find(&folder, err);
    if (!common.no_cache && folder.dir.size) {
        options->cache_dir = folder.dir.data;
        options->cache_limit_bytes = folder.limit_bytes;
    }
    options->notice = say_notice;
    if (status == KEN_OK)
        status = ken_model_load(dir, options, out, err);
    cache_folder_reset(&folder);
    return status;
}

ken_status cli_load_model_named(const char *spec, const ken_model_options *options, ken_model **out,
                                char **id, char **revision, ken_error *err) {
    model_location location;
    TRY(resolve(spec, &location, err));
    ken_model_options wanted = options ? *options : (ken_model_options){0};
    if (common.cpu)
        wanted.cpu_tier = common.cpu;
    if (common.precision)
        wanted.precision = precision_named(common.precision);
    ken_status status = load(location.dir, &wanted, out, err);
    if (status == KEN_OK && id) {
        *id = location.id;
        location.id = NULL;
    }
    if (status == KEN_OK && revision) {
        *revision = location.revision;
        location.revision = NULL;
    }
    model_location_free(&location);
    return status;
}

ken_status cli_load_model_of(const char *model_id, const char *what, ken_model **out, char **id,
                             char **revision, ken_error *err) {
    const char *environment = getenv("KEN_MODEL");
    if (common.model || (environment && *environment) || !model_id || !*model_id)
        return cli_load_model(NULL, out, id, revision, err);
    ken_status status = cli_load_model_named(model_id, NULL, out, id, revision, err);
    if (status != KEN_OK) {
        error_prefix(err, status, "the %s was made with the model '%s'", what, model_id);
        if (status == KEN_NOT_FOUND)
            error_hint(err, status, "say where it is with --model DIR");
    }
    return status;
}

ken_status cli_load_model(const ken_model_options *options, ken_model **out, char **id,
                          char **revision, ken_error *err) {
    const char *spec = common.model ? common.model : getenv("KEN_MODEL");
    if (!spec || !*spec) {
        ken_status status = error_set(err, KEN_BAD_ARGUMENT, "no model was named");
        return error_hint(err, status,
                          "give '--model DIR' (a Hugging Face or OpenCLIP directory) or set "
                          "KEN_MODEL; '--model demo' is a small model of shop photos");
    }
    return cli_load_model_named(spec, options, out, id, revision, err);
}
