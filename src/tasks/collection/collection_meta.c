/* tasks/collection/collection_meta.c: provenance: where vectors come from, and whether two sets may
 * be mixed.
 */
#include "base/hash.h"
#include "tasks/collection/collection.h"

#include <math.h>
#include <string.h>

enum { max_recipe_bytes = 65536 };

size_t collection_meta_entries(const collection_meta *m, const char *dim_text,
                               table_metadata out[COLLECTION_META_ENTRIES]) {
    const table_metadata all[COLLECTION_META_ENTRIES] = {
        {"ken.format_version", m->format_version},
        {"ken.program_version", m->program_version},
        {"ken.model_id", m->model_id},
        {"ken.model_revision", m->model_revision},
        {"ken.weights_sha256", m->weights_sha256},
        {"ken.preprocess", m->preprocess},
        {"ken.preprocess_sha256", m->preprocess_sha256},
        {"ken.precision", m->precision},
        {"ken.precision_cosine_min", m->precision_cosine_min},
        {"ken.precision_s16_layers", m->precision_s16_layers ? m->precision_s16_layers : ""},
        {"ken.dim", dim_text},
        {"ken.kind", m->kind},
        {"ken.normalized", "true"},
    };
    memcpy(out, all, sizeof all);
    return COLLECTION_META_ENTRIES;
}

static ken_status describe(const preprocess *p, arena *memory, collection_meta *out,
                           ken_error *err) {
    char *hash = arena_alloc(memory, HASH_SHA256_HEX);
    if (!hash)
        return error_no_memory(err, HASH_SHA256_HEX);
    buf text;
    buf_init(&text, max_recipe_bytes);
    preprocess_describe(p, &text);
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        status = hash_sha256(text.data, text.size, hash, err);
    if (status == KEN_OK) {
        out->preprocess = arena_strdup(memory, text.data);
        out->preprocess_sha256 = hash;
        if (!out->preprocess)
            status = error_no_memory(err, text.size);
    }
    buf_free(&text);
    return status;
}

/* The cosine is rounded down: it is promised. */
static ken_status describe_precision(const ken_model *model, bool images, arena *memory,
                                     collection_meta *out, ken_error *err) {
    double min, mean;
    TRY(model_cosines(model, images, &min, &mean, err));
    out->precision_cosine_min =
        min == 1 ? "1" : arena_printf(memory, "%.7f", floor(min * 1e7) / 1e7);
    buf layers;
    buf_init(&layers, max_recipe_bytes);
    ken_status status = model_put_s16_layers(model, images, &layers, err);
    if (status == KEN_OK) {
        out->precision_s16_layers = arena_strdup(memory, layers.size ? layers.data : "");
        if (!out->precision_cosine_min || !out->precision_s16_layers)
            status = error_no_memory(err, layers.size + 1);
    }
    buf_free(&layers);
    return status;
}

ken_status collection_meta_of_model(const ken_model *model, const char *model_id,
                                    const char *model_revision, const preprocess *p, bool images,
                                    arena *memory, collection_meta *out, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    char *weights = arena_alloc(memory, HASH_SHA256_HEX);
    if (!weights)
        return error_no_memory(err, HASH_SHA256_HEX);
    TRY(ken_model_weights_sha256(model, weights, err));
    *out = (collection_meta){.format_version = "1",
                             .program_version = ken_version(),
                             .model_id = arena_strdup(memory, model_id ? model_id : info.id),
                             .model_revision =
                                 arena_strdup(memory, model_revision ? model_revision : ""),
                             .weights_sha256 = weights,
                             .precision = ken_precision_name(info.precision),
                             .kind = images ? "image" : "text",
                             .dim = info.embedding_width};
    if (!out->model_id || !out->model_revision)
        return error_no_memory(err, 0);
    TRY(describe_precision(model, images, memory, out, err));
    /* Texts are recorded with it too: the recipe belongs to the space that they are compared in. */
    return describe(p ? p : model_preprocess(model), memory, out, err);
}

static ken_status differ(const char *field, const char *a, const char *a_name, const char *b,
                         const char *b_name, ken_error *err) {
    error_set(err, KEN_BAD_FORMAT,
              "'%s' and '%s' cannot be mixed: %s is %.64s in one, %.64s in the other", a_name,
              b_name, field, a, b);
    return error_hint(err, KEN_BAD_FORMAT, "embed both with the same model and the same options");
}

static bool is_image(const collection_meta *m) {
    return strcmp(m->kind, "image") == 0;
}

ken_status collection_meta_match(const collection_meta *a, const char *a_name,
                                 const collection_meta *b, const char *b_name, ken_error *err) {
    if (strcmp(a->weights_sha256, b->weights_sha256) != 0)
        return differ("weights_sha256", a->weights_sha256, a_name, b->weights_sha256, b_name, err);
    if (is_image(a) && is_image(b) && strcmp(a->preprocess_sha256, b->preprocess_sha256) != 0)
        return differ("preprocess_sha256", a->preprocess_sha256, a_name, b->preprocess_sha256,
                      b_name, err);
    if (a->dim != b->dim)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s' and '%s' cannot be mixed: dim is %d in one, %d in the other", a_name,
                         b_name, a->dim, b->dim);
    return KEN_OK;
}
