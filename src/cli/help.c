/* cli/help.c: the text of `ken help`, manual pages and shell completion, all from the command and
 * option tables. */
#include "cli/cli.h"

#include <string.h>

enum { text_width = 78, option_column = 26 };

static bool is_end(const option *o) {
    return !o->name && o->type != OPTION_GROUP;
}

const command *command_find(const char *name) {
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

const char *command_suggest(const char *name) {
    const char *best = NULL;
    int best_distance = 4;
    for (size_t i = 0; commands[i]; i++) {
        int distance = edit_distance(commands[i]->name, name);
        if (distance < best_distance) {
            best_distance = distance;
            best = commands[i]->name;
        }
    }
    return best;
}

/* Prints text from column `at`, breaking at spaces, later lines indented by `indent`. */
static void print_wrapped(FILE *to, const char *text, int at, int indent) {
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (at > indent && at + 1 + (int)word > text_width) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', to);
            at++;
        }
        fprintf(to, "%.*s", (int)word, text);
        at += (int)word;
        text += word;
        text += strspn(text, " \n");
    }
    fputc('\n', to);
}

static const char *argument_name(const option *o) {
    if (o->type == OPTION_FLAG)
        return NULL;
    return o->argument ? o->argument : o->choices;
}

static void print_option(FILE *to, const option *o) {
    char left[128];
    const char *argument = argument_name(o);
    int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                      : snprintf(left, sizeof left, "      --%s", o->name);
    if (argument)
        n += snprintf(left + n, sizeof left - (size_t)n, o->type == OPTION_SWITCH ? "[=%s]" : " %s",
                      argument);
    fputs(left, to);
    if (n >= option_column - 1) {
        fputc('\n', to);
        n = 0;
    }
    fprintf(to, "%*s", option_column - n, "");
    print_wrapped(to, o->help, option_column, option_column);
}

void help_command(FILE *to, const command *c) {
    fprintf(to, "ken %s: %s\n\nusage: ken %s %s\n", c->name, c->summary, c->name, c->usage);
    for (const char *p = c->details; p && *p;) {
        size_t n = strcspn(p, "\n");
        char paragraph[1200];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)n, p);
        fputc('\n', to);
        print_wrapped(to, paragraph, 0, 0);
        p += n + strspn(p + n, "\n");
    }
    fputs("\noptions:\n", to);
    for (const option *o = c->options(); !is_end(o); o++) {
        if (o->type == OPTION_GROUP)
            fprintf(to, "\n  %s\n", o->help);
        else
            print_option(to, o);
    }
    fputs("  -h, --help              show this help\n", to);
    if (c->examples)
        fprintf(to, "\nexamples:\n%s", c->examples);
}

void help_all(FILE *to) {
    fputs("ken: images and text in one space\n\nusage: ken COMMAND [OPTIONS] [ARGS]\n", to);
    const char *group = "";
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->group, group) != 0) {
            group = commands[i]->group;
            fprintf(to, "\n%s\n", group);
        }
        fprintf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n'ken help COMMAND' explains one; 'ken --version' names the libraries and the CPU "
          "tier.\n"
          "Exit codes: 0 done; 1 some items failed; 2 usage; 65 bad input or model; 66 input "
          "missing;\n"
          "69 unavailable; 70 internal; 73 cannot create output; 74 I/O error, resumable;\n"
          "75 interrupted, resumable; 77 refused by policy.\n",
          to);
}

/* Text in a manual page: hyphens, backslashes and leading dots mean something to troff. */
static void print_troff(FILE *to, const char *text) {
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            fputc(*text, to);
        line_start = *text == '\n';
    }
}

static void man_options(FILE *to, const command *c) {
    fputs(".SH OPTIONS\n", to);
    for (const option *o = c->options(); !is_end(o); o++) {
        if (o->type == OPTION_GROUP) {
            fprintf(to, ".SS %s\n", o->help);
            continue;
        }
        fputs(".TP\n", to);
        if (o->letter)
            fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", to);
        print_troff(to, o->name);
        fputs("\\fR", to);
        if (argument_name(o))
            fprintf(to, o->type == OPTION_SWITCH ? "[=\\fI%s\\fR]" : " \\fI%s\\fR",
                    argument_name(o));
        fputc('\n', to);
        print_troff(to, o->help);
        fputc('\n', to);
    }
}

static void man_command(FILE *to, const command *c) {
    fprintf(to, ".TH KEN\\-%s 1 \"\" \"ken %s\" \"ken manual\"\n.SH NAME\nken\\-%s \\- ", c->name,
            ken_version(), c->name);
    print_troff(to, c->summary);
    fprintf(to, "\n.SH SYNOPSIS\n.B ken %s\n", c->name);
    print_troff(to, c->usage);
    fputs("\n.SH DESCRIPTION\n", to);
    for (const char *p = c->details ? c->details : c->summary; *p;) {
        size_t n = strcspn(p, "\n");
        char paragraph[1200];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)n, p);
        print_troff(to, paragraph);
        fputs("\n.PP\n", to);
        p += n + strspn(p + n, "\n");
    }
    man_options(to, c);
    if (c->examples) {
        fputs(".SH EXAMPLES\n.nf\n", to);
        print_troff(to, c->examples);
        fputs(".fi\n", to);
    }
    fputs(".SH SEE ALSO\n.BR ken (1)\n", to);
}

void help_man_page(FILE *to, const command *c) {
    if (c) {
        man_command(to, c);
        return;
    }
    fprintf(to,
            ".TH KEN 1 \"\" \"ken %s\" \"ken manual\"\n.SH NAME\nken \\- images and text in one "
            "space\n.SH SYNOPSIS\n.B ken\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGS\\fR]\n"
            ".SH COMMANDS\n",
            ken_version());
    for (size_t i = 0; commands[i]; i++) {
        fprintf(to, ".TP\n.BR ken\\-%s (1)\n", commands[i]->name);
        print_troff(to, commands[i]->summary);
        fputc('\n', to);
    }
    fputs(".SH EXIT STATUS\n0 done; 1 done, but some items failed; 2 usage; 65 bad input or model "
          "file; 66 input missing; 69 service unavailable; 70 internal; 73 cannot create output; "
          "74 I/O error, resumable; 75 interrupted, resumable; 77 refused by policy.\n",
          to);
}
