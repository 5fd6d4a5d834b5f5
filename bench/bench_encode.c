/* bench/bench_encode.c: ken's side of bench/encode.py.
 *
 *     bench_encode MODEL_DIR PIXELS [PRECISION [TIER]]
 *
 * PIXELS holds raw 8-bit pictures of the model's size. Commands come on standard input, a line
 * each, so that the process stays warm, and asleep, while a peer is measured:
 *
 *     run BATCH THREADS REPEATS    encodes that often; prints the seconds of each
 *     embed BATCH THREADS          prints the embeddings, an image a line
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "ken.h"

#include <stdio.h>
#include <string.h>

typedef struct bench {
    ken_model *model;
    ken_model_info info;
    file_map pixels;
    int n_images;
    float *out; /* [n_images, E] */
    ken_pool *pool;
    ken_session *session; /* for `batch` and `threads` */
    int batch, threads;
} bench;

static ken_status bench_open(bench *b, const char *dir, const char *pixels, const char *precision,
                             const char *tier, ken_error *err) {
    bool s16 = precision && strcmp(precision, "s16") == 0;
    const ken_model_options options = {.cpu_tier = tier,
                                       .precision = s16 ? KEN_PRECISION_S16 : KEN_PRECISION_F32,
                                       .vision_only = true};
    TRY(ken_model_load(dir, &options, &b->model, err));
    ken_model_get_info(b->model, &b->info);
    TRY(file_map_open(pixels, &b->pixels, err));
    size_t image_bytes = (size_t)b->info.image_size[0] * (size_t)b->info.image_size[1] * 3;
    b->n_images = (int)(b->pixels.size / image_bytes);
    if (b->n_images == 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s' holds no picture of %zu bytes", pixels,
                         image_bytes);
    b->out = mem_zalloc((size_t)b->n_images * (size_t)b->info.embedding_width, sizeof *b->out);
    return b->out ? KEN_OK : error_no_memory(err, sizeof *b->out);
}

static void bench_close(bench *b) {
    ken_session_free(b->session);
    ken_pool_free(b->pool);
    mem_free(b->out);
    file_map_close(&b->pixels);
    ken_model_free(b->model);
}

/* A session for this batch and number of threads, kept until they change. */
static ken_status prepare(bench *b, int batch, int threads, ken_error *err) {
    if (batch < 1 || batch > b->n_images || threads < 1)
        return error_set(err, KEN_BAD_ARGUMENT, "batch %d on %d threads, expected 1 to %d images",
                         batch, threads, b->n_images);
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

static ken_status run(bench *b, int batch, int threads, int repeats, ken_error *err) {
    TRY(prepare(b, batch, threads, err));
    for (int i = 0; i < repeats; i++) {
        double start = sys_seconds();
        TRY(ken_session_encode_pixels(b->session, b->pixels.data, batch, b->out, err));
        printf("%.9f%c", sys_seconds() - start, i + 1 < repeats ? ' ' : '\n');
    }
    return KEN_OK;
}

static ken_status embed(bench *b, int batch, int threads, ken_error *err) {
    TRY(prepare(b, batch, threads, err));
    TRY(ken_session_encode_pixels(b->session, b->pixels.data, batch, b->out, err));
    int width = b->info.embedding_width;
    for (int i = 0; i < batch * width; i++)
        printf("%.9g%c", (double)b->out[i], (i + 1) % width ? ' ' : '\n');
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
        else
            return error_set(err, KEN_BAD_ARGUMENT, "unknown command '%s'", line);
        fflush(stdout);
    }
    return KEN_OK;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: bench_encode MODEL_DIR PIXELS [PRECISION [TIER]]\n");
        return 2;
    }
    ken_error err;
    bench b = {0};
    ken_status status = bench_open(&b, argv[1], argv[2], argc > 3 ? argv[3] : NULL,
                                   argc > 4 ? argv[4] : NULL, &err);
    if (status == KEN_OK)
        status = serve(&b, &err);
    bench_close(&b);
    if (status != KEN_OK)
        fprintf(stderr, "bench_encode: %s\n", err.message);
    return ken_status_exit_code(status);
}
