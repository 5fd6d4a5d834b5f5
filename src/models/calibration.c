/* models/calibration.c: inputs, the f32 reference, and comparisons with it. */
#include "models/calibration.h"

#include "models/calibration_pictures.h"
#include "models/model.h"

#include <math.h>
#include <string.h>

static const char *const captions[CALIBRATION_ITEMS] = {
    "a photo of a dog", "red",
    "two people ride their bicycles along the river at sunset, with the old bridge behind them",
    "invoice 4711 from 3 May: total 129.90"};

static ken_status make_pixels(const ken_model *model, calibration *c, ken_error *err) {
    size_t height = model->vision->image_size[0], width = model->vision->image_size[1];
    size_t picture = preprocess_size(&model->preprocess);
    c->pixels = mem_zalloc(CALIBRATION_ITEMS, picture);
    if (!c->pixels)
        return error_no_memory(err, CALIBRATION_ITEMS * picture);
    for (size_t i = 0; i < CALIBRATION_ITEMS; i++)
        calibration_picture(i, height, width, c->pixels + i * picture);
    return KEN_OK;
}

static bool fit(const text_config *config, const int32_t *ids) {
    for (size_t i = 0; i < config->context_length; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= config->vocab_size)
            return false;
    return true;
}

/* For a vocabulary that the model's tokenizer does not fit: ids alone can be embedded. */
static void invent_ids(const text_config *config, size_t length, int32_t *ids) {
    memset(ids, 0, config->context_length * sizeof *ids);
    for (size_t i = 0; i + 1 < length && i + 1 < config->context_length; i++)
        ids[i] = (int32_t)((7 + 31 * i * length) % config->vocab_size);
    ids[length < config->context_length ? length - 1 : config->context_length - 1] =
        (int32_t)config->vocab_size - 1;
}

static ken_status make_ids(const ken_model *model, calibration *c, ken_error *err) {
    size_t context = model->text->config.context_length;
    c->ids = mem_zalloc(CALIBRATION_ITEMS * context, sizeof *c->ids);
    if (!c->ids)
        return error_no_memory(err, CALIBRATION_ITEMS * context * sizeof *c->ids);
    for (size_t i = 0; i < CALIBRATION_ITEMS; i++) {
        int32_t *ids = c->ids + i * context;
        if (ken_model_tokenize(model, captions[i], strlen(captions[i]), ids, NULL, NULL) !=
                KEN_OK ||
            !fit(&model->text->config, ids))
            invent_ids(&model->text->config, 3 + 4 * i, ids);
    }
    return KEN_OK;
}

static ken_status encode(const calibration *c, const ken_model *model, float *out, ken_error *err) {
    ken_session *session = NULL;
    TRY(ken_session_new(model, &(ken_session_options){.max_batch = CALIBRATION_ITEMS}, &session,
                        err));
    ken_status status =
        c->tower == TOWER_VISION
            ? ken_session_encode_pixels(session, c->pixels, CALIBRATION_ITEMS, out, err)
            : ken_session_encode_tokens(session, c->ids, CALIBRATION_ITEMS, out, err);
    ken_session_free(session);
    return status;
}

static ken_status make_reference(const ken_model *model, const ken_model *exact, calibration *c,
                                 ken_error *err) {
    c->width = exact->embedding_width;
    c->reference = mem_zalloc(CALIBRATION_ITEMS * c->width, sizeof *c->reference);
    c->found = mem_zalloc(CALIBRATION_ITEMS * c->width, sizeof *c->found);
    if (!c->reference || !c->found)
        return error_no_memory(err, CALIBRATION_ITEMS * c->width * sizeof *c->found);
    const ken_model *tokenizing = model->tokenizer ? model : exact;
    TRY(c->tower == TOWER_VISION ? make_pixels(exact, c, err) : make_ids(tokenizing, c, err));
    return encode(c, exact, c->reference, err);
}

ken_status calibration_make(const ken_model *model, tower_kind tower, calibration *out,
                            ken_error *err) {
    *out = (calibration){.tower = tower};
    ken_model *exact = NULL;
    TRY(model_load_tower(model, tower, KEN_PRECISION_F32, model->tokenizer != NULL, &exact, err));
    ken_status status = make_reference(model, exact, out, err);
    ken_model_free(exact);
    return status;
}

void calibration_free(calibration *c) {
    MEM_FREE(c->pixels);
    MEM_FREE(c->ids);
    MEM_FREE(c->reference);
    MEM_FREE(c->found);
}

/* At most 1. */
static double cosine(const float *a, const float *b, size_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return fmin(ab / sqrt(aa * bb), 1);
}

ken_status calibration_compare(calibration *c, const ken_model *model, cosines *out,
                               ken_error *err) {
    ken_status status = encode(c, model, c->found, err);
    if (status == KEN_BAD_FORMAT) { /* not finite, where f32 is */
        *out = (cosines){-1, -1};
        return KEN_OK;
    }
    *out = (cosines){1, 0};
    for (size_t i = 0; i < CALIBRATION_ITEMS && status == KEN_OK; i++) {
        double value = cosine(c->reference + i * c->width, c->found + i * c->width, c->width);
        out->min = fmin(out->min, value);
        out->mean += value / CALIBRATION_ITEMS;
    }
    return status;
}
