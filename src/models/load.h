/* models/load.h: what loading a model directory passes around, and the model itself. */
#ifndef KEN_MODELS_LOAD_H
#define KEN_MODELS_LOAD_H

#include "base/hash.h"
#include "models/config.h"
#include "models/resnet.h"
#include "models/text_transformer.h"
#include "models/vision.h"
#include "models/vit.h"
#include "models/weight_cache.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct weights_digest {
    pthread_mutex_t mutex;
    bool known;
    char hex[65];
    atomic_bool cancel; /* nobody will need it any more */
} weights_digest;

/* What is known of the precision beside f32. */
typedef struct precision_facts {
    pthread_mutex_t mutex;
    struct {
        bool known;
        double cosine_min, cosine_mean;
    } towers[TOWER_KINDS];
} precision_facts;

struct ken_model {
    arena memory;
    weights *weights;
    const kernels *kernels;
    ken_precision precision;
    const char *dir, *id;
    const char *architecture;
    size_t embedding_width;
    const vision *vision;         /* NULL when loaded text_only */
    const text_transformer *text; /* NULL when loaded vision_only */
    preprocess preprocess;        /* with an image tower */
    float pixel_table[3][256];    /* likewise: what preprocess makes of each 8-bit value */
    tokenizer *tokenizer;         /* with a text tower */
    float logit_scale, logit_bias;
    bool sigmoid;
    uint64_t n_parameters;
    layer_list layers[TOWER_KINDS];
    precision_facts *facts; /* likewise apart */
    weight_cache *cache;    /* NULL: none */
    weights_digest *digest; /* apart, because the model is const to its users */
};

/* A directory on its way to becoming a model. The architecture's load function fills the model's
 * fields from `embedding_width` on. */
typedef struct loader {
    ken_model *model;
    reader reader;
    section config; /* config.json, or model_cfg of open_clip_config.json */
    char config_hash[HASH_XXH128_HEX];
    section preprocess_cfg; /* OpenCLIP: preprocess_cfg of open_clip_config.json */
    bool want_vision, want_text;
    bool bare; /* no tokenizer */
    ken_notice_fn *notice;
    void *notice_context;
} loader;

/* One tower of the same directory on the same CPU tier, without a cache: to compare with. A text
 * tower comes without its tokenizer where `bare`. */
KEN_MUST_CHECK ken_status model_load_tower(const ken_model *model, tower_kind tower,
                                           ken_precision precision, bool bare, ken_model **out,
                                           ken_error *err);

typedef ken_status architecture_load(loader *l, ken_error *err);
architecture_load hf_clip_load, hf_siglip_load, open_clip_load;

/* preprocessor_config.json or processor_config.json, for a tower that takes image_size. `crops` is
 * the default of do_center_crop. */
KEN_MUST_CHECK ken_status hf_preprocess_read(loader *l, bool crops, const double mean[3],
                                             const double std[3], const size_t image_size[2],
                                             preprocess *out, ken_error *err);
/* preprocess_cfg of open_clip_config.json. */
KEN_MUST_CHECK ken_status open_clip_preprocess(loader *l, const size_t image_size[2],
                                               preprocess *out, ken_error *err);

/* Shared by the two Hugging Face families: vision_config and text_config, which have the same keys
 * and different defaults in `config`. */
typedef struct hf_sections {
    section vision, text;
} hf_sections;
KEN_MUST_CHECK ken_status hf_find_sections(loader *l, hf_sections *out, ken_error *err);
KEN_MUST_CHECK ken_status hf_read_vision(const section *s, vit_config *config,
                                         const char *default_activation, ken_error *err);
KEN_MUST_CHECK ken_status hf_read_text(const section *s, text_config *config,
                                       const char *default_activation, ken_error *err);

/* exp(logit_scale), and logit_bias when `has_bias`. */
KEN_MUST_CHECK ken_status load_logits(loader *l, bool has_bias, ken_error *err);
/* Hangs the tower into the model. */
KEN_MUST_CHECK ken_status load_set_vit(loader *l, const vit *v, ken_error *err);
KEN_MUST_CHECK ken_status load_set_resnet(loader *l, const resnet *net, size_t image_size,
                                          ken_error *err);
/* Sizes are the text tower's, already read. */
KEN_MUST_CHECK ken_status load_tokenizer(loader *l, const tokenizer_options *options,
                                         ken_error *err);

#endif
