#include "tasks/report/thumbnails.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/utf8.h"
#include "image/write.h"

#include <stdatomic.h>
#include <string.h>

enum {
    quality = 80,
    max_file_bytes = 1 << 28,
    max_jpeg_bytes = THUMBNAIL_MAX_SIDE * THUMBNAIL_MAX_SIDE * 3 - 16
};

struct thumbnailer {
    decode_pool *pool;
    preprocess room; /* says how many bytes a worker may give back */
    int n_workers;
};

/* What goes before the file's bytes on the way to a worker, and before the picture on the way back.
 */
typedef struct order_head {
    uint32_t longest_side;
    uint32_t pixels; /* 1: no JPEG */
} order_head;
typedef struct answer_head {
    uint32_t size, width, height;
} answer_head;

/* ---- in the worker ----------------------------------------------------------------------------
 */

static int at_least_one(double value) {
    return value < 1 ? 1 : (int)(value + 0.5);
}

static void fit(const image *in, uint32_t longest_side, int size[2]) {
    int longest = in->width > in->height ? in->width : in->height;
    double scale = longest > (int)longest_side ? (double)longest_side / longest : 1;
    size[0] = at_least_one(in->height * scale);
    size[1] = at_least_one(in->width * scale);
}

/* `rgb` becomes the small picture's pixels. */
static ken_status shrink(const image *in, const kernels *k, uint32_t longest_side, uint8_t *rgb,
                         answer_head *head, ken_error *err) {
    preprocess p = {
        .layout = PREPROCESS_HUGGING_FACE,
        .mode = RESIZE_SQUASH,
        .filter = RESIZE_BICUBIC,
        .alpha = ALPHA_COMPOSITE,
        .background = {255, 255, 255},
    };
    fit(in, longest_side, p.resize_size);
    memcpy(p.crop_size, p.resize_size, sizeof p.crop_size);
    head->height = (uint32_t)p.resize_size[0];
    head->width = (uint32_t)p.resize_size[1];
    return preprocess_image(&p, k, in, rgb, err);
}

/* Puts the head and the pixels, or their JPEG, where the pixels are now. */
static ken_status put_answer(const order_head *order, answer_head *head, uint8_t *out,
                             ken_error *err) {
    if (order->pixels) {
        head->size = head->width * head->height * 3;
        memmove(out + sizeof *head, out, head->size);
        memcpy(out, head, sizeof *head);
        return KEN_OK;
    }
    buf jpeg;
    buf_init(&jpeg, max_jpeg_bytes);
    ken_status status =
        image_put_jpeg(&jpeg, out, (int)head->width, (int)head->height, quality, err);
    if (status == KEN_OK) {
        head->size = (uint32_t)jpeg.size;
        memcpy(out, head, sizeof *head);
        memcpy(out + sizeof *head, jpeg.data, jpeg.size);
    }
    buf_free(&jpeg);
    return status;
}

/* A decode_fn: `bytes` is an order_head and the file, `out` becomes an answer_head and what was
 * ordered. */
static ken_status decode_thumbnail(const preprocess *p, const kernels *k, const uint8_t *bytes,
                                   size_t size, const image_limits *limits, uint8_t *out,
                                   image_facts *facts, image_stage *stage, ken_error *err) {
    (void)p;
    order_head order;
    memcpy(&order, bytes, sizeof order);
    image picture = {0};
    answer_head head = {0};
    ken_status status = image_decode(bytes + sizeof order, size - sizeof order, limits, &picture,
                                     facts, stage, err);
    if (status == KEN_OK)
        status = shrink(&picture, k, order.longest_side, out, &head, err);
    if (status == KEN_OK)
        status = put_answer(&order, &head, out, err);
    image_free(&picture);
    return status;
}

/* ---- here -------------------------------------------------------------------------------------
 */

ken_status thumbnailer_new(int n_workers, const image_limits *limits, bool no_sandbox,
                           const volatile sig_atomic_t *stop, thumbnailer **out, ken_error *err) {
    *out = NULL;
    thumbnailer *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return error_no_memory(err, sizeof *t);
    t->n_workers = n_workers;
    t->room.crop_size[0] = t->room.crop_size[1] = THUMBNAIL_MAX_SIDE;
    const decode_pool_options options = {
        .n_workers = n_workers,
        .max_bytes = max_file_bytes,
        .preprocess = &t->room,
        .kernels = kernels_best(),
        .limits = *limits,
        .timeout_seconds = 30,
        .no_sandbox = no_sandbox,
        .stop = stop,
        .decode = decode_thumbnail,
    };
    ken_status status = decode_pool_new(&options, &t->pool, err);
    if (status == KEN_OK)
        *out = t;
    else
        mem_free(t);
    return status;
}

void thumbnailer_free(thumbnailer *t) {
    if (!t)
        return;
    decode_pool_free(t->pool);
    mem_free(t);
}

typedef struct making {
    thumbnailer *t;
    const thumbnail_request *request;
    thumbnail *out;
    atomic_size_t next, n_done;
    ken_status *statuses; /* [workers] */
    ken_error *errors;    /* [workers] */
} making;

/* The file's bytes behind an order; false when it cannot be read, which costs one picture. */
static bool read_order(const making *m, int worker, size_t item, size_t *size) {
    order_head order = {(uint32_t)m->request->longest_side, m->request->pixels};
    buf path, file;
    buf_init(&path, 1 << 16);
    buf_init(&file, max_file_bytes - sizeof order);
    const char *name = m->request->paths[item];
    bool ok = *name && utf8_unescape(&path, name, strlen(name)) &&
              file_read(path.data, &file, NULL) == KEN_OK && file.size;
    if (ok) {
        uint8_t *to = decode_pool_buffer(m->t->pool, worker);
        memcpy(to, &order, sizeof order);
        memcpy(to + sizeof order, file.data, file.size);
        *size = sizeof order + file.size;
    }
    buf_free(&path);
    buf_free(&file);
    return ok;
}

/* What came back is from a process that may have been taken over: its numbers are checked. */
static void take_answer(const uint8_t *answer, bool pixels, thumbnail *out) {
    answer_head head;
    memcpy(&head, answer, sizeof head);
    if (head.size == 0 || head.size > max_jpeg_bytes || head.width - 1 >= THUMBNAIL_MAX_SIDE ||
        head.height - 1 >= THUMBNAIL_MAX_SIDE ||
        (pixels && head.size != head.width * head.height * 3))
        return;
    out->bytes = mem_alloc(head.size);
    if (!out->bytes)
        return;
    memcpy(out->bytes, answer + sizeof head, head.size);
    out->size = head.size;
    out->width = (int)head.width;
    out->height = (int)head.height;
}

/* One worker's life: pictures until there are no more. */
static void run_worker(void *context, size_t worker, int thread) {
    making *m = context;
    (void)thread;
    for (;;) {
        size_t item = atomic_fetch_add(&m->next, 1);
        if (item >= m->request->n)
            return;
        size_t size;
        if (read_order(m, (int)worker, item, &size)) {
            decoded result;
            const uint8_t *answer = NULL;
            m->statuses[worker] = decode_pool_run(m->t->pool, (int)worker, size, &result, &answer,
                                                  &m->errors[worker]);
            if (m->statuses[worker] != KEN_OK)
                return;
            if (!result.stage)
                take_answer(answer, m->request->pixels, &m->out[item]);
            m->out[item].full_width = result.width;
            m->out[item].full_height = result.height;
        }
        size_t n_done = atomic_fetch_add(&m->n_done, 1) + 1;
        if (worker == 0 && m->request->progress)
            m->request->progress(m->request->progress_context, n_done, m->request->n);
    }
}

static ken_status first_failure(const making *m, ken_error *err) {
    for (int i = 0; i < m->t->n_workers; i++) {
        if (m->statuses[i] != KEN_OK) {
            if (err)
                *err = m->errors[i];
            return m->statuses[i];
        }
    }
    return KEN_OK;
}

ken_status thumbnails_make(thumbnailer *t, const thumbnail_request *request, thumbnail *out,
                           ken_error *err) {
    making m = {.t = t, .request = request, .out = out};
    size_t n = (size_t)t->n_workers;
    m.statuses = mem_zalloc(n, sizeof *m.statuses);
    m.errors = mem_zalloc(n, sizeof *m.errors);
    ken_pool *pool = NULL;
    ken_status status = m.statuses && m.errors ? ken_pool_new(t->n_workers, &pool, err)
                                               : error_no_memory(err, n * sizeof *m.errors);
    if (status == KEN_OK) {
        pool_run(pool, run_worker, &m, n);
        status = first_failure(&m, err);
    }
    ken_pool_free(pool);
    mem_free(m.statuses);
    mem_free(m.errors);
    return status;
}

void thumbnails_free(thumbnail *thumbnails, size_t n) {
    for (size_t i = 0; thumbnails && i < n; i++)
        mem_free(thumbnails[i].bytes);
    mem_free(thumbnails);
}
