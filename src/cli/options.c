/* cli/options.c: arguments -> the targets of an option table, through getopt_long. */
#include "base/mem.h"
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* getopt's value for the option at index i of the table: past any character. */
enum { first_value = 1000, max_options = 96 };

typedef struct getopt_tables {
    struct option longs[max_options + 1];
    char shorts[2 * max_options + 3];
} getopt_tables;

static void build_tables(const option *options, getopt_tables *t) {
    size_t n = 0, s = 0;
    t->shorts[s++] = ':'; /* tell a missing argument from an unknown option */
    for (int i = 0; (options[i].name || options[i].type == OPTION_GROUP) && n < max_options; i++) {
        const option *o = &options[i];
        if (o->type == OPTION_GROUP)
            continue;
        int has_arg = o->type == OPTION_FLAG     ? no_argument
                      : o->type == OPTION_SWITCH ? optional_argument
                                                 : required_argument;
        t->longs[n++] = (struct option){o->name, has_arg, NULL, first_value + i};
        if (o->letter) {
            t->shorts[s++] = o->letter;
            if (has_arg == required_argument)
                t->shorts[s++] = ':';
        }
    }
    t->longs[n] = (struct option){0};
    t->shorts[s] = '\0';
}

static const option *find_option(const option *options, int value) {
    if (value >= first_value)
        return &options[value - first_value];
    for (int i = 0; options[i].name || options[i].type == OPTION_GROUP; i++)
        if (options[i].letter == value)
            return &options[i];
    return NULL;
}

static bool list_add(option_list *list, const char *item) {
    const char **items =
        mem_grow((void *)list->items, list->n * sizeof *items, (list->n + 1) * sizeof *items);
    if (!items)
        return false;
    items[list->n++] = item;
    list->items = items;
    return true;
}

/* Splits in place: `text` is the argument vector's own memory. */
static ken_status add_commas(option_list *list, char *text, ken_error *err) {
    for (;;) {
        char *comma = strchr(text, ',');
        if (comma)
            *comma = '\0';
        while (*text == ' ')
            text++;
        if (!list_add(list, text))
            return error_no_memory(err, sizeof text);
        if (!comma)
            return KEN_OK;
        text = comma + 1;
    }
}

static ken_status set_int(const option *o, const char *text, ken_error *err) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' needs an integer, not '%s'", o->name,
                         text);
    if ((o->min != 0 || o->max != 0) && ((double)value < o->min || (double)value > o->max))
        return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' is %lld, expected %.0f to %.0f",
                         o->name, value, o->min, o->max);
    *(int64_t *)o->target = value;
    return KEN_OK;
}

static ken_status set_number(const option *o, const char *text, ken_error *err) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' needs a number, not '%s'", o->name,
                         text);
    if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
        return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' is %g, expected %g to %g", o->name,
                         value, o->min, o->max);
    *(double *)o->target = value;
    return KEN_OK;
}

/* NULL is "auto", which is what a switch alone means. */
static ken_status set_choice(const option *o, const char *text, ken_error *err) {
    if (!text) {
        *(const char **)o->target = "auto";
        return KEN_OK;
    }
    size_t n = strlen(text);
    for (const char *at = o->choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        if (n && strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0')) {
            *(const char **)o->target = text;
            return KEN_OK;
        }
    }
    return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' is '%s', expected %s", o->name, text,
                     o->choices);
}

static ken_status set_value(const option *o, char *text, ken_error *err) {
    switch (o->type) {
    case OPTION_FLAG:
        *(bool *)o->target = true;
        return KEN_OK;
    case OPTION_TEXT:
        *(const char **)o->target = text;
        return KEN_OK;
    case OPTION_LIST:
        return list_add(o->target, text) ? KEN_OK : error_no_memory(err, sizeof text);
    case OPTION_COMMAS:
        return add_commas(o->target, text, err);
    case OPTION_INT:
        return set_int(o, text, err);
    case OPTION_NUMBER:
        return set_number(o, text, err);
    case OPTION_CHOICE:
    case OPTION_SWITCH:
        return set_choice(o, text, err);
    case OPTION_GROUP:
        break;
    }
    return error_set(err, KEN_INTERNAL, "option '--%s' has no type", o->name);
}

static const char *closest_option(const option *options, const char *name) {
    const char *best = NULL;
    int best_distance = 3;
    for (int i = 0; options[i].name || options[i].type == OPTION_GROUP; i++) {
        int distance = options[i].name ? edit_distance(options[i].name, name) : best_distance;
        if (distance < best_distance) {
            best_distance = distance;
            best = options[i].name;
        }
    }
    return best;
}

static ken_status unknown_option(const option *options, const char *argument, ken_error *err) {
    ken_status status = error_set(err, KEN_BAD_ARGUMENT, "unknown option '%s'", argument);
    char name[64];
    if (strncmp(argument, "--", 2) != 0)
        return status;
    size_t n = strcspn(argument + 2, "=");
    if (n >= sizeof name)
        return status;
    memcpy(name, argument + 2, n);
    name[n] = '\0';
    const char *closest = closest_option(options, name);
    if (closest)
        return error_hint(err, status, "did you mean '--%s'?", closest);
    return error_hint(err, status, "'ken help %s' lists the options", cli_command_name);
}

ken_status options_parse(const option *options, int n_args, char **args, int *n_positional,
                         ken_error *err) {
    getopt_tables tables;
    build_tables(options, &tables);
    opterr = 0;
    optind = 0; /* glibc: start anew */
    for (;;) {
        int value = getopt_long(n_args, args, tables.shorts, tables.longs, NULL);
        if (value == -1)
            break;
        const char *argument = args[optind - 1];
        if (value == '?') {
            if (optopt && optopt < first_value) {
                char letter[3] = {'-', (char)optopt, '\0'};
                return unknown_option(options, letter, err);
            }
            return unknown_option(options, argument, err);
        }
        const option *o = find_option(options, value == ':' ? optopt : value);
        if (!o)
            return unknown_option(options, argument, err);
        if (value == ':')
            return error_set(err, KEN_BAD_ARGUMENT, "option '--%s' needs an argument", o->name);
        TRY(set_value(o, optarg, err));
    }
    *n_positional = n_args - optind;
    memmove(args, args + optind, (size_t)*n_positional * sizeof *args);
    return KEN_OK;
}

void options_free(const option *options) {
    for (int i = 0; options[i].name || options[i].type == OPTION_GROUP; i++) {
        if (options[i].type != OPTION_LIST && options[i].type != OPTION_COMMAS)
            continue;
        option_list *list = options[i].target;
        mem_free((void *)list->items);
        *list = (option_list){NULL, 0};
    }
}
