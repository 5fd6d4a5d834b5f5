/* tasks/classify/classifier.c: set embeddings, similarities and decisions. */
#include "tasks/classify/classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { rows_per_item = 256 };

const char *classify_mode_name(classify_mode mode) {
    static const char *const names[] = {"rules", "softmax", "argmax"};
    return names[mode];
}

/* ---- set embeddings ---------------------------------------------------------------------------
 */

/* Scales to length 1, in double so that the order of magnitude of a mean does not matter. */
static bool normalize(const double *sum, size_t dim, float *out) {
    double square = 0;
    for (size_t i = 0; i < dim; i++)
        square += sum[i] * sum[i];
    double norm = sqrt(square);
    if (!(norm > 1e-12))
        return false;
    for (size_t i = 0; i < dim; i++)
        out[i] = (float)(sum[i] / norm);
    return true;
}

/* The normalised mean of a set's prompts. `sum` is scratch, [E]. */
static bool set_mean(const prompt_set *set, const float *embeddings, size_t dim, double *sum,
                     float *out) {
    memset(sum, 0, dim * sizeof *sum);
    for (size_t i = 0; i < set->n; i++) {
        const float *row = embeddings + set->texts[i] * dim;
        for (size_t j = 0; j < dim; j++)
            sum[j] += row[j];
    }
    return normalize(sum, dim, out);
}

static ken_status fail_mean(const char *kind, const char *category, ken_error *err) {
    ken_status status = error_set(err, KEN_BAD_FORMAT,
                                  "the %s prompts of '%s' cancel each other out", kind, category);
    return error_hint(err, status, "use fewer or other prompts");
}

static ken_status fail_neutral(ken_error *err) {
    ken_status status = error_set(err, KEN_BAD_FORMAT, "the neutral prompts cancel each other out");
    return error_hint(err, status, "use fewer or other prompts");
}

/* The positive set of category `i`: its prompts, its examples or both. */
static ken_status positive_set(const classifier *c, const prompts *p, size_t i,
                               const float *prompt_embeddings, const float *example_means,
                               double *sum, float *out, ken_error *err) {
    const rules_category *category = &c->rules->categories[i];
    const float *example = category->examples.n ? example_means + i * c->dim : NULL;
    if (category->positive.n == 0) {
        memcpy(out, example, c->dim * sizeof *out);
        return KEN_OK;
    }
    if (!set_mean(&p->positive[i], prompt_embeddings, c->dim, sum, out))
        return fail_mean("positive", category->name, err);
    if (category->examples.n == 0)
        return KEN_OK;
    double weight = category->examples_weight;
    for (size_t j = 0; j < c->dim; j++)
        sum[j] = (1 - weight) * out[j] + weight * example[j];
    return normalize(sum, c->dim, out) ? KEN_OK : fail_mean("positive", category->name, err);
}

static ken_status fill_sets(classifier *c, const prompts *p, const float *prompt_embeddings,
                            const float *example_means, double *sum, ken_error *err) {
    const rules *r = c->rules;
    size_t set = 0;
    for (size_t i = 0; i < r->n_categories; i++, set++)
        TRY(positive_set(c, p, i, prompt_embeddings, example_means, sum, c->sets + set * c->dim,
                         err));
    for (size_t i = 0; i < r->n_categories; i++) {
        c->negative_set[i] = p->negative[i].n ? set : SIZE_MAX;
        if (p->negative[i].n == 0)
            continue;
        if (!set_mean(&p->negative[i], prompt_embeddings, c->dim, sum, c->sets + set * c->dim))
            return fail_mean("negative", r->categories[i].name, err);
        set++;
    }
    for (size_t i = 0; i < r->n_categories; i++)
        c->neutral_set[i] =
            r->categories[i].neutral ? set + r->categories[i].neutral->number : SIZE_MAX;
    for (size_t i = 0; i < p->n_neutral; i++, set++)
        if (!set_mean(&p->neutral[i], prompt_embeddings, c->dim, sum, c->sets + set * c->dim))
            return fail_neutral(err);
    return KEN_OK;
}

static size_t count_sets(const rules *r, const prompts *p) {
    size_t n = r->n_categories + p->n_neutral;
    for (size_t i = 0; i < r->n_categories; i++)
        n += p->negative[i].n > 0;
    return n;
}

/* With room for the sets. */
static ken_status new_classifier(const rules *r, size_t n_sets, size_t dim, const kernels *k,
                                 const classifier_options *options, classifier **out,
                                 ken_error *err) {
    *out = NULL;
    classifier *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err, sizeof *c);
    c->rules = r;
    c->options = *options;
    c->kernels = k;
    c->dim = dim;
    c->n_sets = n_sets;
    size_t panels = (n_sets + k->gemm_f32_nr - 1) / k->gemm_f32_nr;
    c->negative_set = mem_zalloc(r->n_categories, sizeof *c->negative_set);
    c->neutral_set = mem_zalloc(r->n_categories, sizeof *c->neutral_set);
    c->sets = mem_zalloc(n_sets * dim, sizeof *c->sets);
    c->packed = mem_zalloc(panels * k->gemm_f32_nr * dim, sizeof *c->packed);
    if (!c->negative_set || !c->neutral_set || !c->sets || !c->packed) {
        classifier_free(c);
        return error_no_memory(err, n_sets * dim * sizeof *c->sets);
    }
    *out = c;
    return KEN_OK;
}

ken_status classifier_new(const rules *r, const prompts *p, const float *prompt_embeddings,
                          const float *example_means, size_t dim, const kernels *k,
                          const classifier_options *options, classifier **out, ken_error *err) {
    TRY(new_classifier(r, count_sets(r, p), dim, k, options, out, err));
    classifier *c = *out;
    double *sum = mem_zalloc(dim, sizeof *sum);
    ken_status status = sum ? fill_sets(c, p, prompt_embeddings, example_means, sum, err)
                            : error_no_memory(err, dim * sizeof *sum);
    mem_free(sum);
    if (status == KEN_OK) {
        k->gemm_f32_pack(c->sets, dim, c->n_sets, dim, c->packed);
    } else {
        classifier_free(c);
        *out = NULL;
    }
    return status;
}

ken_status classifier_new_linear(const rules *r, const float *weight, const float *bias, size_t dim,
                                 const kernels *k, classify_mode mode, classifier **out,
                                 ken_error *err) {
    const classifier_options options = {.mode = mode, .logit_scale = 1};
    TRY(new_classifier(r, r->n_categories, dim, k, &options, out, err));
    classifier *c = *out;
    c->bias = mem_alloc(c->n_sets * sizeof *c->bias);
    if (!c->bias) {
        classifier_free(c);
        *out = NULL;
        return error_no_memory(err, r->n_categories * sizeof *c->bias);
    }
    memcpy(c->sets, weight, c->n_sets * dim * sizeof *weight);
    memcpy(c->bias, bias, c->n_sets * sizeof *bias);
    for (size_t i = 0; i < r->n_categories; i++)
        c->negative_set[i] = c->neutral_set[i] = SIZE_MAX;
    k->gemm_f32_pack(c->sets, dim, c->n_sets, dim, c->packed);
    return KEN_OK;
}

void classifier_free(classifier *c) {
    if (!c)
        return;
    mem_free(c->negative_set);
    mem_free(c->neutral_set);
    mem_free(c->sets);
    mem_free(c->packed);
    mem_free(c->bias);
    mem_free(c);
}

/* ---- similarities -----------------------------------------------------------------------------
 */

typedef struct similarity_work {
    const classifier *c;
    const float *embeddings;
    size_t n;
    float *out;
} similarity_work;

static void similarity_rows(void *context, size_t item, int thread) {
    const similarity_work *w = context;
    const classifier *c = w->c;
    (void)thread;
    size_t first = item * rows_per_item;
    c->kernels->gemm_f32(&(gemm_f32_args){
        .a = w->embeddings + first * c->dim,
        .lda = c->dim,
        .b = c->packed,
        .bias = c->bias,
        .c = w->out + first * c->n_sets,
        .ldc = c->n_sets,
        .m = w->n - first < rows_per_item ? w->n - first : rows_per_item,
        .n = c->n_sets,
        .k = c->dim,
        .epilogue = GEMM_STORE,
    });
}

void classifier_similarities(const classifier *c, const float *embeddings, size_t n, ken_pool *pool,
                             float *out) {
    similarity_work work = {c, embeddings, n, out};
    pool_run(pool, similarity_rows, &work, (n + rows_per_item - 1) / rows_per_item);
}

/* ---- decisions --------------------------------------------------------------------------------
 */

bool classifier_beats_neutral(const classifier *c, const verdict *v) {
    return c->neutral_set[v->category] == SIZE_MAX ||
           v->pos_sim >= v->neutral_sim + c->rules->categories[v->category].neutral_margin;
}

static verdict_test apply_rules(const classifier *c, const verdict *v) {
    const rules *r = c->rules;
    if (!(v->score >= r->categories[v->category].threshold))
        return VERDICT_BELOW_THRESHOLD;
    return classifier_beats_neutral(c, v) ? VERDICT_MATCHED : VERDICT_BELOW_NEUTRAL;
}

static void fill_verdict(const classifier *c, const float *similarities, size_t i, verdict *v) {
    size_t negative = c->negative_set[i], neutral = c->neutral_set[i];
    *v = (verdict){
        .category = (uint32_t)i,
        .pos_sim = similarities[i],
        .neg_sim = negative == SIZE_MAX ? NAN : similarities[negative],
        .neutral_sim = neutral == SIZE_MAX ? NAN : similarities[neutral],
    };
    if (negative != SIZE_MAX)
        v->score = v->pos_sim - v->neg_sim;
    else if (neutral != SIZE_MAX)
        v->score = v->pos_sim - v->neutral_sim;
    else
        v->score = v->pos_sim;
}

/* Scores become probabilities from the positive similarities alone, as the zero-shot pipelines of
 * others compute them. */
static void probabilities(const classifier *c, verdict *verdicts, size_t n) {
    double scale = c->options.logit_scale, bias = c->options.logit_bias;
    if (c->options.sigmoid) {
        for (size_t i = 0; i < n; i++)
            verdicts[i].score = (float)(1 / (1 + exp(-(scale * verdicts[i].pos_sim + bias))));
        return;
    }
    double highest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        highest = fmax(highest, verdicts[i].pos_sim);
    for (size_t i = 0; i < n; i++)
        sum += exp(scale * (verdicts[i].pos_sim - highest));
    for (size_t i = 0; i < n; i++)
        verdicts[i].score = (float)(exp(scale * (verdicts[i].pos_sim - highest)) / sum);
}

static int by_rank(const void *a, const void *b) {
    const verdict *x = a, *y = b;
    bool x_in = x->test == VERDICT_MATCHED, y_in = y->test == VERDICT_MATCHED;
    if (x_in != y_in)
        return x_in ? -1 : 1;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->category < y->category ? -1 : x->category > y->category;
}

/* May one category match at most? */
static bool only_one(const classifier *c) {
    return c->options.mode != CLASSIFY_RULES || !c->rules->multiple;
}

/* Scores and tests in the order of the categories, without ranks. */
static void fill_verdicts(const classifier *c, const float *similarities, verdict *out) {
    size_t n = c->rules->n_categories;
    bool by_rules = c->options.mode == CLASSIFY_RULES;
    for (size_t i = 0; i < n; i++) {
        fill_verdict(c, similarities, i, &out[i]);
        out[i].test = by_rules ? apply_rules(c, &out[i]) : VERDICT_MATCHED;
    }
    if (c->options.mode == CLASSIFY_SOFTMAX)
        probabilities(c, out, n);
}

void classifier_decide(const classifier *c, const float *similarities, verdict *out) {
    size_t n = c->rules->n_categories;
    fill_verdicts(c, similarities, out);
    qsort(out, n, sizeof *out, by_rank);
    for (size_t i = 0; i < n; i++) {
        out[i].rank = (uint32_t)i + 1;
        if (i > 0 && only_one(c) && out[i].test == VERDICT_MATCHED)
            out[i].test = VERDICT_NOT_BEST;
    }
}

static void swap(verdict *a, verdict *b) {
    verdict kept = *a;
    *a = *b;
    *b = kept;
}

/* Moves the first of n verdicts by rank to their front. */
static void lead(verdict *verdicts, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (by_rank(&verdicts[i], &verdicts[0]) < 0)
            swap(&verdicts[i], &verdicts[0]);
}

size_t classifier_matches(const classifier *c, const float *similarities, verdict *out) {
    size_t n = c->rules->n_categories, n_passed = 0;
    fill_verdicts(c, similarities, out);
    for (size_t i = 0; i < n; i++)
        if (out[i].test == VERDICT_MATCHED)
            swap(&out[i], &out[n_passed++]);
    if (!only_one(c)) {
        qsort(out, n_passed, sizeof *out, by_rank);
        for (size_t i = 0; i < n_passed; i++)
            out[i].rank = (uint32_t)i + 1;
        return n_passed;
    }
    /* The second one, too: reasons name it. */
    for (size_t i = 0; i < n_passed && i < 2; i++) {
        lead(out + i, n_passed - i);
        out[i].rank = (uint32_t)i + 1;
    }
    for (size_t i = 1; i < n_passed; i++)
        out[i].test = VERDICT_NOT_BEST;
    return n_passed > 0;
}

/* ---- reasons ----------------------------------------------------------------------------------
 */

static void put_neutral(const classifier *c, const verdict *v, buf *out) {
    float lead = v->pos_sim - v->neutral_sim;
    buf_printf(out, "%s neutral by %.4f, needs %.4g", lead >= 0 ? "ahead of" : "behind",
               fabs((double)lead), (double)c->rules->categories[v->category].neutral_margin);
}

static void put_test(const classifier *c, const verdict *v, buf *out) {
    double threshold = c->rules->categories[v->category].threshold;
    double lead = (double)v->score - threshold;
    buf_printf(out, "score %.4f is %.4f %s threshold %.4g", (double)v->score, fabs(lead),
               v->score >= c->rules->categories[v->category].threshold ? "above" : "below",
               threshold);
    if (c->neutral_set[v->category] == SIZE_MAX)
        return;
    buf_puts(out, v->test == VERDICT_BELOW_NEUTRAL ? ", but " : "; ");
    put_neutral(c, v, out);
}

void classifier_reason(const classifier *c, const verdict *verdicts, const verdict *v, buf *out) {
    const rules_category *categories = c->rules->categories;
    const verdict *best = &verdicts[0];
    if (c->options.mode == CLASSIFY_RULES && v->test != VERDICT_NOT_BEST) {
        put_test(c, v, out);
    } else if (v == best && c->rules->n_categories == 1) {
        buf_puts(out, "the only category");
    } else if (v == best) {
        buf_printf(out, "%.4f ahead of '%s'", (double)best->score - (double)verdicts[1].score,
                   categories[verdicts[1].category].name);
    } else {
        buf_printf(out, "%.4f behind '%s'", (double)best->score - (double)v->score,
                   categories[best->category].name);
    }
}

/* How far a category is from matching: the larger of what its two tests lack. */
static double shortfall(const classifier *c, const verdict *v) {
    const rules_category *category = &c->rules->categories[v->category];
    double lacks = (double)category->threshold - (double)v->score;
    if (category->neutral) {
        double margin = (double)v->neutral_sim + (double)category->neutral_margin;
        lacks = fmax(lacks, margin - (double)v->pos_sim);
    }
    return lacks;
}

const verdict *classifier_closest(const classifier *c, const verdict *verdicts, float *lacks) {
    const verdict *closest = &verdicts[0];
    double least = shortfall(c, closest);
    for (size_t i = 1; i < c->rules->n_categories; i++) {
        double lack = shortfall(c, &verdicts[i]);
        if (lack > least || (lack == least && by_rank(&verdicts[i], closest) > 0))
            continue;
        closest = &verdicts[i];
        least = lack;
    }
    *lacks = (float)least;
    return closest;
}

void classifier_none_reason(const classifier *c, const verdict *verdicts, buf *out) {
    float lacks;
    const verdict *closest = classifier_closest(c, verdicts, &lacks);
    buf_printf(out, "closest is '%s': ", c->rules->categories[closest->category].name);
    put_test(c, closest, out);
}
