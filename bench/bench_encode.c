/* bench/bench_encode.c: ken's side of bench/encode.py, text.py and models.py.
 *
 *     bench_encode image|text MODEL_DIR INPUT [PRECISION [TIER]]
 *
 * INPUT holds raw 8-bit pictures of the model's size, or texts as 32-bit token ids padded to the
 * model's context length. Commands come on standard input, a line each, so that the process stays
 * warm, and asleep, while a peer is measured:
 *
 *     run BATCH THREADS REPEATS    encodes that often; prints the seconds of each
 *     embed BATCH THREADS          prints the embeddings, an item a line
 *     peak THREADS                 prints how many operations a second, in 10^9, so many threads
 * reach with the instructions of this precision's products
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "core_probe.h"
#include "ken.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct bench {
    ken_model *model;
    ken_model_info info;
    bool texts;
    file_map input;
    int n_items;
    float *out; /* [n_items, E] */
    ken_pool *pool;
    ken_session *session; /* for `batch` and `threads` */
    int batch, threads;
} bench;

enum { MAX_PRECISIONS = 16, MAX_PEAK_THREADS = 256, N_PROBES = 40 };

static ken_status find_precision(const char *name, ken_precision *out, ken_error *err) {
    for (int i = 0; i < MAX_PRECISIONS; i++) {
        *out = (ken_precision)i;
        if (strcmp(ken_precision_name(*out), name) == 0)
            return KEN_OK;
    }
    return error_set(err, KEN_BAD_ARGUMENT, "'%s' is not a precision", name);
}

static ken_status bench_open(bench *b, const char *dir, const char *input,
                             const ken_model_options *options, ken_error *err) {
    TRY(ken_model_load(dir, options, &b->model, err));
    ken_model_get_info(b->model, &b->info);
    TRY(file_map_open(input, &b->input, err));
    b->texts = options->text_only;
    const int *size = b->info.image_size;
    size_t item_bytes = b->texts ? (size_t)b->info.context_length * sizeof(int32_t)
                                 : (size_t)size[0] * (size_t)size[1] * 3;
    b->n_items = (int)(b->input.size / item_bytes);
    if (b->n_items == 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s' holds no item of %zu bytes", input, item_bytes);
    b->out = mem_zalloc((size_t)b->n_items * (size_t)b->info.embedding_width, sizeof *b->out);
    return b->out ? KEN_OK : error_no_memory(err, sizeof *b->out);
}

static void bench_close(bench *b) {
    ken_session_free(b->session);
    ken_pool_free(b->pool);
    mem_free(b->out);
    file_map_close(&b->input);
    ken_model_free(b->model);
}

/* A session for this batch and number of threads, kept until they change. */
static ken_status prepare(bench *b, int batch, int threads, ken_error *err) {
    if (batch < 1 || batch > b->n_items || threads < 1)
        return error_set(err, KEN_BAD_ARGUMENT, "batch %d on %d threads, expected 1 to %d items",
                         batch, threads, b->n_items);
    if (b->session && b->batch == batch && b->threads == threads)
        return KEN_OK;
    ken_session_free(b->session);
    ken_pool_free(b->pool);
    b->session = NULL;
    b->pool = NULL;
    TRY(ken_pool_new(threads, &b->pool, err));
    b->batch = batch;
    b->threads = threads;
    return ken_session_new(b->model, &(ken_session_options){.max_batch = batch, .pool = b->pool},
                           &b->session, err);
}

static ken_status encode(bench *b, int batch, ken_error *err) {
    if (b->texts)
        return ken_session_encode_tokens(b->session, (const int32_t *)(const void *)b->input.data,
                                         batch, b->out, err);
    return ken_session_encode_pixels(b->session, b->input.data, batch, b->out, err);
}

static ken_status run(bench *b, int batch, int threads, int repeats, ken_error *err) {
    TRY(prepare(b, batch, threads, err));
    for (int i = 0; i < repeats; i++) {
        double start = sys_seconds();
        TRY(encode(b, batch, err));
        printf("%.9f%c", sys_seconds() - start, i + 1 < repeats ? ' ' : '\n');
    }
    return KEN_OK;
}

static ken_status embed(bench *b, int batch, int threads, ken_error *err) {
    TRY(prepare(b, batch, threads, err));
    TRY(encode(b, batch, err));
    int width = b->info.embedding_width;
    for (int i = 0; i < batch * width; i++)
        printf("%.9g%c", (double)b->out[i], (i + 1) % width ? ' ' : '\n');
    return KEN_OK;
}

typedef struct peak_task {
    const char *tier;
    arithmetic what;
    pthread_barrier_t *barrier;
    struct {
        double rate, begin, end;
    } probes[N_PROBES];
} peak_task;

static void *probe_in_step(void *context) {
    peak_task *task = context;
    for (int i = 0; i < N_PROBES; i++) {
        pthread_barrier_wait(task->barrier);
        task->probes[i].begin = sys_seconds();
        task->probes[i].rate = probe_core(task->tier, task->what).peak;
        task->probes[i].end = sys_seconds();
    }
    return NULL;
}

/* The sum of one step, or 0 when the threads did not run at the same time. */
static double step_sum(const peak_task *tasks, int n, int step) {
    double sum = 0, begin = tasks[0].probes[step].begin, end = tasks[0].probes[step].end;
    double first = begin, last = end;
    for (int i = 0; i < n; i++) {
        double b = tasks[i].probes[step].begin, e = tasks[i].probes[step].end;
        sum += tasks[i].probes[step].rate;
        first = b < first ? b : first;
        last = e > last ? e : last;
        begin = b > begin ? b : begin;
        end = e < end ? e : end;
    }
    return end - begin >= 0.9 * (last - first) ? sum : 0;
}

static arithmetic arithmetic_of(ken_precision precision) {
    if (precision == KEN_PRECISION_F32)
        return ARITHMETIC_F32;
    return precision == KEN_PRECISION_S16 ? ARITHMETIC_S16 : ARITHMETIC_U8;
}

/* All threads at once: those of one core would share its multipliers. The best of all steps; 0 when
 * the machine was too busy for a single one. */
static ken_status peak(const bench *b, int n, ken_error *err) {
    if (n < 1 || n > MAX_PEAK_THREADS)
        return error_set(err, KEN_BAD_ARGUMENT, "%d threads, expected 1 to %d", n,
                         MAX_PEAK_THREADS);
    static peak_task tasks[MAX_PEAK_THREADS];
    pthread_t threads[MAX_PEAK_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)n);
    for (int i = 0; i < n; i++) {
        tasks[i] = (peak_task){.tier = b->info.cpu_tier,
                               .what = arithmetic_of(b->info.precision),
                               .barrier = &barrier};
        if (pthread_create(&threads[i], NULL, probe_in_step, &tasks[i]) != 0)
            return error_set(err, KEN_NO_MEMORY, "no thread %d", i);
    }
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    double best = 0;
    for (int step = 0; step < N_PROBES; step++) {
        double sum = step_sum(tasks, n, step);
        best = sum > best ? sum : best;
    }
    printf("%.3f\n", best);
    return KEN_OK;
}

static ken_status serve(bench *b, ken_error *err) {
    char line[256];
    int batch, threads, repeats;
    printf("ready %s\n", b->info.cpu_tier);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "run %d %d %d", &batch, &threads, &repeats) == 3)
            TRY(run(b, batch, threads, repeats, err));
        else if (sscanf(line, "embed %d %d", &batch, &threads) == 2)
            TRY(embed(b, batch, threads, err));
        else if (sscanf(line, "peak %d", &threads) == 1)
            TRY(peak(b, threads, err));
        else
            return error_set(err, KEN_BAD_ARGUMENT, "unknown command '%s'", line);
        fflush(stdout);
    }
    return KEN_OK;
}

static ken_status bench_main(bench *b, int argc, char **argv, ken_error *err) {
    bool texts = strcmp(argv[1], "text") == 0;
    ken_model_options options = {
        .cpu_tier = argc > 5 ? argv[5] : NULL, .vision_only = !texts, .text_only = texts};
    if (argc > 4)
        TRY(find_precision(argv[4], &options.precision, err));
    TRY(bench_open(b, argv[2], argv[3], &options, err));
    return serve(b, err);
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 6 || (strcmp(argv[1], "image") != 0 && strcmp(argv[1], "text") != 0)) {
        fprintf(stderr, "usage: bench_encode image|text MODEL_DIR INPUT [PRECISION [TIER]]\n");
        return 2;
    }
    ken_error err;
    bench b = {0};
    ken_status status = bench_main(&b, argc, argv, &err);
    bench_close(&b);
    if (status != KEN_OK)
        fprintf(stderr, "bench_encode: %s\n", err.message);
    return ken_status_exit_code(status);
}
