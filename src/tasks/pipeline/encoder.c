/* tasks/pipeline/encoder.c: the threads that turn ready items into embeddings, a batch at a time.
 */
#include "tasks/pipeline/stages.h"

#include <string.h>

/* Smaller batches make an encoder slower; this is the least that may end a run. */
enum { least_batch = 4 };

/* How much an encoder should take. What is left in the end is shared out, so that no encoder starts
 * on a full batch while the others have nothing more to do. Caller holds the lock. */
static int share(const stages *s) {
    uint64_t last = s->input_ended ? s->tail : s->last;
    if (last == UINT64_MAX || last < s->tail)
        return s->size.batch;
    uint64_t left = last - s->tail + s->n_taken + s->n_ready;
    uint64_t each = (left + (uint64_t)s->size.n_encoders - 1) / (uint64_t)s->size.n_encoders;
    if (each < least_batch)
        each = least_batch;
    return each < (uint64_t)s->size.batch ? (int)each : s->size.batch;
}

/* The first ready entries in input order, up to a batch. 0 at the end. Caller holds the lock. */
static int gather(stage_thread *t) {
    stages *s = t->stages;
    int most = s->size.batch;
    for (;;) {
        if (s->stop)
            return 0;
        most = share(s);
        bool full = s->n_ready >= (size_t)most;
        if (s->n_ready && (full || s->n_taken == 0))
            break;
        if (s->input_ended && !s->n_ready && !s->n_taken)
            return 0;
        pthread_cond_wait(&s->ready, &s->lock);
    }
    int n = 0;
    for (uint64_t i = s->head; i < s->tail && n < most; i++) {
        entry *e = &s->ring[i % s->size.n_ring];
        if (e->state != ENTRY_READY)
            continue;
        e->state = ENTRY_ENCODING;
        t->batch_entries[n++] = e;
    }
    s->n_ready -= (size_t)n;
    return n;
}

static ken_status encode(stage_thread *t, const void *payload, int n, float *out, ken_error *err) {
    return t->stages->texts ? ken_session_encode_tokens(t->session, payload, n, out, err)
                            : ken_session_encode_pixels(t->session, payload, n, out, err);
}

/* One by one after a batch failed, so that only the items at fault fail. */
static void encode_singly(stage_thread *t, int n) {
    for (int i = 0; i < n; i++) {
        entry *e = t->batch_entries[i];
        ken_error why;
        if (encode(t, e->payload, 1, e->embedding, &why) == KEN_OK)
            e->item.embedding = e->embedding;
        else
            entry_fail(e, "encode", ken_status_name(why.status), why.message);
    }
}

static void encode_batch(stage_thread *t, int n) {
    stages *s = t->stages;
    size_t width_bytes = s->size.embedding_bytes;
    for (int i = 0; i < n; i++)
        memcpy((char *)t->batch_payload + (size_t)i * s->size.payload_bytes,
               t->batch_entries[i]->payload, s->size.payload_bytes);
    if (encode(t, t->batch_payload, n, t->batch_embeddings, NULL) != KEN_OK) {
        encode_singly(t, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        entry *e = t->batch_entries[i];
        memcpy(e->embedding, (char *)t->batch_embeddings + (size_t)i * width_bytes, width_bytes);
        e->item.embedding = e->embedding;
    }
}

void *encoder_main(void *argument) {
    stage_thread *t = argument;
    stages *s = t->stages;
    pthread_mutex_lock(&s->lock);
    int n;
    while ((n = gather(t)) > 0) {
        pthread_mutex_unlock(&s->lock);
        stage_time since = stage_clock();
        encode_batch(t, n);
        stages_note(s, STAGE_ENCODE, since);
        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < n; i++)
            t->batch_entries[i]->state = ENTRY_DONE;
        pthread_cond_signal(&s->done);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
