/* tasks/inputs/inputs_sequence.c: the items of opened inputs, one after the other. */
#include "base/file.h"
#include "base/utf8.h"
#include "tasks/inputs/inputs_state.h"

#include <limits.h>
#include <string.h>

enum { max_sidecar_bytes = 1 << 20 };

bool inputs_are_texts(const inputs *in) {
    return in->texts;
}

bool inputs_have_captions(const inputs *in) {
    return in->captions && !in->texts;
}

size_t inputs_extra_columns(const inputs *in, const table_column **columns) {
    *columns = in->extra_columns;
    return in->stream_options.n_extra;
}

void inputs_fingerprint(const inputs *in, char out[33]) {
    memcpy(out, in->fingerprint, HASH_XXH128_HEX);
}

uint64_t inputs_names_bytes(const inputs *in) {
    /* Two sets of ids, of 16 bytes for each of up to 4 places a name. */
    enum { set_bytes = 128 };
    const source_list *list = &in->sources;
    return list->arena.used_bytes + list->capacity * sizeof *list->items +
           (uint64_t)list->n * set_bytes;
}

uint64_t inputs_position(const inputs *in) {
    return in->n_given;
}

const char *inputs_note(const inputs *in) {
    return in->note[0] ? in->note : NULL;
}

uint64_t inputs_total(const inputs *in) {
    if (!in->countable)
        return 0;
    uint64_t n = in->limit && in->limit < in->n_items ? in->limit : in->n_items;
    return (n + in->shard_count - 1 - in->shard_index) / in->shard_count;
}

/* A text file beside the image, or nothing when it cannot be read. */
static ken_status read_sidecar(inputs *in, const char *image, const char *extension, char **text,
                               size_t *size, ken_error *err) {
    buf name, bytes;
    buf_init(&name, PATH_MAX);
    buf_init(&bytes, max_sidecar_bytes);
    *text = NULL;
    buf_append(&name, image, (size_t)(file_extension(image) - image));
    buf_puts(&name, extension);
    ken_status status = buf_check(&name, err);
    if (status == KEN_OK && file_read(name.data, &bytes, NULL) == KEN_OK) {
        *text = arena_strndup(&in->scratch, bytes.data ? bytes.data : "", bytes.size);
        *size = bytes.size;
        if (!*text)
            status = error_no_memory(err, bytes.size);
    }
    buf_free(&name);
    buf_free(&bytes);
    return status;
}

static ken_status give_file(inputs *in, const source *from, input_item *item, ken_error *err) {
    buf_clear(&in->shown);
    utf8_escape(&in->shown, from->os_path, strlen(from->os_path));
    TRY(buf_check(&in->shown, err));
    *item = (input_item){.kind = INPUT_IMAGE_FILE,
                         .id = from->id,
                         .path = in->shown.data,
                         .os_path = from->os_path,
                         .extra = in->extra,
                         .n_extra = in->stream_options.n_extra};
    if (from->kind == SOURCE_UNREADABLE) {
        item->stage = "open";
        item->reason = "unreadable";
        item->detail = from->detail;
    }
    char *text = NULL;
    size_t size = 0;
    if (from->has_txt) {
        TRY(read_sidecar(in, from->os_path, ".txt", &text, &size, err));
        item->caption = text;
    }
    text = NULL;
    if (from->has_json && item->n_extra)
        TRY(read_sidecar(in, from->os_path, ".json", &text, &size, err));
    return extras_from_json(text, size, in->extra_columns, item->n_extra, &in->scratch, in->extra,
                            err);
}

static ken_status give_text(inputs *in, const source *from, input_item *item, ken_error *err) {
    *item = (input_item){.kind = INPUT_TEXT,
                         .id = from->id,
                         .path = "",
                         .bytes = (const uint8_t *)from->os_path,
                         .size = from->size,
                         .extra = in->extra,
                         .n_extra = in->stream_options.n_extra};
    return extras_from_json(NULL, 0, in->extra_columns, item->n_extra, &in->scratch, in->extra,
                            err);
}

/* The next item of the sources as they are, before limit and shards. */
static ken_status next_raw(inputs *in, input_item *item, bool *more, ken_error *err) {
    arena_free(&in->scratch);
    for (;;) {
        if (in->stream) {
            TRY(stream_next(in->stream, item, more, err));
            if (*more)
                return KEN_OK;
            stream_close(in->stream);
            in->stream = NULL;
        }
        *more = in->source < in->sources.n;
        if (!*more)
            return KEN_OK;
        const source *from = &in->sources.items[in->source++];
        if (from->kind == SOURCE_TEXT)
            return give_text(in, from, item, err);
        if (from->kind == SOURCE_FILE || from->kind == SOURCE_UNREADABLE)
            return give_file(in, from, item, err);
        TRY(inputs_open_stream(in, from, &in->stream, err));
    }
}

/* Shards may repeat each other's keys: the second "0001" is called "b.tar/0001". What is still not
 * unique then, as in a table's id column, fails, because nobody could name the row. */
static ken_status make_unique(inputs *in, input_item *item, ken_error *err) {
    bool fresh = true;
    TRY(id_set_add(&in->ids, item->id, &fresh, err));
    if (fresh)
        return KEN_OK;
    buf_clear(&in->id);
    buf_printf(&in->id, "%s%s%s", item->path, *item->path ? "/" : "", item->id);
    TRY(buf_check(&in->id, err));
    if (item->kind == INPUT_IMAGE_BYTES && *item->path) {
        item->id = in->id.data;
        TRY(id_set_add(&in->ids, item->id, &fresh, err));
    }
    if (!fresh && !item->stage) {
        item->stage = "open";
        item->reason = "duplicate_id";
        item->detail = "an earlier item has the same id";
    }
    return KEN_OK;
}

ken_status inputs_next(inputs *in, input_item *item, bool *more, ken_error *err) {
    for (;;) {
        *more = false;
        if (in->limit && in->n_seen >= in->limit)
            return KEN_OK;
        TRY(next_raw(in, item, more, err));
        if (!*more)
            return KEN_OK;
        if (in->from_streams)
            TRY(make_unique(in, item, err));
        if (in->n_seen++ % in->shard_count != in->shard_index)
            continue;
        item->index = in->n_given++;
        return KEN_OK;
    }
}
