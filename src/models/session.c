/* models/session.c: the memory and the threads of encoding.
 *
 * One block holds everything: a scratch area a thread, the workspace, and the buffers of the calls
 * that take a file or a text. A batch is split over the pool in one of two ways: into lanes, each
 * thread taking its own pictures through the whole tower without waiting for another; or, when
 * there are too few to share fairly, inside every layer. Both give the same bits. */
#include "base/checked.h"
#include "base/file.h"
#include "models/load.h"

#include <math.h>
#include <string.h>

enum { default_max_batch = 16, most_batch = 65536 };
/* Of an image file. */
static const size_t max_file_bytes = (size_t)1 << 30;

typedef struct layout {
    size_t scratch_floats; /* a thread */
    size_t lane_bytes;     /* workspace of a lane */
    size_t region_bytes;   /* all lanes, or one run of the whole batch */
    size_t total_bytes;
} layout;

struct ken_session {
    const ken_model *model;
    ken_pool *pool;
    int n_threads, max_batch;
    layout layout;
    char *memory;
    float *scratch;
    char *region;
    preprocess recipe; /* of encode_file, as is its room for pixels */
    uint8_t *pixels;
    int32_t *ids; /* of encode_text */
    tracer trace;
};

/* ---- layout ---- */

static size_t max(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t tower_bytes(const ken_model *model, size_t batch) {
    size_t bytes = 0;
    if (model->vision)
        bytes = vision_workspace_bytes(model->vision, batch);
    if (model->text)
        bytes = max(bytes, text_workspace_bytes(model->text, batch));
    return bytes;
}

static size_t scratch_floats(const ken_model *model) {
    enum { line = 16 }; /* floats of a cache line: threads' areas must not share one */
    size_t floats = 0;
    if (model->vision)
        floats = vision_scratch_floats(model->vision, model->kernels);
    if (model->text)
        floats = max(floats, text_scratch_floats(model->text));
    return (floats + line - 1) / line * line;
}

/* Sizes the session's parts; with memory, also places them. */
static layout lay_out(ken_session *s) {
    const ken_model *model = s->model;
    size_t threads = (size_t)s->n_threads, batch = (size_t)s->max_batch;
    layout l = {.scratch_floats = scratch_floats(model)};
    l.region_bytes = tower_bytes(model, batch);
    if (threads > 1 && batch >= threads) {
        size_t lanes_bytes;
        l.lane_bytes = tower_bytes(model, (batch + threads - 1) / threads);
        if (!checked_mul(l.lane_bytes, threads, &lanes_bytes))
            lanes_bytes = SIZE_MAX;
        l.region_bytes = max(l.region_bytes, lanes_bytes);
    }
    workspace w = {.base = s->memory};
    s->scratch = workspace_take(&w, threads, l.scratch_floats * sizeof(float));
    s->region = workspace_take(&w, 1, l.region_bytes);
    s->pixels = workspace_take(&w, 1, model->vision ? preprocess_size(&model->preprocess) : 0);
    s->ids =
        workspace_take(&w, model->text ? model->text->config.context_length : 0, sizeof *s->ids);
    l.total_bytes = w.used_bytes;
    return l;
}

size_t session_workspace_bytes(const ken_model *model, int max_batch, int n_threads) {
    ken_session counting = {.model = model, .max_batch = max_batch, .n_threads = n_threads};
    return lay_out(&counting).total_bytes;
}

ken_status ken_session_new(const ken_model *model, const ken_session_options *options,
                           ken_session **out, ken_error *err) {
    static const ken_session_options defaults = {0};
    *out = NULL;
    options = options ? options : &defaults;
    if (options->max_batch < 0 || options->max_batch > most_batch)
        return error_set(err, KEN_BAD_ARGUMENT, "max_batch is %d, expected 0 to %d",
                         options->max_batch, most_batch);
    ken_session *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err, sizeof *s);
    s->model = model;
    s->pool = options->pool;
    s->n_threads = ken_pool_threads(options->pool);
    s->max_batch = options->max_batch ? options->max_batch : default_max_batch;
    s->recipe = model->preprocess;
    s->recipe.fast = options->fast_resize;
    size_t total_bytes = lay_out(s).total_bytes;
    s->memory = mem_alloc(total_bytes);
    if (!s->memory) {
        mem_free(s);
        return error_hint(err, error_no_memory(err, total_bytes), "use a smaller batch");
    }
    s->layout = lay_out(s);
    *out = s;
    return KEN_OK;
}

void ken_session_free(ken_session *session) {
    if (!session)
        return;
    mem_free(session->memory);
    mem_free(session);
}

void session_set_trace(ken_session *session, trace_fn *fn, void *context) {
    session->trace = (tracer){fn, context};
}

/* ---- a batch ---- */

/* What to encode: pictures, or ids [B, T]. */
typedef struct batch {
    pictures pictures;
    const int32_t *ids; /* not NULL: texts */
    size_t n;
    float *out; /* [n, E] */
} batch;

static void run_part(const ken_session *s, const exec *e, const batch *b, size_t begin, size_t n,
                     char *memory) {
    const ken_model *model = s->model;
    float *out = b->out + begin * model->embedding_width;
    if (b->ids) {
        text_run(e, model->text, memory, b->ids + begin * model->text->config.context_length, n,
                 out, &s->trace);
        return;
    }
    pictures part = pictures_from(model->vision, &b->pictures, begin);
    vision_run(e, model->vision, memory, &part, n, out, &s->trace);
}

typedef struct lanes_job {
    const ken_session *session;
    const batch *batch;
} lanes_job;

static void run_lane(void *context, size_t lane, int thread) {
    (void)thread; /* a lane's memory goes by its number: any thread may take any lane */
    const lanes_job *job = context;
    const ken_session *s = job->session;
    size_t lanes = (size_t)s->n_threads;
    size_t begin = job->batch->n * lane / lanes, end = job->batch->n * (lane + 1) / lanes;
    exec e = {.kernels = s->model->kernels,
              .scratch = s->scratch + lane * s->layout.scratch_floats,
              .scratch_floats = s->layout.scratch_floats};
    run_part(s, &e, job->batch, begin, end - begin, s->region + lane * s->layout.lane_bytes);
}

/* Lanes pay when they are nearly equal: otherwise all wait for the longest. */
static bool use_lanes(const ken_session *s, size_t n) {
    size_t threads = (size_t)s->n_threads;
    return threads > 1 && !s->trace.fn && n >= threads && (n % threads == 0 || n >= 4 * threads);
}

static ken_status finish(const ken_session *s, const batch *b, ken_error *err) {
    size_t width = s->model->embedding_width;
    for (size_t i = 0; i < b->n; i++) {
        float norm = s->model->kernels->l2_normalize_f32(b->out + i * width, width);
        if (!(norm > 0) || !isfinite(norm))
            return error_set(
                err, KEN_BAD_FORMAT,
                "embedding of %s %zu has the length %g, expected a finite number above "
                "0",
                b->ids ? "text" : "image", i, (double)norm);
    }
    trace_rows(&s->trace, b->ids ? "text_embeddings" : "image_embeddings", b->out, b->n, width);
    return KEN_OK;
}

static ken_status encode(ken_session *s, const batch *b, ken_error *err) {
    pool_begin(s->pool);
    if (use_lanes(s, b->n)) {
        lanes_job job = {s, b};
        pool_run(s->pool, run_lane, &job, (size_t)s->n_threads);
    } else if (b->n > 0) {
        exec e = {.kernels = s->model->kernels,
                  .pool = s->pool,
                  .scratch = s->scratch,
                  .scratch_floats = s->layout.scratch_floats};
        run_part(s, &e, b, 0, b->n, s->region);
    }
    pool_end(s->pool);
    return finish(s, b, err);
}

static ken_status check_batch(const ken_session *s, int n, const char *what, bool has_tower,
                              const char *tower, ken_error *err) {
    if (!has_tower)
        return error_set(err, KEN_BAD_ARGUMENT, "model '%s' was loaded without its %s tower",
                         s->model->id, tower);
    if (n < 0 || n > s->max_batch)
        return error_set(err, KEN_BAD_ARGUMENT, "%d %s in a call, expected 0 to %d", n, what,
                         s->max_batch);
    return KEN_OK;
}

ken_status ken_session_encode_pixels(ken_session *session, const uint8_t *pixels, int n_images,
                                     float *out, ken_error *err) {
    TRY(check_batch(session, n_images, "images", session->model->vision, "image", err));
    batch b = {
        .pictures = {.pixels = pixels, .table = (const float(*)[256])session->model->pixel_table},
        .n = (size_t)n_images,
        .out = out};
    return encode(session, &b, err);
}

ken_status session_encode_floats(ken_session *session, const float *nchw, int n_images, float *out,
                                 ken_error *err) {
    TRY(check_batch(session, n_images, "images", session->model->vision, "image", err));
    batch b = {.pictures = {.nchw = nchw}, .n = (size_t)n_images, .out = out};
    return encode(session, &b, err);
}

ken_status ken_session_encode_tokens(ken_session *session, const int32_t *ids, int n_texts,
                                     float *out, ken_error *err) {
    TRY(check_batch(session, n_texts, "texts", session->model->text, "text", err));
    const text_config *config = &session->model->text->config;
    for (size_t i = 0; i < (size_t)n_texts * config->context_length; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= config->vocab_size)
            return error_set(err, KEN_BAD_ARGUMENT,
                             "token %zu of text %zu is %d, expected 0 to %zu",
                             i % config->context_length, i / config->context_length, (int)ids[i],
                             config->vocab_size - 1);
    batch b = {.ids = ids, .n = (size_t)n_texts, .out = out};
    return encode(session, &b, err);
}

/* ---- one file, one text ---- */

ken_status ken_session_encode_file(ken_session *session, const char *path, float *out,
                                   ken_error *err) {
    const ken_model *model = session->model;
    TRY(check_batch(session, 1, "images", model->vision, "image", err));
    buf bytes;
    buf_init(&bytes, max_file_bytes);
    ken_status status = file_read(path, &bytes, err);
    if (status == KEN_OK) {
        status = preprocess_bytes(&session->recipe, model->kernels, (const uint8_t *)bytes.data,
                                  bytes.size, &(image_limits){0}, session->pixels, NULL, NULL, err);
        if (status != KEN_OK)
            status = error_prefix(err, status, "'%s'", path);
    }
    buf_free(&bytes);
    TRY(status);
    return ken_session_encode_pixels(session, session->pixels, 1, out, err);
}

ken_status ken_session_encode_text(ken_session *session, const char *text, float *out,
                                   ken_token_info *info, ken_error *err) {
    TRY(check_batch(session, 1, "texts", session->model->text, "text", err));
    TRY(ken_model_tokenize(session->model, text, strlen(text), session->ids, info, err));
    return ken_session_encode_tokens(session, session->ids, 1, out, err);
}
