/* tasks/verify/verify_layers.c: goldens.safetensors, every layer's activations.
 *
 * The engine leaves out work that cannot change the result, so its activations may hold fewer rows
 * than the reference's [B, T, D]: texts end at their last token that matters (input.n_tokens), and
 * the last block may hold the pooled token alone (input.pooled; the class token of a picture). The
 * number of rows says which. */
#include "formats/weights.h"
#include "tasks/verify/verify_report.h"
#include "tensor/convert.h"

#include <string.h>

typedef struct layers {
    const ken_model *model;
    const weights *goldens;
    verify_report *report;
    const char *path;
    ken_error *err;
    ken_status status; /* of the first failure inside a callback */

    ken_model_info info;
    int n_images, n_texts;
    const uint8_t *pixels;
    int32_t *ids, *n_tokens, *pooled; /* [n_texts, context_length], [n_texts], [n_texts] */
} layers;

/* Copies an I32 tensor of the goldens: it may lie unaligned in the file. */
static ken_status read_i32(layers *l, const char *name, int rank, const int64_t *shape,
                           int32_t **out) {
    const tensor *t;
    TRY(weights_get(l->goldens, name, rank, shape, &t, l->err));
    if (t->dtype != KEN_DTYPE_I32)
        return error_set(l->err, KEN_BAD_FORMAT, "'%s': tensor '%s' has type %s, expected I32",
                         l->path, name, dtype_name(t->dtype));
    *out = mem_alloc(t->size_bytes);
    if (!*out)
        return error_no_memory(l->err, t->size_bytes);
    memcpy(*out, t->data, t->size_bytes);
    return KEN_OK;
}

/* B of an input, which must be small enough to encode in one piece. */
static ken_status batch_of(layers *l, const char *name, const tensor *t, int *out) {
    if (t->rank < 1 || t->shape[0] < 1 || t->shape[0] > 4096)
        return error_set(l->err, KEN_BAD_FORMAT,
                         "'%s': tensor '%s' holds no batch of 1 to 4096 items", l->path, name);
    *out = (int)t->shape[0];
    return KEN_OK;
}

static ken_status read_pixels(layers *l) {
    const tensor *t = weights_find(l->goldens, "input.pixels");
    if (!t)
        return KEN_OK;
    TRY(batch_of(l, "input.pixels", t, &l->n_images));
    const int64_t shape[] = {l->n_images, l->info.image_size[0], l->info.image_size[1], 3};
    TRY(weights_get(l->goldens, "input.pixels", 4, shape, &t, l->err));
    if (t->dtype != KEN_DTYPE_U8)
        return error_set(l->err, KEN_BAD_FORMAT,
                         "'%s': tensor 'input.pixels' has type %s, expected U8", l->path,
                         dtype_name(t->dtype));
    l->pixels = t->data;
    return KEN_OK;
}

static ken_status read_ids(layers *l) {
    const tensor *t = weights_find(l->goldens, "input.ids");
    if (!t)
        return KEN_OK;
    TRY(batch_of(l, "input.ids", t, &l->n_texts));
    int64_t length = l->info.context_length;
    TRY(read_i32(l, "input.ids", 2, (int64_t[]){l->n_texts, length}, &l->ids));
    TRY(read_i32(l, "input.n_tokens", 1, (int64_t[]){l->n_texts}, &l->n_tokens));
    TRY(read_i32(l, "input.pooled", 1, (int64_t[]){l->n_texts}, &l->pooled));
    for (int i = 0; i < l->n_texts; i++) {
        if (l->n_tokens[i] < 1 || l->n_tokens[i] > length || l->pooled[i] < 0 ||
            l->pooled[i] >= length)
            return error_set(l->err, KEN_BAD_FORMAT,
                             "'%s': text %d has %d tokens and pools token %d, expected at most %d",
                             l->path, i, l->n_tokens[i], l->pooled[i], (int)length);
    }
    return KEN_OK;
}

static ken_status read_inputs(layers *l) {
    ken_model_get_info(l->model, &l->info);
    TRY(read_pixels(l));
    TRY(read_ids(l));
    if (l->n_images == 0 && l->n_texts == 0)
        return error_set(l->err, KEN_BAD_FORMAT,
                         "'%s' holds neither 'input.pixels' nor 'input.ids'", l->path);
    return KEN_OK;
}

/* Fills order[i], the reference's row ([B, T] flattened) of row i, for activations that left rows
 * out; false when `n_rows` fits none of the ways in which that is done. */
static bool text_order(const layers *l, size_t n_rows, size_t n_positions, size_t *order) {
    size_t n_packed = 0, n = 0;
    for (int b = 0; b < l->n_texts; b++)
        n_packed += (size_t)l->n_tokens[b];
    if (n_rows != n_packed && n_rows != (size_t)l->n_texts)
        return false;
    for (size_t b = 0; b < (size_t)l->n_texts; b++) {
        if (n_rows != n_packed)
            order[n++] = b * n_positions + (size_t)l->pooled[b];
        else
            for (size_t t = 0; t < (size_t)l->n_tokens[b]; t++)
                order[n++] = b * n_positions + t;
    }
    return true;
}

static bool image_order(const layers *l, size_t n_rows, size_t n_positions, size_t *order) {
    if (n_rows != (size_t)l->n_images)
        return false;
    for (size_t b = 0; b < n_rows; b++)
        order[b] = b * n_positions;
    return true;
}

/* Compares [R, D] with the reference's [B, T, D], or [B, D] with [B, D]; a map [B, H, W, C] is one
 * vector a picture. A ResNet's maps of large pictures come a few pictures at a time. */
static ken_status compare_floats(layers *l, const char *name, const float *got, size_t count,
                                 const tensor *reference, const float *expected) {
    bool map = reference->rank == 4;
    size_t total = tensor_count(reference);
    size_t n_expected = map ? (size_t)reference->shape[0] : 1;
    for (int i = 0; !map && i + 1 < reference->rank; i++)
        n_expected *= (size_t)reference->shape[i];
    size_t width = total / n_expected, n_rows = count / width;
    char shape[96];
    if (count != n_rows * width || n_rows == 0 || n_rows > n_expected)
        return report_problem(l->report, name, l->err, "%zu numbers computed, expected %s", count,
                              tensor_shape_text(reference, shape, sizeof shape));
    if (n_rows == n_expected)
        return report_compare(l->report, name, got, expected, NULL, n_rows, width, l->err);

    bool is_text = strncmp(name, "text", 4) == 0;
    const verify_row *row = report_find(l->report, name);
    size_t n_seen = row ? row->n_vectors : 0;
    if (!is_text && reference->rank != 3 && n_seen + n_rows <= n_expected)
        return report_compare(l->report, name, got, expected + n_seen * width, NULL, n_rows, width,
                              l->err);
    size_t *order = mem_zalloc(n_rows, sizeof *order);
    if (!order)
        return error_no_memory(l->err, n_rows * sizeof *order);
    size_t n_positions = reference->rank == 3 ? (size_t)reference->shape[1] : 1;
    bool known = is_text ? text_order(l, n_rows, n_positions, order)
                         : image_order(l, n_rows, n_positions, order);
    ken_status status =
        known ? report_compare(l->report, name, got, expected, order, n_rows, width, l->err)
              : report_problem(l->report, name, l->err, "%zu rows computed, expected %s", n_rows,
                               tensor_shape_text(reference, shape, sizeof shape));
    mem_free(order);
    return status;
}

static ken_status compare(layers *l, const char *name, const float *got, size_t count) {
    const tensor *reference = weights_find(l->goldens, name);
    if (!reference) {
        l->report->n_without_reference++;
        return KEN_OK;
    }
    size_t total = tensor_count(reference);
    if (!tensor_is_float(reference) || total == 0)
        return error_set(l->err, KEN_BAD_FORMAT, "'%s': tensor '%s' holds no floats", l->path,
                         name);
    float *expected = mem_zalloc(total, sizeof *expected);
    if (!expected)
        return error_no_memory(l->err, total * sizeof *expected);
    tensor_read_f32(reference, model_kernels(l->model), 0, total, expected);
    ken_status status = compare_floats(l, name, got, count, reference, expected);
    mem_free(expected);
    return status;
}

static void on_layer(void *context, const char *name, const float *data, int rank,
                     const int64_t *shape) {
    layers *l = context;
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    if (l->status == KEN_OK)
        l->status = compare(l, name, data, count);
}

/* Encodes the inputs of one tower; its layers arrive in on_layer meanwhile. */
static ken_status encode_tower(layers *l, ken_session *session, bool images) {
    size_t width = (size_t)l->info.embedding_width, n = (size_t)(images ? l->n_images : l->n_texts);
    if (n == 0)
        return KEN_OK;
    float *out = mem_zalloc(n * width, sizeof *out);
    if (!out)
        return error_no_memory(l->err, n * width * sizeof *out);
    ken_status status = images ? ken_session_encode_pixels(session, l->pixels, (int)n, out, l->err)
                               : ken_session_encode_tokens(session, l->ids, (int)n, out, l->err);
    if (status == KEN_OK)
        status = l->status;
    const char *name = images ? "image_embeddings" : "text_embeddings";
    if (status == KEN_OK && !report_find(l->report, name))
        status = compare(l, name, out, n * width);
    mem_free(out);
    return status;
}

/* What the goldens hold and nothing, or not all, was compared with. */
static ken_status report_missing(layers *l) {
    for (size_t i = 0; i < weights_count(l->goldens); i++) {
        const char *name = weights_name(l->goldens, i);
        if (strncmp(name, "input.", 6) == 0)
            continue;
        const verify_row *row = report_find(l->report, name);
        const tensor *reference = weights_at(l->goldens, i);
        if (!row)
            TRY(report_problem(l->report, name, l->err, "not computed"));
        else if (reference->rank == 4 && row->n_vectors < (size_t)reference->shape[0])
            TRY(report_problem(l->report, name, l->err, "only %zu of %d pictures were computed",
                               row->n_vectors, (int)reference->shape[0]));
    }
    return KEN_OK;
}

static ken_status encode_and_compare(layers *l, const verify_options *options) {
    ken_session *session;
    int n = l->n_images > l->n_texts ? l->n_images : l->n_texts;
    TRY(ken_session_new(l->model, &(ken_session_options){.max_batch = n, .pool = options->pool},
                        &session, l->err));
    session_set_trace(session, on_layer, l);
    ken_status status = encode_tower(l, session, true);
    if (status == KEN_OK)
        status = encode_tower(l, session, false);
    ken_session_free(session);
    TRY(status);
    TRY(compare(l, "logit_scale", &l->info.logit_scale, 1));
    if (weights_find(l->goldens, "logit_bias"))
        TRY(compare(l, "logit_bias", &l->info.logit_bias, 1));
    return report_missing(l);
}

ken_status verify_layers(const ken_model *model, const char *path, const verify_options *options,
                         verify_report *report, ken_error *err) {
    weights *goldens;
    TRY(weights_open_file(path, &goldens, err));
    layers l = {.model = model, .goldens = goldens, .report = report, .path = path, .err = err};
    ken_status status = read_inputs(&l);
    if (status == KEN_OK)
        status = encode_and_compare(&l, options);
    mem_free(l.ids);
    mem_free(l.n_tokens);
    mem_free(l.pooled);
    weights_close(goldens);
    return status;
}
