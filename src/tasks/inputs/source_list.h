/* tasks/inputs/source_list.h: the names behind inputs: folders walked, globs expanded, lists read.
 *
 * A source is one image file, one text, one tar shard or one table, in the order in which its items
 * are given. Everything here happens when the inputs are opened. */
#ifndef KEN_TASKS_SOURCE_LIST_H
#define KEN_TASKS_SOURCE_LIST_H

#include "base/buf.h"
#include "base/mem.h"

typedef enum source_kind {
    SOURCE_FILE,
    SOURCE_TEXT,
    SOURCE_TAR,
    SOURCE_TABLE,
    SOURCE_UNREADABLE, /* a folder inside a folder that could not be listed: one failed item */
} source_kind;

typedef struct source {
    source_kind kind;
    bool has_txt;        /* a caption lies beside the image: same name, .txt */
    bool has_json;       /* likewise metadata, .json */
    const char *os_path; /* raw bytes as the system takes them; the text of SOURCE_TEXT */
    size_t size;         /* bytes of a text */
    const char *id;      /* escaped, perhaps the end of os_path; NULL for tars and tables */
    const char *detail;  /* SOURCE_UNREADABLE: why */
} source;

typedef struct source_list {
    arena arena;
    source *items;
    size_t n, capacity;
    uint64_t n_links_out; /* symbolic links that lead out of their folder, skipped */
} source_list;

void source_list_free(source_list *list);
KEN_MUST_CHECK ken_status source_list_add(source_list *list, const source *item, ken_error *err);
/* A file by the name as typed, which gives the id (without a leading "./"). */
KEN_MUST_CHECK ken_status source_list_add_file(source_list *list, const char *path, ken_error *err);
/* Every image below `root`, sorted by path bytes; ids start with `id_prefix` (which may be ""). */
KEN_MUST_CHECK ken_status source_list_add_folder(source_list *list, const char *root,
                                                 const char *id_prefix, ken_error *err);
/* *matched is false, and nothing is added, when no name fits. */
KEN_MUST_CHECK ken_status source_list_add_glob(source_list *list, const char *pattern,
                                               bool *matched, ken_error *err);
/* Names read from `fd` to its end, each ended by a newline or, null_separated, by a zero byte. */
KEN_MUST_CHECK ken_status source_list_add_names(source_list *list, int fd, bool null_separated,
                                                ken_error *err);
/* Lines of a text file as texts with ids "0", "1", ... */
KEN_MUST_CHECK ken_status source_list_add_lines(source_list *list, const char *path,
                                                ken_error *err);
/* The same order for the same seed, on every machine. */
void source_list_shuffle(source_list *list, uint64_t seed);

#endif
