/* Sessions: the same bits however the work is cut, what is refused, what a trace sees. */
#include "fixture.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "image/write.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PHOTO "examples/photos/dress/06a00c0f-5f9a-410d-a7da-3881a9df3a71.jpg"

enum { n_items = 5, most_threads = 3 };

typedef struct subject {
    ken_model *model;
    ken_model_info info;
    uint8_t *pixels; /* [n_items, H, W, 3] */
    int32_t *ids;    /* [n_items, T], of different lengths */
    size_t image_bytes;
} subject;

static void subject_open(subject *s, const char *name, ken_precision precision) {
    s->model = fixture_load(fixture_dir(name), &(ken_model_options){.precision = precision});
    ken_model_get_info(s->model, &s->info);
    s->image_bytes = preprocess_size(model_preprocess(s->model));
    s->pixels = mem_alloc(n_items * s->image_bytes);
    for (size_t i = 0; i < n_items * s->image_bytes; i++)
        s->pixels[i] = (uint8_t)(i * i * 31 % 253);
    size_t t = (size_t)s->info.context_length;
    s->ids = mem_zalloc(n_items * t, sizeof *s->ids);
    for (size_t i = 0; i < n_items; i++)
        for (size_t j = 0; j < t; j++)
            s->ids[i * t + j] =
                j < 2 + i ? (int32_t)(5 + (i + 3 * j) % 40) : s->info.vocab_size - 1;
}

static void subject_close(subject *s) {
    ken_model_free(s->model);
    mem_free(s->pixels);
    mem_free(s->ids);
}

static ken_session *session_of(const subject *s, int max_batch, ken_pool *pool) {
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(s->model,
                              &(ken_session_options){.max_batch = max_batch, .pool = pool},
                              &session, &err),
              err);
    return session;
}

/* Encodes all items in calls of at most `batch`. */
static void encode_all(const subject *s, ken_session *session, int batch, float *images,
                       float *texts) {
    ken_error err;
    size_t e = (size_t)s->info.embedding_width, t = (size_t)s->info.context_length;
    for (int i = 0; i < n_items; i += batch) {
        int n = n_items - i < batch ? n_items - i : batch;
        size_t at = (size_t)i;
        assert_ok(ken_session_encode_pixels(session, s->pixels + at * s->image_bytes, n,
                                            images + at * e, &err),
                  err);
        assert_ok(ken_session_encode_tokens(session, s->ids + at * t, n, texts + at * e, &err),
                  err);
    }
}

static void same_bits(const char *name, ken_precision precision) {
    subject s;
    subject_open(&s, name, precision);
    size_t size = n_items * (size_t)s.info.embedding_width * sizeof(float);
    float *images = mem_alloc(size), *texts = mem_alloc(size);
    float *more_images = mem_alloc(size), *more_texts = mem_alloc(size);
    ken_session *session = session_of(&s, 1, NULL);
    encode_all(&s, session, 1, images, texts);
    ken_session_free(session);
    for (int threads = 1; threads <= most_threads; threads++) {
        ken_pool *pool;
        assert_int_equal(ken_pool_new(threads, &pool, NULL), KEN_OK);
        for (int batch = 1; batch <= n_items; batch++) {
            session = session_of(&s, batch, pool);
            encode_all(&s, session, batch, more_images, more_texts);
            assert_memory_equal(more_images, images, size);
            assert_memory_equal(more_texts, texts, size);
            ken_session_free(session);
        }
        ken_pool_free(pool);
    }
    for (size_t i = 0; i < n_items; i++) {
        const float *row = images + i * (size_t)s.info.embedding_width;
        assert_true(fabsf(ken_dot(row, row, (size_t)s.info.embedding_width) - 1) < 1e-5f);
    }
    mem_free(images);
    mem_free(texts);
    mem_free(more_images);
    mem_free(more_texts);
    subject_close(&s);
}

static void test_same_bits(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic",   "hf_siglip",
                                        "open_clip_vit_avg", "open_clip_vit_rectangle",
                                        "open_clip_rn",      "open_clip_vit_text_first"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        same_bits(names[i], KEN_PRECISION_F32);
        same_bits(names[i], KEN_PRECISION_S16);
        same_bits(names[i], KEN_PRECISION_INT8);
    }
}

/* Enough items for lanes of unequal length. */
static void same_bits_in_lanes(ken_precision precision) {
    enum { n = 9, threads = 2 };
    subject s;
    subject_open(&s, "hf_clip_classic", precision);
    size_t e = (size_t)s.info.embedding_width;
    uint8_t *pixels = mem_alloc(n * s.image_bytes);
    for (size_t i = 0; i < n; i++)
        memcpy(pixels + i * s.image_bytes, s.pixels + i % n_items * s.image_bytes, s.image_bytes);
    float *out = mem_alloc(n * e * sizeof *out), one[64];
    ken_pool *pool;
    ken_error err;
    assert_int_equal(ken_pool_new(threads, &pool, NULL), KEN_OK);
    ken_session *session = session_of(&s, n, pool);
    assert_ok(ken_session_encode_pixels(session, pixels, n, out, &err), err);
    for (size_t i = 0; i < n; i++) {
        assert_ok(ken_session_encode_pixels(session, pixels + i * s.image_bytes, 1, one, &err),
                  err);
        assert_memory_equal(one, out + i * e, e * sizeof *one);
    }
    ken_session_free(session);
    ken_pool_free(pool);
    mem_free(pixels);
    mem_free(out);
    subject_close(&s);
}

static void test_same_bits_in_lanes(void **state) {
    (void)state;
    same_bits_in_lanes(KEN_PRECISION_F32);
    same_bits_in_lanes(KEN_PRECISION_S16);
    same_bits_in_lanes(KEN_PRECISION_INT8);
}

static double cosine_of(const float *a, const float *b, size_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Pixels go through a table; the floats made with it must give the same embedding. In integers
 * pixels are taken as they are, and floats are turned back into them: nearly the same then. */
static void pixels_and_floats(const char *name, ken_precision precision, double cosine) {
    subject s;
    subject_open(&s, name, precision);
    float table[3][256];
    preprocess_table(model_preprocess(s.model), table);
    size_t area = s.image_bytes / 3;
    float *nchw = mem_alloc(3 * area * sizeof *nchw), from_pixels[64], from_floats[64];
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < 3; c++)
            nchw[c * area + i] = table[c][s.pixels[i * 3 + c]];
    ken_session *session = session_of(&s, 1, NULL);
    ken_error err;
    assert_ok(ken_session_encode_pixels(session, s.pixels, 1, from_pixels, &err), err);
    assert_ok(session_encode_floats(session, nchw, 1, from_floats, &err), err);
    size_t n = (size_t)s.info.embedding_width;
    if (precision == KEN_PRECISION_F32)
        assert_memory_equal(from_floats, from_pixels, n * sizeof *from_floats);
    assert_true(cosine_of(from_floats, from_pixels, n) >= cosine);
    ken_session_free(session);
    mem_free(nchw);
    subject_close(&s);
}

static void test_pixels_and_floats(void **state) {
    (void)state;
    static const char *const names[] = {"hf_siglip", "open_clip_vit_rectangle", "open_clip_rn"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pixels_and_floats(names[i], KEN_PRECISION_F32, 0.999999);
        pixels_and_floats(names[i], KEN_PRECISION_S16, 0.99999);
        pixels_and_floats(names[i], KEN_PRECISION_INT8, 0.999);
    }
}

static void test_refused_calls(void **state) {
    (void)state;
    subject s;
    subject_open(&s, "hf_clip_classic", KEN_PRECISION_F32);
    ken_session *session = session_of(&s, 2, NULL);
    ken_error err;
    float out[128];
    assert_error(ken_session_encode_pixels(session, s.pixels, 3, out, &err), KEN_BAD_ARGUMENT, err,
                 "3 images in a call, expected 0 to 2");
    assert_error(ken_session_encode_tokens(session, s.ids, -1, out, &err), KEN_BAD_ARGUMENT, err,
                 "-1 texts in a call");
    assert_ok(ken_session_encode_pixels(session, s.pixels, 0, out, &err), err);
    s.ids[s.info.context_length + 4] = s.info.vocab_size;
    assert_error(ken_session_encode_tokens(session, s.ids, 2, out, &err), KEN_BAD_ARGUMENT, err,
                 "token 4 of text 1 is 90, expected 0 to 89");
    s.ids[0] = -1;
    assert_error(ken_session_encode_tokens(session, s.ids, 1, out, &err), KEN_BAD_ARGUMENT, err,
                 "token 0 of text 0 is -1");
    assert_error(ken_session_encode_file(session, scratch_path("none.png"), out, &err),
                 KEN_NOT_FOUND, err, "none.png");
    assert_error(
        ken_session_encode_file(session, scratch_text("text.png", "not an image"), out, &err),
        KEN_BAD_FORMAT, err, "text.png");
    ken_session_free(session);
    ken_session *none = session;
    assert_error(ken_session_new(s.model, &(ken_session_options){.max_batch = -1}, &none, &err),
                 KEN_BAD_ARGUMENT, err, "max_batch is -1");
    assert_null(none);
    ken_session_free(NULL);
    subject_close(&s);
}

/* A picture that makes NaN is an error that names it; it does not become an embedding. */
static void not_finite(ken_precision precision) {
    subject s;
    subject_open(&s, "hf_clip_classic", precision);
    size_t floats = s.image_bytes;
    float *nchw = mem_zalloc(2 * floats, sizeof *nchw), out[128];
    for (size_t i = 0; i < floats; i++)
        nchw[floats + i] = i % 2 ? INFINITY : NAN;
    ken_session *session = session_of(&s, 2, NULL);
    ken_error err;
    assert_error(session_encode_floats(session, nchw, 2, out, &err), KEN_BAD_FORMAT, err,
                 "embedding of image 1 has the length ");
    ken_session_free(session);
    mem_free(nchw);
    subject_close(&s);
}

static void test_not_finite(void **state) {
    (void)state;
    not_finite(KEN_PRECISION_F32);
    not_finite(KEN_PRECISION_S16);
    not_finite(KEN_PRECISION_INT8);
}

static void test_one_tower(void **state) {
    (void)state;
    ken_error err;
    float out[64];
    ken_model *model =
        fixture_load(fixture_dir("hf_clip_classic"), &(ken_model_options){.vision_only = true});
    ken_session *session;
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    assert_null(model_tokenizer(model));
    assert_error(ken_session_encode_text(session, "x", out, NULL, &err), KEN_BAD_ARGUMENT, err,
                 "without its text tower");
    int32_t ids[12];
    assert_error(ken_model_tokenize(model, "x", 1, ids, NULL, &err), KEN_BAD_ARGUMENT, err,
                 "without its text tower");
    ken_session_free(session);
    ken_model_free(model);

    model = fixture_load(fixture_dir("hf_clip_classic"), &(ken_model_options){.text_only = true});
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    assert_non_null(model_tokenizer(model));
    assert_error(ken_session_encode_pixels(session, NULL, 1, out, &err), KEN_BAD_ARGUMENT, err,
                 "without its image tower");
    assert_error(ken_session_encode_file(session, "x.png", out, &err), KEN_BAD_ARGUMENT, err,
                 "without its image tower");
    ken_session_free(session);
    ken_model_free(model);
}

/* The calls that take a text or a file are their two steps one after the other. */
static void test_text_and_file(void **state) {
    (void)state;
    enum { width = 256, context = 77 };
    ken_model *model = fixture_load(KEN_SOURCE_DIR "/models/demo", NULL);
    ken_session *session;
    ken_error err;
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    static const char text[] = "a photo of a dress";
    ken_token_info info, again;
    float whole[width], steps[width];
    int32_t ids[context];
    assert_ok(ken_session_encode_text(session, text, whole, &info, &err), err);
    assert_ok(ken_model_tokenize(model, text, strlen(text), ids, &again, &err), err);
    assert_int_equal(info.n_tokens, 7); /* begin, five words, end */
    assert_int_equal(again.n_tokens, 7);
    assert_false(info.truncated);
    assert_ok(ken_session_encode_tokens(session, ids, 1, steps, &err), err);
    assert_memory_equal(steps, whole, sizeof whole);

    size_t size;
    uint8_t *bytes = test_data("../../" PHOTO, &size);
    uint8_t *pixels = mem_alloc(preprocess_size(model_preprocess(model)));
    assert_ok(preprocess_bytes(model_preprocess(model), model_kernels(model), bytes, size,
                               &(image_limits){0}, pixels, NULL, NULL, &err),
              err);
    assert_ok(ken_session_encode_pixels(session, pixels, 1, steps, &err), err);
    assert_ok(ken_session_encode_file(session, KEN_SOURCE_DIR "/" PHOTO, whole, &err), err);
    assert_memory_equal(steps, whole, sizeof whole);
    mem_free(pixels);
    mem_free(bytes);
    ken_session_free(session);
    ken_model_free(model);
}

/* A picture large enough for the decoder to shrink it. */
static void write_large_jpeg(const char *path) {
    enum { SIDE = 900 };
    uint8_t *rgb = mem_alloc(SIDE * SIDE * 3);
    assert_non_null(rgb);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE * 3; x++)
            rgb[y * SIDE * 3 + x] = (uint8_t)(x * x / 900 + y * y / 300);
    buf jpeg;
    buf_init(&jpeg, 1 << 22);
    ken_error err;
    assert_ok(image_put_jpeg(&jpeg, rgb, SIDE, SIDE, 90, &err), err);
    assert_ok(file_write_atomic(path, jpeg.data, jpeg.size, &err), err);
    buf_free(&jpeg);
    mem_free(rgb);
}

static void test_fast_resize(void **state) {
    (void)state;
    enum { width = 256 };
    char folder[] = "/tmp/ken-session-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/large.jpg", folder);
    write_large_jpeg(path);
    ken_model *model = fixture_load(KEN_SOURCE_DIR "/models/demo", NULL);
    float out[2][width];
    for (int fast = 0; fast < 2; fast++) {
        ken_session *session;
        ken_error err;
        const ken_session_options options = {.max_batch = 1, .fast_resize = fast};
        assert_ok(ken_session_new(model, &options, &session, &err), err);
        assert_ok(ken_session_encode_file(session, path, out[fast], &err), err);
        ken_session_free(session);
    }
    float cosine = ken_dot(out[0], out[1], width);
    assert_true(cosine > 0.9F && memcmp(out[0], out[1], sizeof out[0]) != 0);
    ken_model_free(model);
    unlink(path);
    rmdir(folder);
}

/* ---- what is told of a model ---- */

static void test_info(void **state) {
    (void)state;
    ken_model *model = fixture_load(fixture_dir("hf_siglip"), NULL);
    ken_model_info info;
    ken_model_get_info(model, &info);
    assert_string_equal(info.id, "hf_siglip");
    assert_string_equal(info.architecture, "siglip");
    assert_string_equal(info.cpu_tier, model_kernels(model)->tier);
    assert_non_null(strstr(info.weights_file, "hf_siglip/model.safetensors"));
    assert_int_equal(info.embedding_width, 20);
    assert_int_equal(info.image_size[0], 30);
    assert_int_equal(info.image_size[1], 30);
    assert_int_equal(info.context_length, 16);
    assert_int_equal(info.vocab_size, 60);
    assert_true(info.sigmoid);
    assert_true(info.logit_scale > 0);
    /* All tensors of the file are parameters of the model. */
    fixture_tensors tensors;
    fixture_read_tensors("hf_siglip", "model.safetensors", &tensors);
    assert_int_equal(info.n_parameters, tensors.data_bytes / sizeof(float));
    fixture_free_tensors(&tensors);
    assert_string_equal(model_dir(model), fixture_dir("hf_siglip"));
    assert_true(session_workspace_bytes(model, 2, 1) > session_workspace_bytes(model, 1, 1));
    assert_true(session_workspace_bytes(model, 2, 3) > session_workspace_bytes(model, 2, 1));
    ken_model_free(model);
}

static void *digest_thread(void *context) {
    static _Thread_local char hex[65];
    return ken_model_weights_sha256(context, hex, NULL) == KEN_OK ? mem_strdup(hex) : NULL;
}

static void test_digest_from_threads(void **state) {
    (void)state;
    ken_model *model = fixture_load(fixture_dir("hf_clip_classic"), NULL);
    size_t size;
    uint8_t *bytes = test_data("models/hf_clip_classic/model.safetensors", &size);
    char expected[65];
    assert_int_equal(hash_sha256(bytes, size, expected, NULL), KEN_OK);
    mem_free(bytes);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, digest_thread, model), 0);
    for (int i = 0; i < 4; i++) {
        void *found;
        assert_int_equal(pthread_join(threads[i], &found), 0);
        assert_string_equal(found, expected);
        mem_free(found);
    }
    ken_model_free(model);
}

/* ---- traces ---- */

typedef struct heard {
    char text[4096];
    size_t used;
} heard;

static void hear(void *context, const char *name, const float *data, int rank,
                 const int64_t *shape) {
    heard *h = context;
    h->used += (size_t)snprintf(h->text + h->used, sizeof h->text - h->used, "%s", name);
    size_t n = 1;
    for (int i = 0; i < rank; i++) {
        n *= (size_t)shape[i];
        h->used +=
            (size_t)snprintf(h->text + h->used, sizeof h->text - h->used, " %d", (int)shape[i]);
    }
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(data[i]));
    h->used += (size_t)snprintf(h->text + h->used, sizeof h->text - h->used, "\n");
}

static void trace_of(const char *name, ken_pool *pool, const char *expected) {
    subject s;
    subject_open(&s, name, KEN_PRECISION_F32);
    ken_session *session = session_of(&s, 4, pool);
    float out[4 * 64];
    ken_error err;
    heard h = {.used = 0};
    session_set_trace(session, hear, &h);
    assert_ok(ken_session_encode_pixels(session, s.pixels, 4, out, &err), err);
    assert_ok(ken_session_encode_tokens(session, s.ids, 2, out, &err), err);
    assert_string_equal(h.text, expected);
    session_set_trace(session, NULL, NULL);
    assert_ok(ken_session_encode_pixels(session, s.pixels, 4, out, &err), err);
    assert_string_equal(h.text, expected);
    ken_session_free(session);
    subject_close(&s);
}

/* Two threads and four pictures would make lanes: with a trace the batch stays in one piece. */
static void test_traces(void **state) {
    (void)state;
    ken_pool *pool;
    assert_int_equal(ken_pool_new(2, &pool, NULL), KEN_OK);
    trace_of("hf_clip_classic", pool,
             "vision.embeddings 68 20\n"
             "vision.ln_pre 68 20\n"
             "vision.blocks.0 68 20\n"
             "vision.blocks.1 4 20\n"
             "vision.pooled 4 20\n"
             "vision.embedding 4 20\n"
             "image_embeddings 4 20\n"
             "text.embeddings 7 20\n" /* up to the first end token: 3 and 4 of 12 */
             "text.blocks.0 7 20\n"
             "text.blocks.1 2 20\n"
             "text.pooled 2 20\n"
             "text.embedding 2 20\n"
             "text_embeddings 2 20\n");
    trace_of("open_clip_rn", pool,
             "vision.stem 4 16 16 2\n"
             "vision.layer1.0 4 16 16 8\n"
             "vision.layer2.0 4 8 8 16\n"
             "vision.layer3.0 4 4 4 32\n"
             "vision.layer4.0 4 2 2 64\n"
             "vision.embedding 4 24\n"
             "image_embeddings 4 24\n"
             "text.embeddings 7 20\n"
             "text.blocks.0 7 20\n"
             "text.blocks.1 2 20\n"
             "text.pooled 2 20\n"
             "text.embedding 2 24\n"
             "text_embeddings 2 24\n");
    ken_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_same_bits_in_lanes),
        cmocka_unit_test(test_pixels_and_floats),
        cmocka_unit_test(test_refused_calls),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_one_tower),
        cmocka_unit_test(test_text_and_file),
        cmocka_unit_test(test_fast_resize),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_digest_from_threads),
        cmocka_unit_test(test_traces),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
