/* Fills a batch once, then encodes it until the time is over. */
#include "tasks/bench/bench.h"

#include "base/checked.h"
#include "base/mem.h"
#include "base/sys.h"
#include "models/model.h"

#include <stdlib.h>
#include <string.h>

enum { default_batch = 16, min_rounds = 3, max_rounds = 1000 };
static const double default_seconds = 1;
static const char sentence[] = "a photo of a dog that runs on the beach";

/* What is encoded, and where to. */
typedef struct load {
    uint8_t *pixels; /* [B, H, W, 3] */
    int32_t *ids;    /* [B, T] */
    float *out;      /* [B, E] */
    int n_tokens;
} load;

static ken_status fill_pixels(load *l, size_t size_bytes, ken_error *err) {
    l->pixels = mem_alloc(size_bytes);
    if (!l->pixels)
        return error_no_memory(err, size_bytes);
    uint32_t state = 1; /* a linear congruence: any noise will do */
    for (size_t i = 0; i < size_bytes; i++) {
        state = state * 1664525u + 1013904223u;
        l->pixels[i] = (uint8_t)(state >> 24);
    }
    return KEN_OK;
}

static ken_status fill_ids(load *l, const ken_model *model, size_t batch, size_t context,
                           ken_error *err) {
    l->ids = mem_zalloc(batch * context, sizeof *l->ids);
    if (!l->ids)
        return error_no_memory(err, batch * context * sizeof *l->ids);
    ken_token_info tokens;
    TRY(ken_model_tokenize(model, sentence, strlen(sentence), l->ids, &tokens, err));
    for (size_t i = 1; i < batch; i++)
        memcpy(l->ids + i * context, l->ids, context * sizeof *l->ids);
    l->n_tokens = tokens.n_tokens;
    return KEN_OK;
}

static ken_status fill(load *l, const ken_model *model, const ken_model_info *info, bool texts,
                       int batch, ken_error *err) {
    size_t n = (size_t)batch, out_bytes;
    if (!checked_mul3(n, (size_t)info->embedding_width, sizeof *l->out, &out_bytes))
        return error_no_memory(err, SIZE_MAX);
    l->out = mem_alloc(out_bytes);
    if (!l->out)
        return error_no_memory(err, out_bytes);
    if (texts)
        return fill_ids(l, model, n, (size_t)info->context_length, err);
    return fill_pixels(l, n * (size_t)info->image_size[0] * (size_t)info->image_size[1] * 3, err);
}

static void empty(load *l) {
    mem_free(l->pixels);
    mem_free(l->ids);
    mem_free(l->out);
}

static ken_status encode(ken_session *session, const load *l, int batch, ken_error *err) {
    return l->ids ? ken_session_encode_tokens(session, l->ids, batch, l->out, err)
                  : ken_session_encode_pixels(session, l->pixels, batch, l->out, err);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the rounds' seconds; one more round before them warms the caches. */
static ken_status time_rounds(ken_session *session, const load *l, int batch,
                              const bench_options *o, double *median, ken_error *err) {
    double rounds[max_rounds], limit = o->seconds > 0 ? o->seconds : default_seconds;
    int n = 0;
    TRY(encode(session, l, batch, err));
    double begin = sys_seconds(), now = begin;
    while (n < max_rounds && (n < min_rounds || now - begin < limit)) {
        if (o->cancel && *o->cancel)
            return error_set(err, KEN_CANCELLED, "interrupted");
        TRY(encode(session, l, batch, err));
        double after = sys_seconds();
        rounds[n++] = after - now;
        now = after;
    }
    qsort(rounds, (size_t)n, sizeof *rounds, compare_doubles);
    *median = rounds[n / 2];
    return KEN_OK;
}

static ken_status measure(const ken_model *model, const load *l, const bench_options *o,
                          bench_row *row, ken_error *err) {
    ken_pool *pool = NULL;
    ken_session *session = NULL;
    double seconds = 0;
    TRY(ken_pool_new(row->n_threads, &pool, err));
    ken_session_options options = {.max_batch = row->batch, .pool = pool};
    ken_status status = ken_session_new(model, &options, &session, err);
    if (status == KEN_OK)
        status = time_rounds(session, l, row->batch, o, &seconds, err);
    if (status == KEN_OK)
        row->per_second = row->batch / seconds;
    ken_session_free(session);
    ken_pool_free(pool);
    return status;
}

static ken_status measure_tower(const ken_model *model, const ken_model_info *info, bool texts,
                                const bench_options *o, bench_row *rows, int *n_rows,
                                ken_error *err) {
    int batches[] = {1, o->max_batch ? o->max_batch : default_batch};
    int threads[] = {1, o->n_threads};
    load l = {0};
    ken_status status = fill(&l, model, info, texts, batches[1], err);
    for (int t = 0; t < 1 + (threads[1] > 1); t++)
        for (int b = 0; b < 1 + (batches[1] > 1) && status == KEN_OK; b++) {
            bench_row *row = &rows[(*n_rows)++];
            *row = (bench_row){texts, batches[b], threads[t], l.n_tokens, 0};
            status = measure(model, &l, o, row, err);
        }
    empty(&l);
    return status;
}

ken_status bench_run(const ken_model *model, const bench_options *options,
                     bench_row rows[BENCH_MAX_ROWS], int *n_rows, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    *n_rows = 0;
    if (info.image_size[0] > 0)
        TRY(measure_tower(model, &info, false, options, rows, n_rows, err));
    if (info.context_length > 0)
        TRY(measure_tower(model, &info, true, options, rows, n_rows, err));
    return KEN_OK;
}
