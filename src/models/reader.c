/* models/reader.c: from named tensors to packed layers. */
#include "models/reader.h"

#include "base/checked.h"
#include "tensor/convert.h"

#include <stdio.h>
#include <string.h>

tensor_name tensor_name_join(const char *prefix, const char *suffix) {
    tensor_name name;
    snprintf(name.text, sizeof name.text, "%s%s", prefix, suffix);
    return name;
}

tensor_name tensor_name_index(const char *prefix, size_t index) {
    tensor_name name;
    snprintf(name.text, sizeof name.text, "%s.%zu.", prefix, index);
    return name;
}

void reader_end(reader *r) {
    MEM_FREE(r->scratch);
    r->scratch_floats = 0;
}

const char *tower_name(tower_kind tower) {
    return tower == TOWER_VISION ? "vision" : "text";
}

ken_status reader_begin_tower(reader *r, tower_kind tower, ken_error *err) {
    r->list = &r->towers[tower];
    if (r->blobs)
        r->blobs->begin(r->blobs->context, tower_name(tower));
    return r->precision == KEN_PRECISION_AUTO ? r->make_plan(r->plan_context, tower, &r->plan, err)
                                              : KEN_OK;
}

bool reader_has(const reader *r, const char *name) {
    return weights_find(r->weights, name) != NULL;
}

ken_status reader_scratch(reader *r, size_t n, float **out, ken_error *err) {
    if (n > r->scratch_floats) {
        reader_end(r);
        size_t size_bytes;
        if (checked_mul(n, sizeof(float), &size_bytes))
            r->scratch = mem_alloc(size_bytes);
        if (!r->scratch)
            return error_no_memory(err, n * sizeof(float));
        r->scratch_floats = n;
    }
    *out = r->scratch;
    return KEN_OK;
}

static ken_status not_finite(const reader *r, const char *name, ken_error *err) {
    ken_status status = error_set(
        err, KEN_BAD_FORMAT, "'%s': tensor '%s' holds NaN or infinity, expected finite weights",
        weights_path(r->weights), name);
    return error_hint(err, status, "download or export the model again");
}

static ken_status check_type(const reader *r, const tensor *t, const char *name, ken_error *err) {
    if (tensor_is_float(t))
        return KEN_OK;
    ken_status status =
        error_set(err, KEN_UNSUPPORTED, "'%s': tensor '%s' has type %s, expected F32, F16 or BF16",
                  weights_path(r->weights), name, dtype_name(t->dtype));
    return error_hint(err, status, "export the weights unquantized as float32 or float16");
}

/* Gives the mapped file's pages back: the numbers have been copied, or will not be needed soon. */
static void release(const tensor *t) {
    enum { worth_a_call = 1 << 16 };
    if (t->size_bytes >= worth_a_call)
        file_map_release(t->data, t->size_bytes);
}

static const void *take(reader *r, const char *name, size_t bytes) {
    return r->blobs ? r->blobs->take(r->blobs->context, name, bytes) : NULL;
}

static void made(reader *r, const char *name, const void *blob, size_t bytes) {
    if (r->blobs)
        r->blobs->made(r->blobs->context, name, blob, bytes);
}

static bool all_finite(const reader *r, const tensor *t) {
    size_t count = tensor_count(t);
    const float *in_place = tensor_f32_in_place(t);
    if (in_place)
        return floats_are_finite(in_place, count);
    float part[1024];
    for (size_t i = 0; i < count; i += 1024) {
        size_t n = count - i < 1024 ? count - i : 1024;
        tensor_read_f32(t, r->kernels, i, n, part);
        if (!floats_are_finite(part, n))
            return false;
    }
    return true;
}

/* Found, with the right shape and type; not yet looked into. */
static ken_status find(reader *r, const char *name, int rank, const int64_t *shape,
                       const tensor **out, ken_error *err) {
    TRY(weights_get(r->weights, name, rank, shape, out, err));
    TRY(check_type(r, *out, name, err));
    r->n_parameters += tensor_count(*out);
    return KEN_OK;
}

ken_status reader_tensor(reader *r, const char *name, int rank, const int64_t *shape,
                         const tensor **out, ken_error *err) {
    TRY(find(r, name, rank, shape, out, err));
    /* A blob without bytes says that the numbers were looked at before. */
    if (take(r, name, 0))
        return KEN_OK;
    if (!all_finite(r, *out))
        return not_finite(r, name, err);
    release(*out);
    made(r, name, "", 0);
    return KEN_OK;
}

ken_status reader_floats_into(reader *r, const char *name, int rank, const int64_t *shape,
                              float *out, ken_error *err) {
    const tensor *t;
    TRY(find(r, name, rank, shape, &t, err));
    if (!out)
        return KEN_OK;
    tensor_read_f32(t, r->kernels, 0, tensor_count(t), out);
    release(t);
    return floats_are_finite(out, tensor_count(t)) ? KEN_OK : not_finite(r, name, err);
}

ken_status reader_vector(reader *r, const char *name, size_t n, const float **out, ken_error *err) {
    float *values = arena_array(r->memory, n, sizeof *values);
    if (!values)
        return error_no_memory(err, n * sizeof *values);
    *out = values;
    return reader_floats_into(r, name, 1, (int64_t[]){(int64_t)n}, values, err);
}

ken_status reader_scalar(reader *r, const char *name, float *out, ken_error *err) {
    const tensor *t = weights_find(r->weights, name);
    int rank = t && t->rank == 0 ? 0 : 1;
    return reader_floats_into(r, name, rank, (int64_t[]){1}, out, err);
}

ken_status reader_layer_norm(reader *r, const char *prefix, size_t width, float eps,
                             layer_norm *out, ken_error *err) {
    *out = (layer_norm){.width = width, .eps = eps};
    TRY(reader_vector(r, tensor_name_join(prefix, ".weight").text, width, &out->weight, err));
    return reader_vector(r, tensor_name_join(prefix, ".bias").text, width, &out->bias, err);
}

/* ---- layers ---- */

/* The layer's place in the tower's list; SIZE_MAX without memory for it. A layer that was looked
 * for in the store and is packed now has its place already, before the last one or two. */
static size_t enlist(reader *r, const char *name, linear *out) {
    layer_list *list = r->list;
    for (size_t back = 1; back <= 2 && back <= list->n; back++)
        if (list->layers[list->n - back] == out)
            return list->n - back;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        linear **layers = arena_array(r->memory, capacity, sizeof *layers);
        const char **names = arena_array(r->memory, capacity, sizeof *names);
        if (!layers || !names)
            return SIZE_MAX;
        for (size_t i = 0; i < list->n; i++) {
            layers[i] = list->layers[i];
            names[i] = list->names[i];
        }
        *list = (layer_list){layers, names, list->n, capacity};
    }
    const char *copy = arena_strdup(r->memory, name);
    if (!copy)
        return SIZE_MAX;
    list->layers[list->n] = out;
    list->names[list->n] = copy;
    return list->n++;
}

static ken_precision precision_of(const reader *r, const layer *l, size_t index) {
    if (r->precision == KEN_PRECISION_AUTO)
        return index < strlen(r->plan) && r->plan[index] == LAYER_S16 ? KEN_PRECISION_S16
                                                                      : KEN_PRECISION_INT8;
    return r->precision == KEN_PRECISION_INT8 && l->small ? KEN_PRECISION_S16 : r->precision;
}

static linear_shape shape_of(const reader *r, const layer *l, size_t index) {
    return (linear_shape){precision_of(r, l, index), l->n_out, l->n_in, l->bias};
}

const float *reader_take_vector(reader *r, const char *name, size_t n) {
    return take(r, name, n * sizeof(float));
}

void reader_made_vector(reader *r, const char *name, const float *values, size_t n) {
    made(r, name, values, n * sizeof *values);
}

bool reader_take(reader *r, const layer *l, linear *out) {
    size_t index = enlist(r, l->name, out);
    if (index == SIZE_MAX)
        return false; /* packing finds out again, and says it */
    linear_shape shape = shape_of(r, l, index);
    const void *blob = take(r, l->name, linear_blob_bytes(r->kernels, &shape));
    if (blob)
        linear_bind(out, r->kernels, &shape, blob);
    return blob != NULL;
}

ken_status reader_pack(reader *r, const layer *l, const float *w, const float *bias, linear *out,
                       ken_error *err) {
    size_t index = enlist(r, l->name, out);
    if (index == SIZE_MAX)
        return error_no_memory(err, sizeof *out);
    linear_shape shape = shape_of(r, l, index);
    size_t bytes = linear_blob_bytes(r->kernels, &shape);
    void *blob = bytes < SIZE_MAX ? arena_alloc_raw(r->memory, bytes) : NULL;
    if (!blob)
        return error_no_memory(err, bytes);
    linear_pack(r->kernels, &shape, w, l->n_in, bias, blob);
    made(r, l->name, blob, bytes);
    linear_bind(out, r->kernels, &shape, blob);
    return KEN_OK;
}

/* The numbers as f32: in place when they can be, else in `room`. */
static ken_status floats_of(const reader *r, const tensor *t, const char *name, float *room,
                            const float **out, ken_error *err) {
    size_t count = tensor_count(t);
    *out = tensor_f32_in_place(t);
    if (!*out) {
        tensor_read_f32(t, r->kernels, 0, count, room);
        *out = room;
    }
    return floats_are_finite(*out, count) ? KEN_OK : not_finite(r, name, err);
}

/* "NAME.weight", whose first number is n_out, and "NAME.bias". */
static ken_status read_layer(reader *r, const layer *l, int rank, const int64_t *shape, linear *out,
                             ken_error *err) {
    tensor_name weight_name = tensor_name_join(l->name, ".weight"),
                bias_name = tensor_name_join(l->name, ".bias");
    const tensor *weight, *bias = NULL;
    if (l->bias)
        TRY(find(r, bias_name.text, 1, shape, &bias, err));
    TRY(find(r, weight_name.text, rank, shape, &weight, err));
    if (reader_take(r, l, out))
        return KEN_OK;
    float *room = NULL;
    size_t copied = tensor_f32_in_place(weight) ? 0 : tensor_count(weight);
    TRY(reader_scratch(r, l->n_out + copied, &room, err));
    const float *w, *b = NULL;
    if (bias)
        TRY(floats_of(r, bias, bias_name.text, room, &b, err));
    TRY(floats_of(r, weight, weight_name.text, room + l->n_out, &w, err));
    TRY(reader_pack(r, l, w, b, out, err));
    release(weight);
    return KEN_OK;
}

ken_status reader_linear(reader *r, const char *prefix, size_t n_out, size_t n_in, bool bias,
                         linear *out, ken_error *err) {
    return read_layer(r, &(layer){prefix, n_out, n_in, bias, .small = false}, 2,
                      (int64_t[]){(int64_t)n_out, (int64_t)n_in}, out, err);
}

ken_status reader_last_linear(reader *r, const char *prefix, size_t n_out, size_t n_in, bool bias,
                              linear *out, ken_error *err) {
    return read_layer(r, &(layer){prefix, n_out, n_in, bias, .small = true}, 2,
                      (int64_t[]){(int64_t)n_out, (int64_t)n_in}, out, err);
}

ken_status reader_patch_conv(reader *r, const char *prefix, size_t n_out, size_t channels,
                             size_t size, bool bias, linear *out, ken_error *err) {
    int64_t shape[] = {(int64_t)n_out, (int64_t)channels, (int64_t)size, (int64_t)size};
    return read_layer(r, &(layer){prefix, n_out, channels * size * size, bias, .small = false}, 4,
                      shape, out, err);
}

ken_status reader_projection(reader *r, const char *name, size_t n_in, size_t n_out, linear *out,
                             ken_error *err) {
    int64_t shape[] = {(int64_t)n_in, (int64_t)n_out};
    layer projection = {name, n_out, n_in, .small = true};
    if (reader_take(r, &projection, out))
        return reader_floats_into(r, name, 2, shape, NULL, err);
    const tensor *t;
    TRY(find(r, name, 2, shape, &t, err));
    float *scratch = NULL;
    TRY(reader_scratch(r, 2 * n_in * n_out, &scratch, err));
    float *transposed = scratch + n_in * n_out;
    tensor_read_f32(t, r->kernels, 0, n_in * n_out, scratch);
    release(t);
    if (!floats_are_finite(scratch, n_in * n_out))
        return not_finite(r, name, err);
    for (size_t i = 0; i < n_in; i++)
        for (size_t o = 0; o < n_out; o++)
            transposed[o * n_in + i] = scratch[i * n_out + o];
    return reader_pack(r, &projection, transposed, NULL, out, err);
}
