/* tasks/inputs/inputs.h: what the user named, as a sequence of items in a fixed order.
 *
 * Files, folders (recursive, sorted by path, hidden ones skipped, links not followed out), globs,
 * "-" (paths on stdin), webdataset tar shards, tables with paths or image bytes, texts. */
#ifndef KEN_TASKS_INPUTS_H
#define KEN_TASKS_INPUTS_H

#include "base/buf.h"
#include "formats/table.h"

typedef struct inputs inputs;

typedef struct inputs_options {
    const char *const *args; /* INPUT... */
    size_t n_args;
    const char *const *texts; /* --text, each an item; then kind is text */
    size_t n_texts;
    const char *texts_file; /* --texts FILE: a line each, or a table */
    bool null_separated;    /* -0 */
    int stdin_fd;           /* for "-"; normally 0 */
    const char *path_col, *url_col, *image_col, *id_col, *text_col, *caption_col;
    const char *const *keep; /* --keep columns */
    size_t n_keep;
    uint64_t limit; /* 0: all */
    bool shuffle;   /* with `seed`, after sorting */
    uint64_t seed;
    int shard_index, shard_count; /* --shard I/N, I from 0; count 0: no sharding */
} inputs_options;

/* A --keep column's value of an item. */
typedef struct input_extra {
    const char *name;
    table_value value; /* text, integer, float or null */
    table_type type;
} input_extra;

typedef enum input_kind { INPUT_IMAGE_FILE, INPUT_IMAGE_BYTES, INPUT_TEXT } input_kind;

typedef struct input_item {
    input_kind kind;
    uint64_t index;
    const char *id;       /* valid UTF-8 */
    const char *path;     /* valid UTF-8, escaped; "" when there is none */
    const char *os_path;  /* the raw path to open; INPUT_IMAGE_FILE */
    const uint8_t *bytes; /* INPUT_IMAGE_BYTES; text bytes of INPUT_TEXT */
    size_t size;
    const char *caption; /* or NULL */
    const input_extra *extra;
    size_t n_extra;
    const char *stage, *reason, *detail; /* stage not NULL: the item failed already here */
} input_item;

KEN_MUST_CHECK ken_status inputs_open(const inputs_options *options, inputs **out, ken_error *err);
void inputs_close(inputs *in);
bool inputs_are_texts(const inputs *in);
/* 0 while unknown (stdin, tar). */
uint64_t inputs_total(const inputs *in);
/* The --keep columns' names and types, fixed when the inputs are opened. */
size_t inputs_extra_columns(const inputs *in, const table_column **columns);
bool inputs_have_captions(const inputs *in);
/* Bytes that the list of names takes, at its opening in the most. */
uint64_t inputs_names_bytes(const inputs *in);
/* Something the user should know, such as links that were skipped; else NULL. */
const char *inputs_note(const inputs *in);
/* The next item, valid until the next call; *more is false at the end. */
KEN_MUST_CHECK ken_status inputs_next(inputs *in, input_item *item, bool *more, ken_error *err);
/* Index of the item that inputs_next gives next. */
uint64_t inputs_position(const inputs *in);
/* xxh3-128 of the options and the list of names, which a resumed job must find unchanged. */
void inputs_fingerprint(const inputs *in, char out[33]);

#endif
