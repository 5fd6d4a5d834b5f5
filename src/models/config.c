/* models/config.c: checked getters over doc.h. */
#include "models/config.h"

#include <math.h>
#include <string.h>

ken_status section_child(arena *memory, const section *parent, const char *key, section *out,
                         ken_error *err) {
    *out = (section){0};
    TRY(doc_get_object(parent->object, key, parent->where, &out->object, err));
    out->where = arena_printf(memory, "%s: %s", parent->where, key);
    return out->where ? KEN_OK : error_no_memory(err, strlen(parent->where) + strlen(key));
}

bool section_has(const section *s, const char *key) {
    const json_t *value = json_object_get(s->object, key);
    return value && !json_is_null(value);
}

ken_status section_size(const section *s, const char *key, size_t max, size_t *out,
                        ken_error *err) {
    int64_t value = (int64_t)*out;
    TRY(doc_get_int(s->object, key, s->where, 1, (int64_t)max, &value, err));
    *out = (size_t)value;
    return KEN_OK;
}

static ken_status bad_pair(const section *s, const char *key, size_t max, ken_error *err) {
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': '%s' must be a number or [height, width], each 1 to %zu", s->where, key,
                     max);
}

ken_status section_pair(const section *s, const char *key, size_t max, size_t out[2],
                        ken_error *err) {
    const json_t *value = json_object_get(s->object, key);
    if (!json_is_array(value)) {
        TRY(section_size(s, key, max, &out[0], err));
        if (section_has(s, key))
            out[1] = out[0];
        return KEN_OK;
    }
    size_t n = json_array_size(value);
    if (n < 1 || n > 2)
        return bad_pair(s, key, max, err);
    for (size_t i = 0; i < 2; i++) {
        const json_t *item = json_array_get(value, n == 1 ? 0 : i);
        json_int_t number = json_is_integer(item) ? json_integer_value(item) : 0;
        if (number < 1 || number > (json_int_t)max)
            return bad_pair(s, key, max, err);
        out[i] = (size_t)number;
    }
    return KEN_OK;
}

ken_status section_eps(const section *s, const char *key, float *out, ken_error *err) {
    double value = *out;
    TRY(doc_get_double(s->object, key, s->where, 1e-12, 1, &value, err));
    *out = (float)value;
    return KEN_OK;
}

ken_status section_triple(const section *s, const char *key, double min, double max, double out[3],
                          ken_error *err) {
    const json_t *value = json_object_get(s->object, key);
    if (!section_has(s, key))
        return KEN_OK;
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < 3 && (n == 1 || n == 3); i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, n == 1 ? 0 : i) : value;
        double number = json_is_number(item) ? json_number_value(item) : NAN;
        if (!(number >= min && number <= max))
            n = 0;
        else
            out[i] = number;
    }
    if (n == 1 || n == 3)
        return KEN_OK;
    return error_set(err, KEN_BAD_FORMAT, "'%s': '%s' must be three numbers, each %g to %g",
                     s->where, key, min, max);
}

ken_status section_refuse(const section *s, const char *key, const char *why, ken_error *err) {
    const json_t *value = json_object_get(s->object, key);
    if (!section_has(s, key) || json_is_false(value) ||
        (json_is_string(value) && json_string_length(value) == 0))
        return KEN_OK;
    if (json_is_string(value))
        return error_set(err, KEN_UNSUPPORTED, "'%s': '%s' is '%s': %s", s->where, key,
                         json_string_value(value), why);
    return error_set(err, KEN_UNSUPPORTED, "'%s': '%s' is set: %s", s->where, key, why);
}

ken_status section_check_keys(const section *s, const char *const *known, ken_error *err) {
    const char *key;
    json_t *value;
    /* The macro takes a pointer to non-const but only reads. */
    json_object_foreach((json_t *)(uintptr_t)s->object, key, value) {
        bool found = false;
        for (size_t i = 0; known[i] && !found; i++)
            found = strcmp(known[i], key) == 0;
        if (!found)
            return error_set(err, KEN_UNSUPPORTED,
                             "'%s': '%s' is not a setting that ken knows, and it may change the "
                             "result",
                             s->where, key);
    }
    return KEN_OK;
}

ken_status config_check_heads(const section *s, const char *width_key, size_t width, size_t heads,
                              ken_error *err) {
    if (heads >= 1 && heads <= CONFIG_MAX_HEADS && width % heads == 0)
        return KEN_OK;
    return error_set(err, KEN_BAD_FORMAT,
                     "'%s': '%s' is %zu, which does not divide into %zu attention heads", s->where,
                     width_key, width, heads);
}

ken_status config_check_patches(const section *s, const size_t image_size[2], size_t patch_size,
                                ken_error *err) {
    size_t down = image_size[0] / patch_size, across = image_size[1] / patch_size;
    if (down == 0 || across == 0)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': 'patch_size' is %zu, larger than 'image_size' %zu x %zu", s->where,
                         patch_size, image_size[0], image_size[1]);
    if (down * across > CONFIG_MAX_PATCHES)
        return error_set(
            err, KEN_BAD_FORMAT,
            "'%s': 'image_size' %zu x %zu in patches of %zu gives %zu tokens, expected "
            "at most %d",
            s->where, image_size[0], image_size[1], patch_size, down * across, CONFIG_MAX_PATCHES);
    return KEN_OK;
}

ken_status config_activation(const section *s, const char *key, const char *name,
                             gemm_epilogue *out, ken_error *err) {
    static const struct {
        const char *name;
        gemm_epilogue epilogue;
    } known[] = {
        {"quick_gelu", GEMM_QUICK_GELU},
        {"gelu", GEMM_ERF_GELU},
        {"gelu_python", GEMM_ERF_GELU},
        {"gelu_pytorch_tanh", GEMM_TANH_GELU},
        {"gelu_new", GEMM_TANH_GELU},
        {"gelu_fast", GEMM_TANH_GELU},
        {"relu", GEMM_RELU},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].epilogue;
            return KEN_OK;
        }
    ken_status status =
        error_set(err, KEN_UNSUPPORTED, "'%s': '%s' is '%s', unknown to ken", s->where, key, name);
    return error_hint(err, status, "supported are quick_gelu, gelu, gelu_pytorch_tanh and relu");
}
