/* models/precision.c: what a model tells about its precision: how near it is to f32, and which
 * layers are computed in what. */
#include "models/model.h"
#include "models/precision_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tower_kind tower_of(bool images) {
    return images ? TOWER_VISION : TOWER_TEXT;
}

/* ---- the cosine to f32 ---- */

void precision_learn(const ken_model *model, tower_kind tower, const cosines *found) {
    precision_facts *facts = model->facts;
    pthread_mutex_lock(&facts->mutex);
    facts->towers[tower].known = true;
    facts->towers[tower].cosine_min = found->min;
    facts->towers[tower].cosine_mean = found->mean;
    pthread_mutex_unlock(&facts->mutex);
}

static bool is_known(const ken_model *model, tower_kind tower, cosines *out) {
    precision_facts *facts = model->facts;
    pthread_mutex_lock(&facts->mutex);
    bool known = facts->towers[tower].known;
    if (known)
        *out = (cosines){facts->towers[tower].cosine_min, facts->towers[tower].cosine_mean};
    pthread_mutex_unlock(&facts->mutex);
    return known;
}

static void question_of(tower_kind tower, char out[64]) {
    snprintf(out, 64, "cosines of the %s tower", tower_name(tower));
}

static bool recall(const ken_model *model, tower_kind tower, cosines *out) {
    char question[64], answer[MODEL_ANSWER_BYTES];
    question_of(tower, question);
    return model_recall(model, question, answer) &&
           sscanf(answer, "%lf %lf", &out->min, &out->mean) == 2 && fabs(out->min) <= 1 &&
           fabs(out->mean) <= 1;
}

static void remember(const ken_model *model, tower_kind tower, const cosines *found) {
    char question[64], answer[64];
    question_of(tower, question);
    snprintf(answer, sizeof answer, "%.9f %.9f", found->min, found->mean);
    model_remember(model, question, answer);
}

static ken_status measure(const ken_model *model, tower_kind tower, cosines *out, ken_error *err) {
    calibration inputs;
    ken_status status = calibration_make(model, tower, &inputs, err);
    if (status == KEN_OK)
        status = calibration_compare(&inputs, model, out, err);
    calibration_free(&inputs);
    return status;
}

ken_status model_cosines(const ken_model *model, bool images, double *min, double *mean,
                         ken_error *err) {
    tower_kind tower = tower_of(images);
    cosines found = {1, 1};
    if (images ? !model->vision : !model->text)
        return error_set(err, KEN_BAD_ARGUMENT, "model '%s' was loaded without its %s tower",
                         model->id, images ? "image" : "text");
    if (model->precision != KEN_PRECISION_F32 && !is_known(model, tower, &found)) {
        if (!recall(model, tower, &found)) {
            TRY(measure(model, tower, &found, err));
            remember(model, tower, &found);
        }
        precision_learn(model, tower, &found);
    }
    *min = found.min;
    *mean = found.mean;
    return KEN_OK;
}

/* ---- layers ---- */

size_t model_layer_count(const ken_model *model, bool images, size_t *n_int8) {
    const layer_list *list = &model->layers[tower_of(images)];
    *n_int8 = 0;
    for (size_t i = 0; i < list->n; i++)
        *n_int8 += list->layers[i]->precision == KEN_PRECISION_INT8;
    return list->n;
}

ken_status model_put_s16_layers(const ken_model *model, bool images, buf *out, ken_error *err) {
    const layer_list *list = &model->layers[tower_of(images)];
    const char *comma = "";
    for (size_t i = 0; model->precision == KEN_PRECISION_AUTO && i < list->n; i++)
        if (list->layers[i]->precision == KEN_PRECISION_S16) {
            buf_printf(out, "%s%s", comma, list->names[i]);
            comma = ",";
        }
    return buf_check(out, err);
}
