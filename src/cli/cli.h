/* cli/cli.h: what every subcommand shares: the common options, how errors and warnings are shown,
 * and loading the model that the user named. The only folder that prints and reads the environment.
 */
#ifndef KEN_CLI_H
#define KEN_CLI_H

#include "base/suggest.h"
#include "cli/command.h"
#include "kernels/kernels.h"
#include "models/model.h"

#include <signal.h>
#include <stdio.h>

/* Options that most commands take; a command puts the COMMON_..._OPTIONS that it honours in its
 * table. */
typedef struct common_options {
    const char *model;
    const char *precision;
    int64_t threads; /* 0: the CPUs we may use */
    const char *cpu;
    const char *progress; /* "auto", "always" or "never" */
    bool json, quiet, verbose;
    bool no_cache;
} common_options;
extern common_options common;

/* How the model computes; every command that loads one takes these. */
#define COMMON_ENGINE_OPTIONS                                                                      \
    {"precision",                                                                                  \
     0,                                                                                            \
     OPTION_CHOICE,                                                                                \
     &common.precision,                                                                            \
     NULL,                                                                                         \
     "arithmetic of the encoder: s16 takes half of the time and memory of f32, at a cosine "       \
     "of at least 0.99999 to it; int8 half of that again, at a cost that depends on the "          \
     "model; auto is int8 but for the layers that need s16 for a cosine of 0.999 (default "        \
     "s16)",                                                                                       \
     "f32|s16|int8|auto",                                                                          \
     0,                                                                                            \
     0},                                                                                           \
        {"no-cache",                                                                               \
         0,                                                                                        \
         OPTION_FLAG,                                                                              \
         &common.no_cache,                                                                         \
         NULL,                                                                                     \
         "pack the weights anew, and keep nothing for the next start (see ken doctor)",            \
         NULL,                                                                                     \
         0,                                                                                        \
         0},                                                                                       \
        {"threads",  0,                                                                            \
         OPTION_INT, &common.threads,                                                              \
         "N",        "threads to use (default: the CPUs this process may run on)",                 \
         NULL,       1,                                                                            \
         1024},                                                                                    \
    {                                                                                              \
        "cpu", 0, OPTION_TEXT, &common.cpu, "TIER",                                                \
            "use the kernels of this CPU tier instead of the best one (see ken doctor)", NULL, 0,  \
            0                                                                                      \
    }

#define COMMON_MODEL_OPTIONS                                                                       \
    {.type = OPTION_GROUP, .help = "Model"},                                                       \
        {"model",                                                                                  \
         'm',                                                                                      \
         OPTION_TEXT,                                                                              \
         &common.model,                                                                            \
         "M",                                                                                      \
         "model directory, local-dir:PATH, org/repo in the Hugging Face cache, or demo; without "  \
         "it $KEN_MODEL",                                                                          \
         NULL,                                                                                     \
         0,                                                                                        \
         0},                                                                                       \
        COMMON_ENGINE_OPTIONS

#define COMMON_OUTPUT_OPTIONS                                                                      \
    {.type = OPTION_GROUP, .help = "Output"},                                                      \
        {"json", 0, OPTION_FLAG, &common.json, NULL, "machine-readable result and errors", NULL,   \
         0,      0},                                                                               \
        {"quiet", 'q', OPTION_FLAG, &common.quiet, NULL, "say nothing but errors", NULL, 0, 0}, {  \
        "verbose", 'v', OPTION_FLAG, &common.verbose, NULL,                                        \
            "say what is being done, and at what "                                                 \
            "cost",                                                                                \
            NULL, 0, 0                                                                             \
    }

#define COMMON_PROGRESS_OPTION                                                                     \
    {                                                                                              \
        "progress", 0, OPTION_CHOICE, &common.progress, NULL,                                      \
            "progress on standard error: a bar on a terminal, else a line a minute (default "      \
            "auto)",                                                                               \
            "auto|always|never", 0, 0                                                              \
    }

#define OPTIONS_END                                                                                \
    { .name = NULL, .type = OPTION_FLAG }

/* Prints the error as one line ("ken embed: message: hint"), or as JSON with --json, on standard
 * error, control characters escaped. Returns the status's exit code, to end a command with. */
int cli_fail(const ken_error *err);
/* A usage error: the message, and how to get help. Returns 2. */
int cli_usage(const char *format, ...) KEN_PRINTF(1, 2);
/* A line on standard error, unless --quiet. */
void cli_note(const char *format, ...) KEN_PRINTF(1, 2);
/* Each line of `text` as a note of the command that is running. Changes the text. */
void cli_note_lines(buf *text);
/* Lines for people, with control characters escaped. Changes the text. */
void cli_print_lines(FILE *to, buf *text);
/* Flushes standard output; a failed write is an I/O error. Commands end with it. */
int cli_finish(int exit_code);
/* Writes text with control characters as \xNN, so that no file name can move the cursor. */
void cli_print_escaped(FILE *to, const char *text);

/* The command that is running, for messages. */
extern const char *cli_command_name;

/* Resolves --model, $KEN_MODEL; loads it with the common options and `options` (may be NULL) on
 * top. `id` and `revision` receive the provenance names (mem_free them; NULL: not wanted). */
KEN_MUST_CHECK ken_status cli_load_model(const ken_model_options *options, ken_model **out,
                                         char **id, char **revision, ken_error *err);
/* Same, from a given name instead of --model. */
KEN_MUST_CHECK ken_status cli_load_model_named(const char *spec, const ken_model_options *options,
                                               ken_model **out, char **id, char **revision,
                                               ken_error *err);
/* --model, $KEN_MODEL, or else the model `id` that made `what`, "collection" or "head"; `id` may be
 * empty or NULL. */
KEN_MUST_CHECK ken_status cli_load_model_of(const char *model_id, const char *what, ken_model **out,
                                            char **id, char **revision, ken_error *err);
/* Threads to use: --threads or the CPUs. */
int cli_threads(void);

/* A flag that SIGINT and SIGTERM raise: 1 at the first; the second, or five seconds, end the
 * process with exit code 75 at once. Installed by cli_catch_signals. */
extern volatile sig_atomic_t cli_cancelled;
void cli_catch_signals(void);

/* Help for one command on `to`, as text or as a manual page (troff). */
void help_command(FILE *to, const command *c);
void help_all(FILE *to);
void help_man_page(FILE *to, const command *c); /* NULL: the page of ken itself */
const command *command_find(const char *name);
/* The table's closest name within a few typing errors, or NULL. */
const char *command_suggest(const char *name);

/* Fills the targets of `options` from args; positional arguments move to the front of args, and
 * their number to *n_positional. Fails with KEN_BAD_ARGUMENT. */
KEN_MUST_CHECK ken_status options_parse(const option *options, int n_args, char **args,
                                        int *n_positional, ken_error *err);
void options_free(const option *options); /* the lists' memory */

#endif
