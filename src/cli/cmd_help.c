/* ken help, ken completion: made from the same tables that parse the arguments. */
#include "cli/cli.h"
#include "cli/commands.h"

#include <string.h>

static bool as_man_page;

static const option *help_options(void) {
    static const option table[] = {
        {"man", 0, OPTION_FLAG, &as_man_page, NULL, "as a manual page (troff); 'ken' is its own",
         NULL, 0, 0},
        OPTIONS_END,
    };
    return table;
}

static int run_help(int n_args, char **args) {
    if (n_args > 1)
        return cli_usage("expected one command, found %d", n_args);
    bool all = n_args == 0 || strcmp(args[0], "ken") == 0;
    const command *c = all ? NULL : command_find(args[0]);
    if (!all && !c) {
        const char *closest = command_suggest(args[0]);
        if (closest)
            return cli_usage("'%s' is not a ken command; did you mean '%s'?", args[0], closest);
        return cli_usage("'%s' is not a ken command", args[0]);
    }
    if (as_man_page)
        help_man_page(stdout, c);
    else if (c)
        help_command(stdout, c);
    else
        help_all(stdout);
    return 0;
}

const command cmd_help = {
    .name = "help",
    .group = "Help",
    .summary = "explain a command",
    .usage = "[COMMAND]",
    .details = "Without a command: all of them, a line each.",
    .examples = "  ken help embed\n  ken help --man embed | man -l -\n",
    .options = help_options,
    .run = run_help,
};

static const option *completion_options(void) {
    static const option table[] = {OPTIONS_END};
    return table;
}

static bool is_end(const option *o) {
    return !o->name && o->type != OPTION_GROUP;
}

static void bash_completion(void) {
    puts("# bash completion for ken; source it, or put it in bash_completion.d\n"
         "_ken() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local command=${COMP_WORDS[1]} words=\"\"\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    fputs("        COMPREPLY=($(compgen -W \"", stdout);
    for (size_t i = 0; commands[i]; i++)
        printf("%s%s", i ? " " : "", commands[i]->name);
    puts("\" -- \"$word\"))\n        return\n    fi\n    case $command,$previous in");
    for (size_t i = 0; commands[i]; i++)
        for (const option *o = commands[i]->options(); !is_end(o); o++)
            if (o->choices) {
                printf("    %s,--%s) words=\"", commands[i]->name, o->name);
                for (const char *c = o->choices; *c; c++)
                    putchar(*c == '|' ? ' ' : *c);
                puts("\" ;;");
            }
    puts("    *) case $command in");
    for (size_t i = 0; commands[i]; i++) {
        printf("        %s) words=\"", commands[i]->name);
        for (const option *o = commands[i]->options(); !is_end(o); o++)
            if (o->name)
                printf("--%s ", o->name);
        puts("--help\" ;;");
    }
    puts("        esac ;;\n    esac\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- \"$word\"))\n"
         "}\ncomplete -o filenames -F _ken ken");
}

/* In zsh's _arguments specifications, brackets, colons and quotes are syntax. */
static void put_zsh(const char *text) {
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_options(const command *c) {
    for (const option *o = c->options(); !is_end(o); o++) {
        if (!o->name)
            continue;
        printf("        '%s--%s%s[", o->type == OPTION_LIST ? "*" : "", o->name,
               o->type == OPTION_FLAG     ? ""
               : o->type == OPTION_SWITCH ? "=-"
                                          : "=");
        put_zsh(o->help);
        putchar(']');
        if (o->choices) {
            fputs(o->type == OPTION_SWITCH ? "::value:(" : ":value:(", stdout);
            for (const char *choice = o->choices; *choice; choice++)
                putchar(*choice == '|' ? ' ' : *choice);
            putchar(')');
        } else if (o->type != OPTION_FLAG) {
            fputs(":value:_files", stdout);
        }
        puts("' \\");
    }
    puts("        '*:file:_files' ;;");
}

static void zsh_completion(void) {
    puts("#compdef ken\n_ken() {\n    local -a commands\n    commands=(");
    for (size_t i = 0; commands[i]; i++) {
        printf("        '%s:", commands[i]->name);
        put_zsh(commands[i]->summary);
        puts("'");
    }
    puts("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
         "        return\n    fi\n    local name=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
         "    case $name in");
    for (size_t i = 0; commands[i]; i++) {
        printf("    %s) _arguments \\\n", commands[i]->name);
        zsh_options(commands[i]);
    }
    puts("    esac\n}\n_ken \"$@\"");
}

/* In fish, single-quoted text escapes backslashes and quotes with a backslash. */
static void put_fish(const char *text) {
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_completion(void) {
    for (size_t i = 0; commands[i]; i++) {
        printf("complete -c ken -n __fish_use_subcommand -f -a %s -d ", commands[i]->name);
        put_fish(commands[i]->summary);
        putchar('\n');
        for (const option *o = commands[i]->options(); !is_end(o); o++) {
            if (!o->name)
                continue;
            printf("complete -c ken -n '__fish_seen_subcommand_from %s' -l %s", commands[i]->name,
                   o->name);
            if (o->letter)
                printf(" -s %c", o->letter);
            if (o->type != OPTION_FLAG)
                fputs(" -r", stdout);
            if (o->choices) {
                fputs(" -f -a '", stdout);
                for (const char *c = o->choices; *c; c++)
                    putchar(*c == '|' ? ' ' : *c);
                putchar('\'');
            }
            fputs(" -d ", stdout);
            put_fish(o->help);
            putchar('\n');
        }
    }
}

static int run_completion(int n_args, char **args) {
    const char *shell = n_args == 1 ? args[0] : "";
    if (strcmp(shell, "bash") == 0)
        bash_completion();
    else if (strcmp(shell, "zsh") == 0)
        zsh_completion();
    else if (strcmp(shell, "fish") == 0)
        fish_completion();
    else
        return cli_usage("expected a shell: bash, zsh or fish");
    return 0;
}

const command cmd_completion = {
    .name = "completion",
    .group = "Help",
    .summary = "print the completion script of a shell",
    .usage = "bash|zsh|fish",
    .details = "Source the output in your shell, or put it where your shell looks.",
    .examples = "  source <(ken completion bash)\n"
                "  ken completion fish > ~/.config/fish/completions/ken.fish\n",
    .options = completion_options,
    .run = run_completion,
};
