#include "tasks/probe/head.h"

#include "base/checked.h"
#include "base/doc.h"
#include "formats/safetensors_write.h"
#include "formats/torch_file.h"
#include "formats/weights.h"
#include "kernels/kernels.h"
#include "tensor/convert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { max_labels_bytes = 64 << 20, max_classes = 1 << 20, max_dim = 1 << 16 };

/* ---- making ---------------------------------------------------------------------------------- */

static ken_status allocate(head *h, size_t n_classes, size_t dim, ken_error *err) {
    size_t size_bytes;
    if (!checked_mul3(n_classes, dim, sizeof *h->weight, &size_bytes))
        return error_no_memory(err, SIZE_MAX);
    h->n_classes = n_classes;
    h->dim = dim;
    h->labels = arena_array(&h->memory, n_classes, sizeof *h->labels);
    h->weight = arena_alloc(&h->memory, size_bytes);
    h->bias = arena_array(&h->memory, n_classes, sizeof *h->bias);
    return h->labels && h->weight && h->bias ? KEN_OK : error_no_memory(err, size_bytes);
}

/* Copies a text; NULL becomes "". */
static const char *keep(head *h, const char *text) {
    return arena_strdup(&h->memory, text ? text : "");
}

static ken_status copy_meta(head *h, const collection_meta *m, ken_error *err) {
    h->meta = (collection_meta){
        .format_version = keep(h, m->format_version),
        .program_version = keep(h, m->program_version),
        .model_id = keep(h, m->model_id),
        .model_revision = keep(h, m->model_revision),
        .weights_sha256 = keep(h, m->weights_sha256),
        .preprocess = keep(h, m->preprocess),
        .preprocess_sha256 = keep(h, m->preprocess_sha256),
        .precision = keep(h, m->precision),
        .precision_cosine_min = keep(h, m->precision_cosine_min),
        .precision_s16_layers = keep(h, m->precision_s16_layers),
        .kind = keep(h, m->kind),
        .dim = m->dim,
    };
    const char *const all[] = {h->meta.format_version,
                               h->meta.program_version,
                               h->meta.model_id,
                               h->meta.model_revision,
                               h->meta.weights_sha256,
                               h->meta.preprocess,
                               h->meta.preprocess_sha256,
                               h->meta.precision,
                               h->meta.precision_cosine_min,
                               h->meta.precision_s16_layers,
                               h->meta.kind};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i])
            return error_no_memory(err, sizeof *m);
    return KEN_OK;
}

ken_status head_new(const char *const *labels, size_t n_classes, size_t dim,
                    const collection_meta *meta, head **out, ken_error *err) {
    *out = NULL;
    head *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return error_no_memory(err, sizeof *h);
    ken_status status = allocate(h, n_classes, dim, err);
    for (size_t i = 0; i < n_classes && status == KEN_OK; i++) {
        h->labels[i] = keep(h, labels[i]);
        if (!h->labels[i])
            status = error_no_memory(err, strlen(labels[i]));
    }
    if (status == KEN_OK)
        status = copy_meta(h, meta, err);
    if (status == KEN_OK)
        *out = h;
    else
        head_free(h);
    return status;
}

void head_free(head *h) {
    if (!h)
        return;
    arena_free(&h->memory);
    mem_free(h);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct head_file {
    const weights *file;
    const char *path;
    ken_error *err;
} head_file;

static ken_status read_floats(const head_file *f, const tensor *t, const char *name, float *out) {
    if (!tensor_is_float(t))
        return error_set(f->err, KEN_UNSUPPORTED,
                         "'%s': tensor '%s' has type %s, expected F32, F16 or BF16", f->path, name,
                         dtype_name(t->dtype));
    size_t n = tensor_count(t);
    tensor_read_f32(t, kernels_best(), 0, n, out);
    if (floats_are_finite(out, n))
        return KEN_OK;
    return error_set(f->err, KEN_BAD_FORMAT,
                     "'%s': tensor '%s' holds NaN or infinity, expected finite weights", f->path,
                     name);
}

static ken_status not_a_head(const head_file *f, const char *what) {
    ken_status status = error_set(f->err, KEN_BAD_FORMAT, "'%s' is not a head: %s", f->path, what);
    return error_hint(f->err, status, "'ken probe train' writes heads");
}

/* "ken.labels", one name for each of the classes. */
static ken_status read_labels(const head_file *f, head *h) {
    const char *text = weights_metadata(f->file, "ken.labels");
    if (!text)
        return not_a_head(f, "its metadata has no 'ken.labels'");
    json_t *labels;
    TRY(doc_parse(text, strlen(text), f->path, &labels, f->err));
    ken_status status = KEN_OK;
    if (!json_is_array(labels) || json_array_size(labels) != h->n_classes)
        status = not_a_head(f, "'ken.labels' does not name each row of 'weight'");
    for (size_t i = 0; i < h->n_classes && status == KEN_OK; i++) {
        const char *label = json_string_value(json_array_get(labels, i));
        h->labels[i] = label ? keep(h, label) : NULL;
        if (!label)
            status = not_a_head(f, "'ken.labels' holds something that is no text");
        else if (!h->labels[i])
            status = error_no_memory(f->err, strlen(label));
    }
    json_decref(labels);
    return status;
}

static double read_number(const head_file *f, const char *key) {
    const char *text = weights_metadata(f->file, key);
    char *end;
    double value = text ? strtod(text, &end) : NAN;
    return text && end != text && !*end ? value : NAN;
}

static size_t read_count(const head_file *f, const char *key) {
    double value = read_number(f, key);
    return value >= 0 && value < 0x1p53 ? (size_t)value : 0;
}

static ken_status read_meta(const head_file *f, head *h) {
    const collection_meta m = {
        .program_version = weights_metadata(f->file, "ken.program_version"),
        .model_id = weights_metadata(f->file, "ken.model_id"),
        .model_revision = weights_metadata(f->file, "ken.model_revision"),
        .weights_sha256 = weights_metadata(f->file, "ken.weights_sha256"),
        .preprocess_sha256 = weights_metadata(f->file, "ken.preprocess_sha256"),
        .precision = weights_metadata(f->file, "ken.precision"),
        .kind = weights_metadata(f->file, "ken.kind"),
        .dim = (int)h->dim,
    };
    if (!m.weights_sha256 || !m.preprocess_sha256 || !m.kind)
        return not_a_head(f, "its metadata does not say which model's embeddings it is for");
    h->training = (head_training){.c = read_number(f, "ken.c"),
                                  .validation_accuracy = read_number(f, "ken.validation_accuracy"),
                                  .n_samples = read_count(f, "ken.n_samples"),
                                  .n_validation = read_count(f, "ken.n_validation"),
                                  .seed = read_count(f, "ken.seed")};
    return copy_meta(h, &m, f->err);
}

/* The numbers, from tensors of a nn.Linear's names; `bias` may be NULL. */
static ken_status read_linear(const head_file *f, head *h, const tensor *weight,
                              const tensor *bias) {
    if (!weight || weight->rank != 2)
        return not_a_head(f, "it has no tensor 'weight' of two dimensions");
    if (weight->shape[0] < 1 || weight->shape[0] > max_classes || weight->shape[1] < 1 ||
        weight->shape[1] > max_dim)
        return not_a_head(f, "'weight' has an impossible shape");
    if (bias && (bias->rank != 1 || bias->shape[0] != weight->shape[0]))
        return not_a_head(f, "'bias' does not fit 'weight'");
    TRY(allocate(h, (size_t)weight->shape[0], (size_t)weight->shape[1], f->err));
    TRY(read_floats(f, weight, "weight", h->weight));
    return bias ? read_floats(f, bias, "bias", h->bias) : KEN_OK;
}

static ken_status read_safetensors(head_file *f, head *h) {
    weights *file;
    TRY(weights_open_file(f->path, &file, f->err));
    f->file = file;
    ken_status status = read_linear(f, h, weights_find(file, "weight"), weights_find(file, "bias"));
    if (status == KEN_OK)
        status = read_labels(f, h);
    if (status == KEN_OK)
        status = read_meta(f, h);
    weights_close(file);
    return status;
}

/* "aesthetic.pth" -> "aesthetic", or "aesthetic 0", "aesthetic 1", ... */
static ken_status name_by_file(const head_file *f, head *h) {
    const char *name = file_name(f->path);
    int n = (int)(strlen(name) - strlen(file_extension(name)));
    for (size_t i = 0; i < h->n_classes; i++) {
        h->labels[i] = h->n_classes == 1 ? arena_printf(&h->memory, "%.*s", n, name)
                                         : arena_printf(&h->memory, "%.*s %zu", n, name, i);
        if (!h->labels[i])
            return error_no_memory(f->err, strlen(name));
    }
    return copy_meta(h, &(collection_meta){.kind = "image", .dim = (int)h->dim}, f->err);
}

static ken_status read_torch(const head_file *f, head *h, const file_map *map) {
    torch_file file;
    ken_status status = torch_file_read(map, f->path, &file, f->err);
    if (status == KEN_OK)
        status =
            read_linear(f, h, torch_file_find(&file, "weight"), torch_file_find(&file, "bias"));
    torch_file_reset(&file);
    return status == KEN_OK ? name_by_file(f, h) : status;
}

static ken_status read_head(head_file *f, head *h) {
    file_map map;
    TRY(file_map_open(f->path, &map, f->err));
    bool is_torch = torch_file_looks_like(&map);
    ken_status status = is_torch ? read_torch(f, h, &map) : KEN_OK;
    file_map_close(&map);
    return is_torch ? status : read_safetensors(f, h);
}

ken_status head_load(const char *path, head **out, ken_error *err) {
    *out = NULL;
    head *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return error_no_memory(err, sizeof *h);
    ken_status status = read_head(&(head_file){.path = path, .err = err}, h);
    if (status == KEN_OK)
        *out = h;
    else
        head_free(h);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

static ken_status put_labels(const head *h, buf *out, ken_error *err) {
    for (size_t i = 0; i < h->n_classes; i++) {
        buf_puts(out, i ? "," : "[");
        buf_put_json(out, h->labels[i], strlen(h->labels[i]));
    }
    buf_putc(out, ']');
    return buf_check(out, err);
}

ken_status head_save(const head *h, const char *path, ken_error *err) {
    buf labels;
    buf_init(&labels, max_labels_bytes);
    char c[32], accuracy[32], n_samples[32], n_validation[32], seed[32];
    snprintf(c, sizeof c, "%.9g", h->training.c);
    snprintf(accuracy, sizeof accuracy, "%.6g", h->training.validation_accuracy);
    snprintf(n_samples, sizeof n_samples, "%zu", h->training.n_samples);
    snprintf(n_validation, sizeof n_validation, "%zu", h->training.n_validation);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)h->training.seed);
    ken_status status = put_labels(h, &labels, err);
    const char *const metadata[] = {
        "ken.labels",
        labels.data,
        "ken.program_version",
        ken_version(),
        "ken.kind",
        h->meta.kind,
        "ken.model_id",
        h->meta.model_id,
        "ken.model_revision",
        h->meta.model_revision,
        "ken.weights_sha256",
        h->meta.weights_sha256,
        "ken.preprocess_sha256",
        h->meta.preprocess_sha256,
        "ken.precision",
        h->meta.precision,
        "ken.c",
        c,
        "ken.validation_accuracy",
        accuracy,
        "ken.n_samples",
        n_samples,
        "ken.n_validation",
        n_validation,
        "ken.seed",
        seed,
    };
    const safetensors_output tensors[] = {{"weight", 2, {h->n_classes, h->dim}, h->weight},
                                          {"bias", 1, {h->n_classes}, h->bias}};
    if (status == KEN_OK)
        status = safetensors_write(path, tensors, 2, metadata,
                                   sizeof metadata / sizeof *metadata / 2, err);
    buf_free(&labels);
    return status;
}
