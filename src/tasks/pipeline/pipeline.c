#include "tasks/pipeline/pipeline.h"

#include "base/checked.h"
#include "base/sys.h"
#include "tasks/pipeline/stages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const double default_timeout = 30, progress_seconds = 0.1;
static const uint64_t default_max_file_bytes = (uint64_t)1 << 30;

/* Everything a run owns, so that it can be taken down from any point. */
typedef struct run {
    stages s;
    pipeline_options options;
    stage_thread *threads; /* encoders, then feeders */
    double started;
    uint64_t n_done, n_failed;
} run;

/* ---- sizing ---------------------------------------------------------------------------------- */

static void set_sizes(run *r) {
    stages *s = &r->s;
    const pipeline_options *o = &r->options;
    s->size = pipeline_size(s->model, s->in, o);
    s->item_timeout = o->item_timeout > 0 ? o->item_timeout : default_timeout;
    s->max_file_bytes = o->max_file_bytes ? o->max_file_bytes : default_max_file_bytes;
}

static void say(const run *r, const char *format, ...) KEN_PRINTF(2, 3);
static void say(const run *r, const char *format, ...) {
    if (!r->options.plan)
        return;
    char line[320];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    r->options.plan(r->options.plan_context, line);
}

static void say_plan(const run *r) {
    const stages *s = &r->s;
    say(r, "encoding: %d threads, %d items a batch", s->size.n_encoders, s->size.batch);
    if (s->texts)
        return;
    int abi = decode_pool_landlock_abi(s->decoders);
    say(r, "decoding: %d processes, %s, %g seconds an item", s->size.n_feeders,
        abi < 0    ? "not sandboxed"
        : abi == 0 ? "sandboxed by seccomp (this kernel has no Landlock)"
                   : "sandboxed by seccomp and Landlock",
        s->item_timeout);
    say(r, "memory: each decode process may add %.0f MiB of addresses, and hold one file",
        (double)decode_pool_worker_bytes(&r->options.limits) / (1 << 20));
}

/* ---- setting up ------------------------------------------------------------------------------ */

static ken_status make_ring(stages *s, ken_error *err) {
    s->ring = mem_zalloc(s->size.n_ring, sizeof *s->ring);
    if (!s->ring)
        return error_no_memory(err, s->size.n_ring * sizeof *s->ring);
    for (size_t i = 0; i < s->size.n_ring; i++) {
        s->ring[i].payload = mem_alloc(s->size.payload_bytes);
        s->ring[i].embedding = mem_alloc(s->size.embedding_bytes);
        if (!s->ring[i].payload || !s->ring[i].embedding)
            return error_no_memory(err, s->size.payload_bytes);
    }
    return KEN_OK;
}

static ken_status make_encoder(run *r, stage_thread *t, ken_error *err) {
    stages *s = &r->s;
    size_t batch = (size_t)s->size.batch, payload, vectors;
    if (!checked_mul(batch, s->size.payload_bytes, &payload) ||
        !checked_mul(batch, s->size.embedding_bytes, &vectors))
        return error_no_memory(err, SIZE_MAX);
    t->batch_payload = mem_alloc(payload);
    t->batch_embeddings = mem_alloc(vectors);
    t->batch_entries = mem_zalloc(batch, sizeof *t->batch_entries);
    if (!t->batch_payload || !t->batch_embeddings || !t->batch_entries)
        return error_no_memory(err, payload);
    ken_session_options options = {.max_batch = s->size.batch};
    return ken_session_new(s->model, &options, &t->session, err);
}

static ken_status set_up(run *r, ken_error *err) {
    stages *s = &r->s;
    set_sizes(r);
    if (!s->texts) {
        decode_pool_options decode = {.n_workers = r->s.size.n_feeders,
                                      .max_bytes = (size_t)s->max_file_bytes,
                                      .preprocess = r->options.preprocess,
                                      .kernels = model_kernels(s->model),
                                      .limits = r->options.limits,
                                      .timeout_seconds = s->item_timeout,
                                      .no_sandbox = r->options.no_sandbox,
                                      .stop = &s->stop,
                                      .decode = r->options.decode};
        TRY(decode_pool_new(&decode, &s->decoders, err));
    }
    say_plan(r);
    TRY(make_ring(s, err));
    size_t n = (size_t)(r->s.size.n_encoders + r->s.size.n_feeders);
    r->threads = mem_zalloc(n, sizeof *r->threads);
    if (!r->threads)
        return error_no_memory(err, n * sizeof *r->threads);
    for (int i = 0; i < r->s.size.n_encoders; i++)
        TRY(make_encoder(r, &r->threads[i], err));
    for (int i = 0; i < r->s.size.n_feeders; i++)
        r->threads[r->s.size.n_encoders + i].index = i;
    return KEN_OK;
}

static void take_down(run *r) {
    stages *s = &r->s;
    for (int i = 0; r->threads && i < r->s.size.n_encoders; i++) {
        ken_session_free(r->threads[i].session);
        mem_free(r->threads[i].batch_payload);
        mem_free(r->threads[i].batch_embeddings);
        mem_free(r->threads[i].batch_entries);
    }
    mem_free(r->threads);
    for (size_t i = 0; s->ring && i < s->size.n_ring; i++) {
        arena_free(&s->ring[i].memory);
        mem_free(s->ring[i].payload);
        mem_free(s->ring[i].embedding);
    }
    mem_free(s->ring);
    decode_pool_free(s->decoders);
    pthread_mutex_destroy(&s->input_lock);
    pthread_mutex_destroy(&s->reuse_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->space);
    pthread_cond_destroy(&s->ready);
    pthread_cond_destroy(&s->done);
}

static void make_locks(stages *s) {
    pthread_mutex_init(&s->input_lock, NULL);
    pthread_mutex_init(&s->reuse_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->space, NULL);
    pthread_cond_init(&s->ready, NULL);
    pthread_cond_init(&s->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* ---- times ----------------------------------------------------------------------------------- */

void pipeline_stats_add(pipeline_stats *to, const pipeline_stats *from) {
    to->n_done += from->n_done;
    to->n_failed += from->n_failed;
    to->seconds += from->seconds;
    for (int i = 0; i < PIPELINE_STAGES; i++)
        stage_time_add(&to->stages[i], &from->stages[i]);
}

void stages_note(stages *s, pipeline_stage stage, stage_time since) {
    stage_time used = stage_time_since(&since);
    pthread_mutex_lock(&s->lock);
    stage_time_add(&s->times[stage], &used);
    pthread_mutex_unlock(&s->lock);
}

/* ---- running --------------------------------------------------------------------------------- */

void stages_fail(stages *s, ken_status status, const ken_error *err) {
    pthread_mutex_lock(&s->lock);
    if (s->status == KEN_OK) {
        s->status = status;
        if (err)
            s->err = *err;
    }
    __atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED); /* the decode pool reads it without the lock */
    pthread_cond_broadcast(&s->space);
    pthread_cond_broadcast(&s->ready);
    pthread_cond_broadcast(&s->done);
    pthread_mutex_unlock(&s->lock);
}

static ken_status start_threads(run *r, ken_error *err) {
    for (int i = 0; i < r->s.size.n_encoders + r->s.size.n_feeders; i++) {
        stage_thread *t = &r->threads[i];
        t->stages = &r->s;
        int rc = pthread_create(&t->thread, NULL,
                                i < r->s.size.n_encoders ? encoder_main : feeder_main, t);
        if (rc != 0)
            return error_set(err, KEN_NO_MEMORY, "could not start a thread: %s", strerror(rc));
        t->started = true;
    }
    return KEN_OK;
}

static void join_threads(run *r) {
    for (int i = 0; i < r->s.size.n_encoders + r->s.size.n_feeders; i++)
        if (r->threads[i].started)
            pthread_join(r->threads[i].thread, NULL);
}

static void report(run *r, double *last, bool force) {
    double now = sys_seconds();
    if (!r->options.progress || (!force && now - *last < progress_seconds))
        return;
    *last = now;
    embed_progress progress = {.n_done = r->n_done,
                               .n_failed = r->n_failed,
                               .n_total = inputs_total(r->s.in),
                               .seconds = now - r->started};
    r->options.progress(r->options.progress_context, &progress);
}

/* Waits up to a tenth of a second for the first entry. Caller holds the lock. */
static void wait_for_done(stages *s) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(progress_seconds * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&s->done, &s->lock, &until);
}

/* Gives the items to the sink in order until the last one, a failure or an interruption. */
static void drain(run *r, embed_sink *sink, void *context) {
    stages *s = &r->s;
    double last = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->stop && !(s->input_ended && s->head == s->tail)) {
        entry *e = &s->ring[s->head % s->size.n_ring];
        bool done = s->head < s->tail && e->state == ENTRY_DONE;
        if (!done)
            wait_for_done(s);
        pthread_mutex_unlock(&s->lock);
        ken_error err;
        ken_status status = KEN_OK;
        if (r->options.cancel && *r->options.cancel) {
            status = error_set(&err, KEN_CANCELLED, "interrupted");
        } else if (done) {
            stage_time since = stage_clock();
            status = sink(context, &e->item, &err);
            stages_note(s, STAGE_WRITE, since);
            r->n_done++;
            r->n_failed += e->item.stage != NULL;
        }
        if (status != KEN_OK)
            stages_fail(s, status, &err);
        report(r, &last, false);
        pthread_mutex_lock(&s->lock);
        if (done && status == KEN_OK) {
            e->state = ENTRY_FREE;
            s->head++;
            pthread_cond_signal(&s->space);
        }
    }
    pthread_mutex_unlock(&s->lock);
    report(r, &last, true);
}

/* Signals are for the caller's thread: the threads made here inherit a full mask. */
static ken_status run_threads(run *r, embed_sink *sink, void *context, ken_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ken_status status = start_threads(r, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == KEN_OK)
        drain(r, sink, context);
    else
        stages_fail(&r->s, status, err);
    join_threads(r);
    if (r->s.status != KEN_OK && err)
        *err = r->s.err;
    return r->s.status;
}

static ken_status skip_to(inputs *in, uint64_t first, ken_error *err) {
    bool more = true;
    input_item item;
    while (more && inputs_position(in) < first)
        TRY(inputs_next(in, &item, &more, err));
    return KEN_OK;
}

ken_status pipeline_run(const ken_model *model, inputs *in, uint64_t first,
                        const pipeline_options *options, embed_sink *sink, void *sink_context,
                        pipeline_stats *stats, ken_error *err) {
    run *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return error_no_memory(err, sizeof *r);
    r->started = sys_seconds();
    if (options)
        r->options = *options;
    if (!r->options.preprocess)
        r->options.preprocess = model_preprocess(model);
    stages *s = &r->s;
    s->model = model;
    s->options = &r->options;
    s->in = in;
    s->texts = inputs_are_texts(in);
    s->head = s->tail = first;
    s->end = r->options.count ? first + r->options.count : UINT64_MAX;
    s->last = inputs_total(in) ? inputs_total(in) : UINT64_MAX;
    if (s->last > s->end)
        s->last = s->end;
    make_locks(s);
    ken_status status = skip_to(in, first, err);
    if (status == KEN_OK)
        status = set_up(r, err);
    if (status == KEN_OK)
        status = run_threads(r, sink, sink_context, err);
    if (stats) {
        *stats = (pipeline_stats){
            .n_done = r->n_done, .n_failed = r->n_failed, .seconds = sys_seconds() - r->started};
        memcpy(stats->stages, s->times, sizeof s->times);
    }
    take_down(r);
    mem_free(r);
    return status;
}
