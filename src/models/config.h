/* models/config.h: numbers and words from a model's configuration files, every one range-checked.
 *
 * A section is one JSON object with the words that messages call it by. As with doc.h, an absent
 * key leaves the caller's default alone. */
#ifndef KEN_MODELS_CONFIG_H
#define KEN_MODELS_CONFIG_H

#include "base/doc.h"
#include "base/mem.h"
#include "models/transformer.h"

/* What a configuration may ask for. Far beyond any published model, small enough that sizes
 * computed from them cannot overflow. */
enum {
    CONFIG_MAX_WIDTH = 16384,
    CONFIG_MAX_MLP_WIDTH = 131072,
    CONFIG_MAX_LAYERS = 256,
    CONFIG_MAX_HEADS = 1024,
    CONFIG_MAX_IMAGE_SIZE = 4096,
    CONFIG_MAX_PATCHES = 65536,
    CONFIG_MAX_VOCAB = 4 << 20,
    CONFIG_MAX_CONTEXT = 8192,
    CONFIG_MAX_BYTES = 4 << 20, /* of a configuration file */
};

typedef struct section {
    const json_t *object; /* NULL: empty */
    const char *where;    /* "DIR/config.json: vision_config" */
} section;

/* The object under `key`, or an empty section. */
KEN_MUST_CHECK ken_status section_child(arena *memory, const section *parent, const char *key,
                                        section *out, ken_error *err);
bool section_has(const section *s, const char *key); /* there, and not null */

/* 1 to max. */
KEN_MUST_CHECK ken_status section_size(const section *s, const char *key, size_t max, size_t *out,
                                       ken_error *err);
/* N or [N] or [height, width], each 1 to max. */
KEN_MUST_CHECK ken_status section_pair(const section *s, const char *key, size_t max, size_t out[2],
                                       ken_error *err);
/* The eps of a layer norm: above 0, at most 1. */
KEN_MUST_CHECK ken_status section_eps(const section *s, const char *key, float *out,
                                      ken_error *err);
/* Three numbers, or one for all three. */
KEN_MUST_CHECK ken_status section_triple(const section *s, const char *key, double min, double max,
                                         double out[3], ken_error *err);
/* KEN_UNSUPPORTED when the boolean or string option is set: null, false and "" are not. */
KEN_MUST_CHECK ken_status section_refuse(const section *s, const char *key, const char *why,
                                         ken_error *err);
/* KEN_UNSUPPORTED at the first key that is not in the NULL-terminated list. */
KEN_MUST_CHECK ken_status section_check_keys(const section *s, const char *const *known,
                                             ken_error *err);

/* heads must divide width, and the layers' sizes make sense together. */
KEN_MUST_CHECK ken_status config_check_heads(const section *s, const char *width_key, size_t width,
                                             size_t heads, ken_error *err);
KEN_MUST_CHECK ken_status config_check_patches(const section *s, const size_t image_size[2],
                                               size_t patch_size, ken_error *err);
/* Transformers' names of activations. */
KEN_MUST_CHECK ken_status config_activation(const section *s, const char *key, const char *name,
                                            gemm_epilogue *out, ken_error *err);

#endif
