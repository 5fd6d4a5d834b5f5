#include "tasks/probe/split.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct labelled {
    const char *label;
    size_t sample;
} labelled;

static int by_label(const void *a, const void *b) {
    const labelled *x = a, *y = b;
    int order = strcmp(x->label, y->label);
    return order ? order : x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void shuffle(labelled *items, size_t n, uint64_t *state) {
    for (size_t i = n; i > 1; i--) {
        size_t j = random_below(state, i);
        labelled swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

/* How many of a class's n samples go where. */
static void cut(size_t n, const split_options *o, size_t *n_train, size_t *n_validation) {
    size_t used = o->few_shot && o->few_shot < n ? o->few_shot : n;
    size_t held = (size_t)nearbyint((double)used * o->validation);
    *n_validation = held < used ? held : used - 1;
    *n_train = used - *n_validation;
}

/* Puts each class's samples, items [begin, end), into the three parts. Called twice: to count, and
 * with `at` the places where the parts begin. */
static void deal(split *s, const labelled *items, size_t n, const split_options *o, size_t at[3]) {
    size_t class = 0;
    for (size_t begin = 0, end; begin < n; begin = end, class ++) {
        for (end = begin; end < n && strcmp(items[end].label, items[begin].label) == 0;)
            end++;
        size_t parts[3];
        cut(end - begin, o, &parts[0], &parts[1]);
        parts[2] = end - begin - parts[0] - parts[1];
        size_t from = begin;
        for (size_t p = 0; p < 3; p++)
            for (size_t i = 0; i < parts[p]; i++, from++, at[p]++) {
                if (!s->samples)
                    continue;
                s->samples[at[p]] = items[from].sample;
                s->y[at[p]] = (uint32_t) class;
            }
    }
    s->n_classes = class;
}

static ken_status name_classes(split *s, const labelled *items, size_t n, ken_error *err) {
    s->classes = arena_array(&s->memory, s->n_classes, sizeof *s->classes);
    if (!s->classes)
        return error_no_memory(err, s->n_classes * sizeof *s->classes);
    size_t n_named = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(items[i].label, items[i - 1].label) == 0)
            continue;
        s->classes[n_named] = arena_strdup(&s->memory, items[i].label);
        if (!s->classes[n_named++])
            return error_no_memory(err, strlen(items[i].label));
    }
    return KEN_OK;
}

static ken_status fill(split *s, labelled *items, size_t n, const split_options *o,
                       ken_error *err) {
    qsort(items, n, sizeof *items, by_label);
    size_t counts[3] = {0};
    deal(s, items, n, o, counts); /* counts parts and classes */
    if (s->n_classes < 2)
        return error_hint(err,
                          error_set(err, KEN_BAD_FORMAT,
                                    "all %zu labelled images have the label '%s', expected at "
                                    "least two different labels",
                                    n, items[0].label),
                          "a probe tells classes apart; for one class use prompts and a threshold");
    TRY(name_classes(s, items, n, err));
    uint64_t state = o->seed;
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && strcmp(items[end].label, items[begin].label) == 0;)
            end++;
        shuffle(items + begin, end - begin, &state);
    }
    s->n_train = counts[0];
    s->n_validation = counts[1];
    s->n_rest = counts[2];
    s->samples = arena_array(&s->memory, n, sizeof *s->samples);
    s->y = arena_array(&s->memory, n, sizeof *s->y);
    if (!s->samples || !s->y)
        return error_no_memory(err, n * sizeof *s->samples);
    size_t at[3] = {0, counts[0], counts[0] + counts[1]};
    deal(s, items, n, o, at);
    return KEN_OK;
}

/* The labelled samples, their labels as strings of the split. */
static ken_status gather(split *s, const labels *l, const samples *from, labelled *items, size_t *n,
                         ken_error *err) {
    for (size_t i = 0; i < from->n; i++) {
        label_set set;
        labels_of(l, from->ids[i], from->paths[i], &set);
        if (set.n > 1)
            return error_hint(err,
                              error_set(err, KEN_BAD_FORMAT, "'%s' has %zu labels, expected one",
                                        from->ids[i], set.n),
                              "a probe learns one class an image");
        if (set.n == 0)
            continue;
        const char *label = arena_strndup(&s->memory, set.items[0].text, set.items[0].size);
        if (!label)
            return error_no_memory(err, set.items[0].size);
        items[(*n)++] = (labelled){label, i};
    }
    return *n ? KEN_OK : labels_fail_none(l, from->n, from->n ? from->ids[0] : NULL, err);
}

ken_status split_new(const labels *l, const samples *from, const split_options *options,
                     split **out, ken_error *err) {
    *out = NULL;
    split *s = mem_zalloc(1, sizeof *s);
    labelled *items = mem_alloc(from->n * sizeof *items);
    size_t n = 0;
    ken_status status = s && items ? KEN_OK : error_no_memory(err, from->n * sizeof *items);
    if (status == KEN_OK)
        status = gather(s, l, from, items, &n, err);
    if (status == KEN_OK)
        status = fill(s, items, n, options, err);
    mem_free(items);
    if (status == KEN_OK)
        *out = s;
    else
        split_free(s);
    return status;
}

void split_free(split *s) {
    if (!s)
        return;
    arena_free(&s->memory);
    mem_free(s);
}
