/* tasks/inputs/stream.h: items that come one after the other out of a tar shard or a table. */
#ifndef KEN_TASKS_STREAM_H
#define KEN_TASKS_STREAM_H

#include "base/mem.h"
#include "tasks/inputs/inputs.h"

typedef struct stream_options {
    bool texts;             /* text_col holds what to embed */
    bool numbered_by_table; /* row numbers as ids carry the table's name */
    bool captions;
    const char *path_col, *url_col, *image_col, *id_col, *text_col, *caption_col;
    const table_column *extra;
    size_t n_extra;
    size_t max_field_bytes;
} stream_options;

typedef struct stream stream;

/* A shard. One that cannot be read gives a failed item instead of an error. */
KEN_MUST_CHECK ken_status stream_open_tar(const char *path, const stream_options *options,
                                          stream **out, ken_error *err);
/* Chooses the columns when none is named: "image" or "image_bytes", "path", "image_path" or
 * "file_name"; "text" or "caption" for texts. */
KEN_MUST_CHECK ken_status stream_open_table(const char *path, const stream_options *options,
                                            stream **out, ken_error *err);
void stream_close(stream *s);
uint64_t stream_n_rows(const stream *s); /* tables */
/* Whether the items carry captions; for a tar, whether its first sample does. */
bool stream_has_captions(const stream *s);
KEN_MUST_CHECK ken_status stream_next(stream *s, input_item *item, bool *more, ken_error *err);

/* The --keep values out of a JSON object (a sample's "json" field or a sidecar file); what is
 * absent or of another type than its column is null. Strings live in `memory`. `text` may be NULL.
 */
KEN_MUST_CHECK ken_status extras_from_json(const char *text, size_t size,
                                           const table_column *columns, size_t n_columns,
                                           arena *memory, input_extra *out, ken_error *err);

#endif
