/* tasks/pipeline/feeder.c: the threads that take items, read their files and have them decoded. */
#include "base/hash.h"
#include "base/utf8.h"
#include "tasks/pipeline/reader.h"
#include "tasks/pipeline/stages.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *entry_text(entry *e, const char *text, size_t size) {
    if (utf8_valid(text, size))
        return arena_strndup(&e->memory, text, size);
    buf clean;
    buf_init(&clean, INT_MAX);
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t n = utf8_decode(text + i, size - i, &code);
        if (code == UTF8_INVALID)
            buf_puts(&clean, "\xEF\xBF\xBD");
        else
            buf_append(&clean, text + i, n);
        i += n;
    }
    char *copy = clean.failed ? NULL : arena_strndup(&e->memory, clean.data, clean.size);
    buf_free(&clean);
    return copy;
}

void entry_fail(entry *e, const char *stage, const char *reason, const char *detail) {
    const char *copy = entry_text(e, detail, strlen(detail));
    e->item.stage = stage;
    e->item.reason = reason;
    e->item.detail = copy ? copy : "";
    e->item.embedding = NULL;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool copy_string(entry *e, const char *from, const char **to) {
    *to = from ? entry_text(e, from, strlen(from)) : NULL;
    return !from || *to;
}

static bool copy_extras(entry *e, const input_item *from) {
    input_extra *extra = arena_array(&e->memory, from->n_extra + 1, sizeof *extra);
    if (!extra)
        return false;
    for (size_t i = 0; i < from->n_extra; i++) {
        extra[i] = from->extra[i];
        if (extra[i].type != TABLE_TEXT || extra[i].value.is_null)
            continue;
        const char *text = entry_text(e, extra[i].value.bytes, extra[i].value.size);
        if (!text)
            return false;
        extra[i].value = (table_value){.bytes = text, .size = strlen(text)};
    }
    e->item.extra = extra;
    e->item.n_extra = from->n_extra;
    return true;
}

/* Makes the item independent of the inputs, which go on to the next. */
static ken_status copy_item(stage_thread *t, entry *e, const input_item *from, ken_error *err) {
    stages *s = t->stages;
    arena_free(&e->memory);
    e->item = (embed_item){.index = from->index, .mtime_us = -1, .hash = ""};
    e->kind = from->kind;
    e->size = from->size;
    bool ok = copy_string(e, from->id, &e->item.id) && copy_string(e, from->path, &e->item.path) &&
              copy_string(e, from->caption, &e->item.caption) && copy_extras(e, from);
    e->os_path = from->os_path ? arena_strdup(&e->memory, from->os_path) : NULL;
    ok = ok && (e->os_path || !from->os_path);
    if (!ok)
        return error_no_memory(err, from->size);
    if (from->stage) {
        entry_fail(e, from->stage, from->reason, from->detail);
    } else if (from->kind == INPUT_IMAGE_BYTES) {
        e->item.size_bytes = (int64_t)from->size;
        if (from->size > s->max_file_bytes)
            entry_fail(e, "open", "too_large", "the picture's bytes are over the limit");
        else if (!from->size)
            entry_fail(e, "open", "empty", "the picture has no bytes");
        else
            memcpy(decode_pool_buffer(s->decoders, t->index), from->bytes, from->size);
    } else if (from->kind == INPUT_TEXT) {
        char *text = arena_strndup(&e->memory, (const char *)from->bytes, from->size);
        e->item.text = entry_text(e, (const char *)from->bytes, from->size);
        e->os_path = text; /* the bytes as they are, for the tokenizer */
        if (!text || !e->item.text)
            return error_no_memory(err, from->size);
    }
    return KEN_OK;
}

/* Waits for room in the ring. False when there is nothing more to take. */
static bool wait_for_space(stages *s) {
    pthread_mutex_lock(&s->lock);
    while (!s->stop && !s->input_ended && s->tail < s->end && s->tail - s->head >= s->size.n_ring)
        pthread_cond_wait(&s->space, &s->lock);
    bool go_on = !s->stop && !s->input_ended && s->tail < s->end;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void end_input(stages *s) {
    pthread_mutex_lock(&s->lock);
    s->input_ended = true;
    pthread_cond_broadcast(&s->space);
    pthread_cond_broadcast(&s->ready);
    pthread_cond_broadcast(&s->done);
    pthread_mutex_unlock(&s->lock);
}

/* The next entry, or NULL at the end, when the run stops and when it fails. */
static entry *take(stage_thread *t) {
    stages *s = t->stages;
    ken_error err;
    entry *e = NULL;
    pthread_mutex_lock(&s->input_lock);
    if (wait_for_space(s)) {
        input_item from;
        bool more = false;
        ken_status status = inputs_next(s->in, &from, &more, &err);
        if (status == KEN_OK && more) {
            e = &s->ring[s->tail % s->size.n_ring]; /* tail changes under input_lock only */
            status = copy_item(t, e, &from, &err);
        }
        if (status != KEN_OK) {
            stages_fail(s, status, &err);
            e = NULL;
        } else if (e) {
            pthread_mutex_lock(&s->lock);
            e->state = ENTRY_TAKEN;
            s->n_taken++;
            s->tail++;
            pthread_mutex_unlock(&s->lock);
        }
    }
    if (!e)
        end_input(s);
    pthread_mutex_unlock(&s->input_lock);
    return e;
}

/* ---- reading and decoding
 * ------------------------------------------------------------------------ */

/* An earlier run's result of the same file. */
static bool reuse(stages *s, entry *e) {
    const pipeline_options *o = s->options;
    if (!o->reuse)
        return false;
    pthread_mutex_lock(&s->reuse_lock);
    embed_item old = {0};
    bool found = o->reuse(o->reuse_context, &e->item, &old);
    if (found) {
        memcpy(e->embedding, old.embedding, s->size.embedding_bytes);
        e->item.width = old.width;
        e->item.height = old.height;
        const char *hash = arena_strdup(&e->memory, old.hash);
        e->item.hash = hash ? hash : "";
        e->item.embedding = e->embedding;
    }
    pthread_mutex_unlock(&s->reuse_lock);
    return found;
}

static ken_status read_file(stage_thread *t, entry *e, bool *reused, const char **reason,
                            ken_error *err) {
    stages *s = t->stages;
    int fd;
    read_facts facts;
    TRY(reader_open(e->os_path, s->max_file_bytes, &fd, &facts, reason, err));
    e->item.size_bytes = facts.size_bytes;
    e->item.mtime_us = facts.mtime_us;
    e->size = (size_t)facts.size_bytes;
    *reused = reuse(s, e);
    if (*reused) {
        close(fd);
        return KEN_OK;
    }
    return reader_read(fd, e->os_path, &facts, decode_pool_buffer(s->decoders, t->index), reason,
                       err);
}

static ken_status take_hash(stage_thread *t, entry *e, ken_error *err) {
    char hash[HASH_XXH128_HEX];
    hash_xxh128(decode_pool_buffer(t->stages->decoders, t->index), e->size, hash);
    e->item.hash = arena_strdup(&e->memory, hash);
    return e->item.hash ? KEN_OK : error_no_memory(err, sizeof hash);
}

/* The decoder's own times: this thread has only waited. */
static void note_decoded(stages *s, const decoded *d) {
    pthread_mutex_lock(&s->lock);
    stage_time_add(&s->times[STAGE_DECODE], &d->decode);
    stage_time_add(&s->times[STAGE_RESIZE], &d->resize);
    pthread_mutex_unlock(&s->lock);
}

static ken_status decode(stage_thread *t, entry *e, ken_error *err) {
    stages *s = t->stages;
    decoded result;
    const uint8_t *pixels;
    TRY(decode_pool_run(s->decoders, t->index, e->size, &result, &pixels, err));
    note_decoded(s, &result);
    e->item.width = result.width;
    e->item.height = result.height;
    if (result.warning[0])
        e->item.warning = arena_strdup(&e->memory, result.warning);
    if (result.stage)
        entry_fail(e, result.stage, result.reason, result.detail);
    else
        memcpy(e->payload, pixels, s->size.payload_bytes);
    return KEN_OK;
}

static ken_status feed_image(stage_thread *t, entry *e, bool *reused, ken_error *err) {
    stages *s = t->stages;
    stage_time since = stage_clock();
    if (e->kind == INPUT_IMAGE_FILE) {
        const char *reason = "unreadable";
        ken_error why;
        if (read_file(t, e, reused, &reason, &why) != KEN_OK)
            entry_fail(e, "open", reason, why.message);
    }
    if (!e->item.stage && !*reused) {
        TRY(take_hash(t, e, err));
        *reused = reuse(s, e);
    }
    stages_note(s, STAGE_READ, since);
    return e->item.stage || *reused ? KEN_OK : decode(t, e, err);
}

static ken_status feed_text(stage_thread *t, entry *e) {
    ken_error why;
    ken_token_info info = {0};
    stage_time since = stage_clock();
    if (ken_model_tokenize(t->stages->model, e->os_path, e->size, e->payload, &info, &why) !=
        KEN_OK)
        entry_fail(e, "encode", ken_status_name(why.status), why.message);
    stages_note(t->stages, STAGE_READ, since);
    e->item.n_tokens = info.n_tokens;
    e->item.truncated = info.truncated;
    return KEN_OK;
}

void *feeder_main(void *argument) {
    stage_thread *t = argument;
    stages *s = t->stages;
    entry *e;
    while ((e = take(t)) != NULL) {
        ken_error err;
        ken_status status = KEN_OK;
        bool reused = false;
        if (!e->item.stage)
            status = e->kind == INPUT_TEXT ? feed_text(t, e) : feed_image(t, e, &reused, &err);
        if (status != KEN_OK) {
            stages_fail(s, status, &err);
            break;
        }
        pthread_mutex_lock(&s->lock);
        bool finished = e->item.stage || reused;
        e->state = finished ? ENTRY_DONE : ENTRY_READY;
        s->n_taken--;
        s->n_ready += !finished;
        if (finished)
            pthread_cond_signal(&s->done);
        pthread_cond_broadcast(&s->ready);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}
