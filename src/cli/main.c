/* cli/main.c: `ken COMMAND ...` finds its command in the table and runs it. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/version.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static bool asks_for_help(int n_args, char **args) {
    for (int i = 1; i < n_args && strcmp(args[i], "--") != 0; i++)
        if (strcmp(args[i], "-h") == 0 || strcmp(args[i], "--help") == 0)
            return true;
    return false;
}

/* --json is honoured in messages about the options themselves, so it is looked for first. */
static bool asks_for_json(int n_args, char **args) {
    for (int i = 1; i < n_args && strcmp(args[i], "--") != 0; i++)
        if (strcmp(args[i], "--json") == 0)
            return true;
    return false;
}

static int run_command(const command *c, int n_args, char **args) {
    cli_command_name = c->name;
    if (asks_for_help(n_args, args)) {
        help_command(stdout, c);
        return cli_finish(0);
    }
    common.json = asks_for_json(n_args, args);
    const option *options = c->options();
    int n_positional = 0;
    ken_error err;
    int exit_code;
    if (options_parse(options, n_args, args, &n_positional, &err) != KEN_OK)
        exit_code = cli_fail(&err);
    else
        exit_code = c->run(n_positional, args);
    options_free(options);
    return cli_finish(exit_code);
}

/* A program may be started without standard streams; a file that is opened later must not become
 * one. What stands in for them fails when it is used. */
static void fill_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

int main(int n_args, char **args) {
    fill_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too large for its limit is an error of its write */
    if (n_args < 2) {
        help_all(stderr);
        return 2;
    }
    const char *name = args[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        version_print(stdout);
        return cli_finish(0);
    }
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        help_all(stdout);
        return cli_finish(0);
    }
    const command *c = command_find(name);
    if (c)
        return run_command(c, n_args - 1, args + 1);
    const char *closest = command_suggest(name);
    if (closest)
        return cli_usage("'%s' is not a ken command; did you mean '%s'?", name, closest);
    return cli_usage("'%s' is not a ken command", name);
}
