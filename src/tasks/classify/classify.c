#include "tasks/classify/classify.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

bool classify_needs_images(const rules *r) {
    for (size_t i = 0; i < r->n_categories; i++)
        if (r->categories[i].examples.n)
            return true;
    return false;
}

/* ---- example images ---------------------------------------------------------------------------
 */

static ken_status mean_of(const samples *s, float *out, ken_error *err) {
    double square = 0;
    for (size_t j = 0; j < s->dim; j++) {
        double sum = 0;
        for (size_t i = 0; i < s->n; i++)
            sum += (double)s->embeddings[i * s->dim + j];
        out[j] = (float)(sum / (double)s->n);
        square += (double)out[j] * (double)out[j];
    }
    if (!(square > 1e-12))
        return error_set(err, KEN_BAD_FORMAT, "the example images cancel each other out");
    for (size_t j = 0; j < s->dim; j++)
        out[j] = (float)((double)out[j] / sqrt(square));
    return KEN_OK;
}

/* The patterns, made relative to the folder of the category's file. */
static ken_status list_examples(const rules_category *category, arena *memory, const char ***out,
                                ken_error *err) {
    const char **paths = arena_array(memory, category->examples.n, sizeof *paths);
    if (!paths)
        return error_no_memory(err, category->examples.n * sizeof *paths);
    for (size_t i = 0; i < category->examples.n; i++) {
        const char *pattern = category->examples.items[i];
        bool whole = pattern[0] == '/' || strcmp(category->dir, ".") == 0;
        paths[i] = whole ? pattern : arena_printf(memory, "%s/%s", category->dir, pattern);
        if (!paths[i])
            return error_no_memory(err, strlen(pattern));
    }
    *out = paths;
    return KEN_OK;
}

static ken_status embed_examples(const rules_category *category, const ken_model *model,
                                 const classify_options *options, float *out, ken_error *err) {
    arena memory = {0};
    const char **paths = NULL;
    samples *s = NULL;
    ken_status status = list_examples(category, &memory, &paths, err);
    if (status == KEN_OK) {
        inputs_options in = {.args = paths, .n_args = category->examples.n};
        status = samples_embed(model, options->meta, &in, options->pipeline, &s, err);
    }
    if (status == KEN_OK && s->n_failures)
        status = error_set(err, KEN_BAD_FORMAT, "'%s' could not be read: %s", s->failures[0].path,
                           s->failures[0].detail);
    if (status == KEN_OK && s->n == 0)
        status = error_set(err, KEN_NOT_FOUND, "'%s' holds no image", paths[0]);
    if (status == KEN_OK)
        status = mean_of(s, out, err);
    if (status != KEN_OK)
        error_prefix(err, status, "%s:%d: examples of '%s'", category->where, category->line,
                     category->name);
    samples_free(s);
    arena_free(&memory);
    return status;
}

/* ---- the classifier ---------------------------------------------------------------------------
 */

static ken_status make(const rules *r, const prompts *p, const ken_model *model,
                       const classify_options *options, float *texts, float *images,
                       classifier **out, size_t *n_truncated, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    size_t dim = (size_t)info.embedding_width;
    TRY(prompts_embed(p, model, options->pool, texts, n_truncated, err));
    for (size_t i = 0; i < r->n_categories; i++)
        if (r->categories[i].examples.n)
            TRY(embed_examples(&r->categories[i], model, options, images + i * dim, err));
    const classifier_options chosen = {
        .mode = options->mode,
        .logit_scale = info.logit_scale,
        .logit_bias = info.logit_bias,
        .sigmoid = info.sigmoid,
    };
    return classifier_new(r, p, texts, images, dim, model_kernels(model), &chosen, out, err);
}

ken_status classify_prepare(const rules *r, const ken_model *model, const classify_options *options,
                            classifier **out, size_t *n_truncated, ken_error *err) {
    *out = NULL;
    ken_model_info info;
    ken_model_get_info(model, &info);
    prompts *p;
    TRY(prompts_new(r, &p, err));
    size_t n_texts = p->n_texts * (size_t)info.embedding_width;
    size_t n_images = classify_needs_images(r) ? r->n_categories * (size_t)info.embedding_width : 0;
    float *texts = mem_zalloc(n_texts, sizeof *texts);
    float *images = mem_zalloc(n_images, sizeof *images);
    ken_status status = texts && images
                            ? make(r, p, model, options, texts, images, out, n_truncated, err)
                            : error_no_memory(err, (n_texts + n_images) * sizeof *texts);
    mem_free(texts);
    mem_free(images);
    prompts_free(p);
    return status;
}
