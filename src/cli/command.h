/* cli/command.h: the command table and the option tables, from which arguments are parsed and help,
 * man pages and shell completion are made, so that they cannot disagree.
 *
 * A command declares its options once; command_parse fills the targets or explains what is wrong.
 */
#ifndef KEN_CLI_COMMAND_H
#define KEN_CLI_COMMAND_H

#include "base/buf.h"

typedef enum option_type {
    OPTION_FLAG,   /* bool * */
    OPTION_TEXT,   /* const char ** */
    OPTION_LIST,   /* option_list *: may be given again */
    OPTION_COMMAS, /* option_list *: "a,b,c" */
    OPTION_INT,    /* int64_t *, within min..max */
    OPTION_NUMBER, /* double *, within min..max */
    OPTION_CHOICE, /* const char **, one of `choices` ("a|b|c") */
    OPTION_SWITCH, /* the same, but --name alone is "auto"; a choice follows "=" only */
    OPTION_GROUP,  /* a heading in the help */
} option_type;

typedef struct option_list {
    const char **items;
    size_t n;
} option_list;

typedef struct cli_option {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    option_type type;
    void *target;
    const char *argument; /* "FILE", "N"; for choices made from `choices` */
    const char *help;     /* one sentence */
    const char *choices;
    double min, max;
} option;

typedef struct command {
    const char *name;
    const char *group;    /* heading in `ken help`: what the user wants */
    const char *summary;  /* one line */
    const char *usage;    /* "[INPUT...] -o OUT" */
    const char *details;  /* paragraphs for `ken help NAME` and the man page */
    const char *examples; /* "command\n    what it does\n..." */
    /* Fills the option table for parsing or for help; terminated by a NULL name. */
    const option *(*options)(void);
    int (*run)(int n_args, char **args); /* returns the exit code */
} command;

extern const command *const commands[]; /* NULL-terminated; in cli/commands.c */

#endif
