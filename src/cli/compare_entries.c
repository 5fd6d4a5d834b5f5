#include "cli/compare_entries.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/images.h"
#include "cli/progress.h"
#include "tasks/classify/classify.h"
#include "tasks/probe/apply.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { max_warning_bytes = 1 << 16 };

/* A rules file or a head. A head's classifiers depend on nothing else; the rules' on the model. */
typedef struct compare_decider {
    const char *path; /* NULL: the labels are the classes */
    rules *rules;     /* NULL: a head */
    head *head;
    bool used;
} compare_decider;

/* Vectors, and what decides on them. */
typedef struct compare_source {
    const char *name;  /* a collection, or a model that embeds the images */
    const char *model; /* that was asked for; NULL: the collection's own */
    const char *collection;
    samples *samples;
    arena memory; /* of the provenance */
    ken_model *loaded;
    char *model_id, *model_revision;
    preprocess recipe;
    collection_meta meta;
    compare_cost cost;
    classifier **classifiers; /* [n_deciders], NULL where a head is for another model */
    rules **head_rules;       /* [n_deciders] */
} compare_source;

/* ---- the request ------------------------------------------------------------------------------
 */

static bool has_extension(const char *path, const char *const *extensions) {
    for (; *extensions; extensions++)
        if (strcasecmp(file_extension(path), *extensions) == 0)
            return true;
    return false;
}

static ken_status add(option_list *list, const char *item, ken_error *err) {
    const char **items =
        mem_grow((void *)list->items, list->n * sizeof *items, (list->n + 1) * sizeof *items);
    if (!items)
        return error_no_memory(err, (list->n + 1) * sizeof *items);
    items[list->n++] = item;
    list->items = items;
    return KEN_OK;
}

ken_status compare_request_add(compare_request *r, const char *argument, bool has_data,
                               ken_error *err) {
    static const char *const of_rules[] = {".yaml", ".yml", NULL};
    static const char *const of_heads[] = {".safetensors", ".pth", ".pt", NULL};
    if (has_extension(argument, of_rules))
        return add(&r->rules, argument, err);
    if (has_extension(argument, of_heads))
        return add(&r->heads, argument, err);
    if (has_data)
        return add(&r->models, argument, err);
    return add(collection_looks_like(argument) ? &r->collections : &r->images, argument, err);
}

ken_status compare_request_add_model(compare_request *r, const char *model, ken_error *err) {
    return add(&r->models, model, err);
}

void compare_request_free(compare_request *r) {
    option_list *const lists[] = {&r->rules, &r->heads, &r->collections, &r->images, &r->models};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        MEM_FREE(lists[i]->items);
}

static size_t count_deciders(const compare_request *r) {
    size_t n = r->rules.n + r->heads.n;
    return n ? n : 1;
}

static size_t count_sources(const compare_request *r) {
    size_t n_models = r->models.n ? r->models.n : 1;
    return r->collections.n + (r->images.n ? n_models : 0);
}

size_t compare_request_count(const compare_request *r) {
    return count_deciders(r) * count_sources(r);
}

/* ---- deciders ---------------------------------------------------------------------------------
 */

static ken_status load_deciders(const compare_request *r, compare_entries *e, ken_error *err) {
    e->n_deciders = count_deciders(r);
    e->deciders = mem_zalloc(e->n_deciders, sizeof *e->deciders);
    if (!e->deciders)
        return error_no_memory(err, e->n_deciders * sizeof *e->deciders);
    compare_decider *next = e->deciders;
    for (size_t i = 0; i < r->rules.n; i++, next++) {
        next->path = r->rules.items[i];
        TRY(rules_load(next->path, &next->rules, err));
    }
    for (size_t i = 0; i < r->heads.n; i++, next++) {
        next->path = r->heads.items[i];
        TRY(head_load(next->path, &next->head, err));
    }
    return KEN_OK;
}

/* The labels as classes, once the images are known. */
static ken_status make_label_rules(const compare_request *r, const labels *l, const samples *s,
                                   compare_decider *d, ken_error *err) {
    if (d->path || d->rules)
        return KEN_OK;
    text_index names = {0};
    const char *one = r->template_text ? r->template_text : "This is a photo of {}.";
    ken_status status = labels_distinct(l, s->ids, s->paths, s->n, &names, err);
    if (status == KEN_OK && names.n == 0)
        status = labels_fail_none(l, s->n, s->n ? s->ids[0] : NULL, err);
    if (status == KEN_OK)
        status = rules_from_classes(names.texts, names.n, &(rules_texts){&one, 1}, &d->rules, err);
    text_index_reset(&names);
    return status;
}

static bool any_rules(const compare_entries *e) {
    for (size_t i = 0; i < e->n_deciders; i++)
        if (!e->deciders[i].head)
            return true;
    return false;
}

/* ---- sources ----------------------------------------------------------------------------------
 */

/* "demo:int8" -> loads demo in int8. */
static ken_status load_model(const char *spec, compare_source *s, ken_error *err) {
    static const char *const precisions[] = {"f32", "s16", "int8", "auto"};
    const char *colon = strrchr(spec, ':'), *chosen = NULL, *usual = common.precision;
    for (size_t i = 0; colon && i < 4; i++)
        if (strcmp(colon + 1, precisions[i]) == 0)
            chosen = precisions[i];
    const char *name = chosen ? arena_strndup(&s->memory, spec, (size_t)(colon - spec)) : spec;
    if (!name)
        return error_no_memory(err, strlen(spec));
    if (chosen)
        common.precision = chosen;
    ken_status status =
        cli_load_model_named(name, NULL, &s->loaded, &s->model_id, &s->model_revision, err);
    common.precision = usual;
    return status;
}

static ken_status describe_model(compare_source *s, bool images, ken_error *err) {
    TRY(picture_recipe(s->loaded, &s->recipe, err));
    return collection_meta_of_model(s->loaded, s->model_id, s->model_revision, &s->recipe, images,
                                    &s->memory, &s->meta, err);
}

static void unload(compare_source *s) {
    ken_model_free(s->loaded);
    s->loaded = NULL;
    MEM_FREE(s->model_id);
    MEM_FREE(s->model_revision);
}

/* The model of a collection: the one of those named that made it, else the one that it names. */
static ken_status load_model_of_collection(const compare_request *r, compare_source *s,
                                           ken_error *err) {
    if (r->models.n == 0) {
        TRY(cli_load_model_of(s->samples->meta.model_id, "collection", &s->loaded, &s->model_id,
                              &s->model_revision, err));
        TRY(describe_model(s, false, err));
        return collection_meta_match(&s->samples->meta, s->collection, &s->meta, s->model_id, err);
    }
    for (size_t i = 0;; i++) {
        TRY(load_model(r->models.items[i], s, err));
        TRY(describe_model(s, false, err));
        ken_status status =
            collection_meta_match(&s->samples->meta, s->collection, &s->meta, s->model_id, err);
        if (status == KEN_OK || i + 1 == r->models.n)
            return status;
        unload(s);
    }
}

static void note_model(compare_source *s) {
    static const unsigned bytes_each[] = {[KEN_PRECISION_F32] = 4,
                                          [KEN_PRECISION_S16] = 2,
                                          [KEN_PRECISION_INT8] = 1,
                                          [KEN_PRECISION_AUTO] = 1};
    ken_model_info info;
    ken_model_get_info(s->loaded, &info);
    s->cost.model_bytes = info.n_parameters * bytes_each[info.precision];
}

static pipeline_options pipeline_of(const compare_request *r, const compare_source *s) {
    return (pipeline_options){
        .n_threads = cli_threads(),
        .limits = picture_limits(),
        .no_sandbox = r->no_sandbox,
        .preprocess = &s->recipe,
        .cancel = &cli_cancelled,
    };
}

static ken_status embed(const compare_request *r, compare_source *s, ken_error *err) {
    TRY(s->model ? load_model(s->model, s, err)
                 : cli_load_model(NULL, &s->loaded, &s->model_id, &s->model_revision, err));
    TRY(describe_model(s, true, err));
    const inputs_options in = {.args = r->images.items, .n_args = r->images.n};
    pipeline_options pipeline = pipeline_of(r, s);
    progress_view view;
    progress_begin(&view, "images");
    pipeline.progress = progress_show;
    pipeline.progress_context = &view;
    double began = sys_seconds();
    ken_status status = samples_embed(s->loaded, &s->meta, &in, &pipeline, &s->samples, err);
    s->cost.embed_seconds = sys_seconds() - began;
    progress_clear(&view);
    if (status == KEN_OK)
        s->cost.n_embedded = s->samples->n;
    return status;
}

/* The vectors of a source, and its model where something needs it. */
static ken_status open_source(const compare_request *r, const compare_entries *e, compare_source *s,
                              ken_error *err) {
    s->cost.embed_seconds = NAN;
    if (!s->collection)
        return embed(r, s, err);
    TRY(samples_open(s->collection, &s->samples, err));
    return any_rules(e) ? load_model_of_collection(r, s, err) : KEN_OK;
}

/* ---- deciding ---------------------------------------------------------------------------------
 */

static classify_mode mode_of(const compare_request *r, const compare_decider *d) {
    if (d->head)
        return CLASSIFY_SOFTMAX;
    if (!d->path)
        return CLASSIFY_ARGMAX;
    for (classify_mode mode = CLASSIFY_RULES; r->mode && mode <= CLASSIFY_ARGMAX; mode++)
        if (strcmp(r->mode, classify_mode_name(mode)) == 0)
            return mode;
    return CLASSIFY_RULES;
}

static ken_status prepare_rules(const compare_request *r, const compare_entries *e,
                                compare_source *s, size_t i, ken_error *err) {
    const compare_decider *d = &e->deciders[i];
    collection_meta image_meta = s->meta;
    if (s->collection && classify_needs_images(d->rules))
        TRY(collection_meta_of_model(s->loaded, s->model_id, s->model_revision, &s->recipe, true,
                                     &s->memory, &image_meta, err));
    const pipeline_options pipeline = pipeline_of(r, s);
    const classify_options how = {mode_of(r, d), e->pool, &image_meta, &pipeline};
    buf warnings;
    buf_init(&warnings, max_warning_bytes);
    ken_status status =
        classify_prepare(d->rules, s->loaded, &how, &s->classifiers[i], &warnings, err);
    cli_note_lines(&warnings);
    buf_free(&warnings);
    return status;
}

/* A head that is for another source's model is passed over here. */
static ken_status prepare_head(const compare_entries *e, compare_source *s, size_t i,
                               ken_error *err) {
    const compare_decider *d = &e->deciders[i];
    const char *reason = NULL;
    const kernels *k = s->loaded    ? model_kernels(s->loaded)
                       : common.cpu ? kernels_find(common.cpu, &reason)
                                    : kernels_best();
    if (!k)
        return error_set(err, KEN_BAD_ARGUMENT, "CPU tier '%s' cannot be used: %s", common.cpu,
                         reason);
    ken_status status = head_match(d->head, d->path, &s->samples->meta, s->name, err);
    if (status != KEN_OK)
        return e->n_sources > 1 ? KEN_OK : status;
    return head_classifier(d->head, k, mode_of(NULL, d), &s->head_rules[i], &s->classifiers[i],
                           err);
}

static ken_status prepare(const compare_request *r, const labels *l, compare_entries *e,
                          compare_source *s, ken_error *err) {
    s->classifiers = mem_zalloc(e->n_deciders, sizeof *s->classifiers);
    s->head_rules = mem_zalloc(e->n_deciders, sizeof *s->head_rules);
    if (!s->classifiers || !s->head_rules)
        return error_no_memory(err, e->n_deciders * sizeof *s->classifiers);
    for (size_t i = 0; i < e->n_deciders; i++) {
        compare_decider *d = &e->deciders[i];
        if (d->head) {
            TRY(prepare_head(e, s, i, err));
        } else {
            TRY(make_label_rules(r, l, s->samples, d, err));
            TRY(prepare_rules(r, e, s, i, err));
        }
        d->used |= s->classifiers[i] != NULL;
    }
    return KEN_OK;
}

/* Everything of a source but its entries. The peak of memory is this source's own: what earlier
 * ones still hold is taken off. */
static ken_status run_source(const compare_request *r, const labels *l, compare_entries *e,
                             compare_source *s, uint64_t rss_at_start, ken_error *err) {
    uint64_t held = sys_rss();
    bool measured = sys_reset_peak_rss();
    TRY(open_source(r, e, s, err));
    TRY(prepare(r, l, e, s, err));
    e->n_failures += s->collection ? 0 : s->samples->n_failures;
    if (s->loaded)
        note_model(s);
    uint64_t others = held > rss_at_start ? held - rss_at_start : 0;
    if (measured && !s->collection)
        s->cost.memory_bytes = sys_peak_rss() - others;
    ken_model_free(s->loaded);
    s->loaded = NULL;
    return KEN_OK;
}

/* ---- entries ----------------------------------------------------------------------------------
 */

static ken_status list_sources(const compare_request *r, compare_entries *e, ken_error *err) {
    size_t n = count_sources(r);
    e->sources = mem_zalloc(n, sizeof *e->sources);
    if (!e->sources)
        return error_no_memory(err, n * sizeof *e->sources);
    for (size_t i = 0; i < r->collections.n; i++)
        e->sources[e->n_sources++] = (compare_source){.name = r->collections.items[i],
                                                      .collection = r->collections.items[i]};
    for (size_t i = 0; e->n_sources < n; i++) {
        const char *model = i < r->models.n ? r->models.items[i] : NULL;
        e->sources[e->n_sources++] =
            (compare_source){.name = model ? model : "images", .model = model};
    }
    return KEN_OK;
}

/* What tells the entry from the others. */
static const char *name_entry(compare_entries *e, const compare_decider *d,
                              const compare_source *s) {
    const char *path = d->path ? d->path : "the labels' names";
    if (e->n_sources == 1)
        return arena_strdup(&e->memory, path);
    if (e->n_deciders == 1)
        return arena_strdup(&e->memory, s->name);
    return arena_printf(&e->memory, "%s, %s", path, s->name);
}

static ken_status add_entry(const compare_request *r, compare_entries *e, const compare_source *s,
                            size_t i, ken_error *err) {
    const compare_decider *d = &e->deciders[i];
    compare_entry *entry = &e->items[e->n++];
    *entry = (compare_entry){
        .name = name_entry(e, d, s),
        .decider = d->path ? d->path : "",
        .data = s->collection ? s->collection : r->images.items[0],
        .model = s->samples->meta.model_id,
        .samples = s->samples,
        .classifier = s->classifiers[i],
        .cost = s->cost,
    };
    return entry->name ? KEN_OK : error_no_memory(err, strlen(s->name));
}

static ken_status check_used(const compare_entries *e, ken_error *err) {
    for (size_t i = 0; i < e->n_deciders; i++) {
        const compare_decider *d = &e->deciders[i];
        if (d->used)
            continue;
        ken_status status = error_set(err, KEN_BAD_FORMAT,
                                      "'%s' is for none of the models that are compared", d->path);
        return error_hint(err, status, "compare it on vectors of the model '%s'",
                          d->head->meta.model_id);
    }
    return KEN_OK;
}

static ken_status make(const compare_request *r, const labels *l, compare_entries *e,
                       ken_error *err) {
    TRY(load_deciders(r, e, err));
    TRY(list_sources(r, e, err));
    TRY(ken_pool_new(cli_threads(), &e->pool, err));
    uint64_t rss = sys_rss();
    for (size_t i = 0; i < e->n_sources; i++)
        TRY(run_source(r, l, e, &e->sources[i], rss, err));
    TRY(check_used(e, err));
    e->items = mem_zalloc(e->n_sources * e->n_deciders, sizeof *e->items);
    if (!e->items)
        return error_no_memory(err, e->n_sources * e->n_deciders * sizeof *e->items);
    for (size_t s = 0; s < e->n_sources; s++)
        for (size_t i = 0; i < e->n_deciders; i++)
            if (e->sources[s].classifiers[i])
                TRY(add_entry(r, e, &e->sources[s], i, err));
    return KEN_OK;
}

ken_status compare_entries_new(const compare_request *r, const labels *l, compare_entries *out,
                               ken_error *err) {
    *out = (compare_entries){0};
    ken_status status = make(r, l, out, err);
    if (status != KEN_OK)
        compare_entries_free(out);
    return status;
}

void compare_entries_free(compare_entries *e) {
    for (size_t s = 0; s < e->n_sources; s++) {
        compare_source *source = &e->sources[s];
        for (size_t i = 0; i < e->n_deciders; i++) {
            if (source->classifiers)
                classifier_free(source->classifiers[i]);
            if (source->head_rules)
                rules_free(source->head_rules[i]);
        }
        mem_free(source->classifiers);
        mem_free(source->head_rules);
        samples_free(source->samples);
        unload(source);
        arena_free(&source->memory);
    }
    for (size_t i = 0; i < e->n_deciders; i++) {
        rules_free(e->deciders[i].rules);
        head_free(e->deciders[i].head);
    }
    mem_free(e->sources);
    mem_free(e->deciders);
    mem_free(e->items);
    ken_pool_free(e->pool);
    arena_free(&e->memory);
    *e = (compare_entries){0};
}
