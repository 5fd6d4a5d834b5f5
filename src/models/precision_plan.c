#include "models/precision_plan.h"

#include "models/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 1 - cosine that a plan may cost. The promise is 0.001; half of it is for pictures that cost more
 * than the built-in ones (docs/internals/models.md). */
static const double most_loss = 0.5e-3;
/* What is not understood after so many measurements stays in s16. */
enum { most_measurements = 96 };

typedef struct group {
    size_t begin, end; /* of the tower's layers */
    double loss;       /* of these alone in int8 */
    bool int8;         /* in the plan */
} group;

typedef struct planner {
    calibration inputs;
    ken_model *model; /* its layers are switched between the two forms */
    ken_model *fine;  /* in s16 */
    layer_list layers;
    linear *int8; /* [layers.n] of the model as it was loaded */
    char *plan;   /* [layers.n + 1] LAYER_S16 or LAYER_INT8 */
    group *groups;
    size_t n_groups;
    double chosen_loss; /* of the groups in int8, added up */
    int n_measurements;
    cosines cosines; /* of the last measurement */
} planner;

static void planner_free(planner *p) {
    calibration_free(&p->inputs);
    ken_model_free(p->model);
    ken_model_free(p->fine);
    mem_free(p->int8);
    mem_free(p->plan);
    mem_free(p->groups);
}

static ken_status planner_start(planner *p, const ken_model *model, tower_kind tower,
                                ken_error *err) {
    TRY(calibration_make(model, tower, &p->inputs, err));
    TRY(model_load_tower(model, tower, KEN_PRECISION_INT8, true, &p->model, err));
    TRY(model_load_tower(model, tower, KEN_PRECISION_S16, true, &p->fine, err));
    p->layers = p->model->layers[tower];
    size_t n = p->layers.n;
    p->int8 = mem_zalloc(n, sizeof *p->int8);
    p->plan = mem_zalloc(n + 1, 1);
    p->groups = mem_zalloc(n, sizeof *p->groups);
    if (!p->int8 || !p->plan || !p->groups)
        return error_no_memory(err, n * sizeof *p->int8);
    for (size_t i = 0; i < n; i++)
        p->int8[i] = *p->layers.layers[i];
    return KEN_OK;
}

/* ---- measuring ---- */

static void set_layers(planner *p, size_t begin, size_t end, char precision) {
    for (size_t i = begin; i < end; i++)
        p->plan[i] = p->int8[i].precision == KEN_PRECISION_INT8 ? precision : LAYER_S16;
}

/* What the plan as it stands costs. */
static ken_status measure(planner *p, double *loss, ken_error *err) {
    linear *const *fine = p->fine->layers[p->inputs.tower].layers;
    for (size_t i = 0; i < p->layers.n; i++)
        *p->layers.layers[i] = p->plan[i] == LAYER_INT8 ? p->int8[i] : *fine[i];
    p->n_measurements++;
    TRY(calibration_compare(&p->inputs, p->model, &p->cosines, err));
    *loss = 1 - p->cosines.min;
    return KEN_OK;
}

static ken_status measure_alone(planner *p, group *g, ken_error *err) {
    set_layers(p, 0, p->layers.n, LAYER_S16);
    set_layers(p, g->begin, g->end, LAYER_INT8);
    return measure(p, &g->loss, err);
}

/* ---- choosing ---- */

static int by_loss(const void *a, const void *b) {
    const group *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss < y->loss ? -1 : 1;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Losses add up, or nearly so: the noise of one layer knows nothing of another's. */
static void choose(planner *p, double budget) {
    qsort(p->groups, p->n_groups, sizeof *p->groups, by_loss);
    p->chosen_loss = 0;
    bool full = false;
    for (size_t i = 0; i < p->n_groups; i++) {
        full = full || p->chosen_loss + p->groups[i].loss > budget;
        p->groups[i].int8 = !full;
        if (!full)
            p->chosen_loss += p->groups[i].loss;
    }
}

/* The costliest group that is left out and worth halving; NULL when there is none. */
static group *to_split(planner *p) {
    size_t small = 1 + p->layers.n / 32;
    for (size_t i = p->n_groups; i > 0; i--) {
        group *g = &p->groups[i - 1];
        if (!g->int8 && g->end - g->begin > small)
            return g;
    }
    return NULL;
}

static ken_status split(planner *p, group *g, ken_error *err) {
    size_t middle = g->begin + (g->end - g->begin) / 2;
    group *second = &p->groups[p->n_groups++];
    *second = (group){.begin = middle, .end = g->end};
    g->end = middle;
    TRY(measure_alone(p, g, err));
    return measure_alone(p, second, err);
}

static ken_status refine(planner *p, double budget, ken_error *err) {
    for (choose(p, budget); p->n_measurements < most_measurements; choose(p, budget)) {
        group *g = to_split(p);
        if (!g)
            break;
        TRY(split(p, g, err));
    }
    return KEN_OK;
}

static void apply(planner *p) {
    set_layers(p, 0, p->layers.n, LAYER_S16);
    for (size_t i = 0; i < p->n_groups; i++)
        if (p->groups[i].int8)
            set_layers(p, p->groups[i].begin, p->groups[i].end, LAYER_INT8);
}

/* Leaves the plan in p->plan and its cosines in p->cosines. */
static ken_status make_plan(planner *p, ken_error *err) {
    p->groups[0] = (group){.end = p->layers.n};
    p->n_groups = 1;
    TRY(measure_alone(p, &p->groups[0], err));
    double loss = p->groups[0].loss;
    for (double budget = most_loss; loss > most_loss;
         budget = p->chosen_loss * most_loss / loss * 0.9) {
        if (p->n_measurements >= most_measurements) {
            set_layers(p, 0, p->layers.n, LAYER_S16);
            return measure(p, &loss, err);
        }
        TRY(refine(p, budget, err));
        apply(p);
        TRY(measure(p, &loss, err));
    }
    return KEN_OK;
}

/* ---- keeping ---- */

static void question_of(tower_kind tower, char out[64]) {
    snprintf(out, 64, "plan of the %s tower", tower_name(tower));
}

/* The answer is "MIN MEAN PLAN"; NULL when there is none, or no memory. */
static const char *recall(ken_model *model, tower_kind tower, cosines *found) {
    static const char allowed[] = {LAYER_S16, LAYER_INT8, '\0'};
    char question[64], answer[MODEL_ANSWER_BYTES];
    question_of(tower, question);
    if (!model_recall(model, question, answer))
        return NULL;
    int at = 0;
    if (sscanf(answer, "%lf %lf %n", &found->min, &found->mean, &at) != 2 || at == 0 ||
        answer[at + (int)strspn(answer + at, allowed)] != '\0')
        return NULL;
    return arena_strdup(&model->memory, answer + at);
}

static void remember(const ken_model *model, tower_kind tower, const cosines *found,
                     const char *plan) {
    char question[64], answer[MODEL_ANSWER_BYTES];
    question_of(tower, question);
    int n = snprintf(answer, sizeof answer, "%.9f %.9f %s", found->min, found->mean, plan);
    if (n > 0 && (size_t)n < sizeof answer)
        model_remember(model, question, answer);
}

static void say(const loader *l, tower_kind tower, const cosines *found, const char *plan) {
    size_t n = strlen(plan), n_s16 = 0;
    for (size_t i = 0; i < n; i++)
        n_s16 += plan[i] == LAYER_S16;
    char text[160];
    snprintf(text, sizeof text,
             "%zu of %zu layers of the %s tower stay in s16; cosine to f32 at least %.6f", n_s16, n,
             tower_name(tower), found->min);
    if (l->notice)
        l->notice(l->notice_context, false, text);
}

ken_status precision_plan_for(void *context, tower_kind tower, const char **plan, ken_error *err) {
    loader *l = context;
    ken_model *model = l->model;
    cosines found;
    *plan = recall(model, tower, &found);
    if (!*plan) {
        planner p = {0};
        ken_status status = planner_start(&p, model, tower, err);
        if (status == KEN_OK)
            status = make_plan(&p, err);
        if (status == KEN_OK) {
            found = p.cosines;
            *plan = arena_strdup(&model->memory, p.plan);
            remember(model, tower, &found, p.plan);
        }
        planner_free(&p);
        TRY(status);
        if (!*plan)
            return error_no_memory(err, MODEL_ANSWER_BYTES);
    }
    say(l, tower, &found, *plan);
    precision_learn(model, tower, &found);
    return KEN_OK;
}
