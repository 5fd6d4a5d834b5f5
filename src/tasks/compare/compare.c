/* tasks/compare/compare.c: which images, their figures, and the tests. Text is in compare_output.c.
 */
#include "tasks/compare/compare.h"

#include "base/random.h"
#include "base/sys.h"

#include <math.h>
#include <string.h>

typedef struct work {
    const compare_entry *entries;
    size_t n;
    const labels *labels;
    comparison *c;
    text_index ids;
    size_t *rows;     /* [ids, n] the sample of an id in an entry, or SIZE_MAX */
    size_t *compared; /* [n_compared] ids */
    bool *right;      /* [n_compared, n] */
} work;

/* ---- the images -------------------------------------------------------------------------------
 */

static ken_status index_ids(work *w, ken_error *err) {
    uint32_t id;
    for (size_t e = 0; e < w->n; e++) {
        const samples *s = w->entries[e].samples;
        for (size_t i = 0; i < s->n && (e == 0 || s != w->entries[e - 1].samples); i++)
            TRY(text_index_add(&w->ids, s->ids[i], strlen(s->ids[i]), &id, err));
    }
    w->rows = mem_zalloc(w->ids.n * w->n, sizeof *w->rows);
    w->compared = mem_zalloc(w->ids.n, sizeof *w->compared);
    if (!w->rows || !w->compared)
        return error_no_memory(err, w->ids.n * w->n * sizeof *w->rows);
    memset(w->rows, 0xFF, w->ids.n * w->n * sizeof *w->rows);
    for (size_t e = 0; e < w->n; e++) {
        const samples *s = w->entries[e].samples;
        for (size_t i = 0; i < s->n; i++) {
            size_t at = text_index_find(&w->ids, s->ids[i], strlen(s->ids[i])) * w->n + e;
            if (w->rows[at] == SIZE_MAX)
                w->rows[at] = i;
        }
    }
    return KEN_OK;
}

/* The path of an image in the first entry that has it. */
static const char *path_of(const work *w, size_t id) {
    size_t e = 0;
    while (w->rows[id * w->n + e] == SIZE_MAX)
        e++;
    return w->entries[e].samples->paths[w->rows[id * w->n + e]];
}

static size_t count_lacking(const work *w, size_t id) {
    size_t n = 0;
    for (size_t e = 0; e < w->n; e++)
        n += w->rows[id * w->n + e] == SIZE_MAX;
    return n;
}

static ken_status fail_none(const work *w, size_t n_common, size_t n_labelled, ken_error *err) {
    if (n_common)
        return labels_fail_none(w->labels, n_common, w->ids.texts[0], err);
    const samples *a = w->entries[0].samples, *b = w->entries[w->n - 1].samples;
    ken_status status = error_set(err, KEN_BAD_FORMAT,
                                  "none of the %zu images (%zu of them labelled) is in all of the "
                                  "%zu sets to compare",
                                  w->ids.n, n_labelled, w->n);
    if (a->n == 0 || b->n == 0)
        return status;
    return error_hint(err, status,
                      "they are matched by id, such as '%s' in the first and '%s' in "
                      "the last",
                      a->ids[0], b->ids[0]);
}

static ken_status choose_images(work *w, ken_error *err) {
    comparison *c = w->c;
    size_t n_common = 0, n_labelled = 0;
    for (size_t id = 0; id < w->ids.n; id++) {
        label_set set;
        labels_of(w->labels, w->ids.texts[id], path_of(w, id), &set);
        size_t n_lacking = count_lacking(w, id);
        n_common += n_lacking == 0;
        n_labelled += set.n > 0;
        c->n_unlabelled += n_lacking == 0 && set.n == 0;
        c->n_left_out += n_lacking > 0 && set.n > 0;
        for (size_t e = 0; e < w->n && set.n; e++)
            c->rows[e].n_lacking += w->rows[id * w->n + e] == SIZE_MAX;
        if (n_lacking == 0 && set.n)
            w->compared[c->n_compared++] = id;
    }
    return c->n_compared ? KEN_OK : fail_none(w, n_common, n_labelled, err);
}

/* ---- an entry ---------------------------------------------------------------------------------
 */

static ken_status add_images(const work *w, size_t e, const results *r, verdict *verdicts,
                             evaluation *to, ken_error *err) {
    compare_row *row = &w->c->rows[e];
    for (size_t i = 0; i < w->c->n_compared; i++) {
        size_t id = w->compared[i];
        double began = sys_seconds();
        results_matches(r, w->rows[id * w->n + e], verdicts);
        row->decide_seconds += sys_seconds() - began;
        TRY(evaluation_add(to, w->ids.texts[id], path_of(w, id), verdicts, err));
    }
    return KEN_OK;
}

static ken_status evaluate(const work *w, size_t e, ken_error *err) {
    const compare_entry *entry = &w->entries[e];
    const compare_options *o = &w->c->options;
    compare_row *row = &w->c->rows[e];
    size_t n_categories = entry->classifier->rules->n_categories;
    verdict *verdicts = mem_zalloc(n_categories, sizeof *verdicts);
    if (!verdicts)
        return error_no_memory(err, n_categories * sizeof *verdicts);
    results r = {0};
    row->entry = entry;
    ken_status status = evaluation_new(entry->classifier->rules, w->labels, &row->evaluation, err);
    if (status == KEN_OK)
        status = results_init(&r, entry->classifier, entry->samples, o->pool, err);
    if (status == KEN_OK)
        status = add_images(w, e, &r, verdicts, row->evaluation, err);
    if (status == KEN_OK)
        status = evaluation_finish(row->evaluation,
                                   &(evaluation_options){o->n_resamples, o->seed, o->pool}, err);
    for (size_t i = 0; status == KEN_OK && i < w->c->n_compared; i++)
        w->right[i * w->n + e] = evaluation_was_right(row->evaluation, i);
    results_reset(&r);
    mem_free(verdicts);
    return status;
}

/* ---- differences ------------------------------------------------------------------------------
 */

static size_t choose_reference(const comparison *c) {
    size_t best = 0;
    for (size_t e = 1; e < c->n && !c->options.against_first; e++)
        if (c->rows[e].evaluation->n_right > c->rows[best].evaluation->n_right)
            best = e;
    return best;
}

static ken_status test_rows(const work *w, ken_error *err) {
    comparison *c = w->c;
    double *p = mem_alloc(c->n * sizeof *p);
    if (!p)
        return error_no_memory(err, c->n * sizeof *p);
    size_t n_tests = 0;
    for (size_t e = 0; e < c->n; e++) {
        compare_row *row = &c->rows[e];
        for (size_t i = 0; i < c->n_compared; i++) {
            bool this = w->right[i * c->n + e], other = w->right[i * c->n + c->reference];
            row->n_only_this += this && !other;
            row->n_only_ref += other && !this;
        }
        row->difference =
            ((double)row->n_only_this - (double)row->n_only_ref) / (double)c->n_compared;
        row->test = mcnemar_test(row->n_only_this, row->n_only_ref);
        if (e != c->reference)
            p[n_tests++] = row->test.p_mid;
    }
    holm_adjust(p, n_tests);
    for (size_t e = 0, t = 0; e < c->n; e++)
        c->rows[e].p = e == c->reference ? 1 : p[t++];
    mem_free(p);
    return KEN_OK;
}

typedef struct bootstrap {
    const work *w;
    double *values; /* [n, n_resamples] differences */
} bootstrap;

/* One draw of images serves every entry. */
static void resample(void *context, size_t item, int thread) {
    const bootstrap *b = context;
    const comparison *c = b->w->c;
    uint64_t key = random_at(c->options.seed, item);
    (void)thread;
    for (size_t e = 0; e < c->n; e++)
        b->values[e * c->options.n_resamples + item] = 0;
    for (size_t i = 0; i < c->n_compared; i++) {
        const bool *right = b->w->right + random_scaled(random_at(key, i), c->n_compared) * c->n;
        for (size_t e = 0; e < c->n; e++)
            b->values[e * c->options.n_resamples + item] += right[e] - right[c->reference];
    }
    for (size_t e = 0; e < c->n; e++)
        b->values[e * c->options.n_resamples + item] /= (double)c->n_compared;
}

static ken_status find_intervals(const work *w, ken_error *err) {
    comparison *c = w->c;
    size_t n_resamples = c->options.n_resamples;
    bootstrap b = {w, mem_alloc(c->n * n_resamples * sizeof *b.values)};
    if (!b.values)
        return error_no_memory(err, c->n * n_resamples * sizeof *b.values);
    pool_run(c->options.pool, resample, &b, n_resamples);
    for (size_t e = 0; e < c->n; e++)
        c->rows[e].interval = evaluation_interval_of(b.values + e * n_resamples, n_resamples);
    mem_free(b.values);
    return KEN_OK;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static ken_status run(work *w, ken_error *err) {
    comparison *c = w->c;
    c->n = w->n;
    c->rows = mem_zalloc(c->n, sizeof *c->rows);
    if (!c->rows)
        return error_no_memory(err, c->n * sizeof *c->rows);
    TRY(index_ids(w, err));
    TRY(choose_images(w, err));
    w->right = mem_zalloc(c->n_compared * c->n, sizeof *w->right);
    if (!w->right)
        return error_no_memory(err, c->n_compared * c->n);
    for (size_t e = 0; e < c->n; e++)
        TRY(evaluate(w, e, err));
    c->reference = choose_reference(c);
    TRY(test_rows(w, err));
    return find_intervals(w, err);
}

ken_status compare(const compare_entry *entries, size_t n, const labels *l,
                   const compare_options *options, comparison **out, ken_error *err) {
    *out = NULL;
    comparison *c = mem_zalloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err, sizeof *c);
    c->options = *options;
    work w = {.entries = entries, .n = n, .labels = l, .c = c};
    ken_status status = run(&w, err);
    text_index_reset(&w.ids);
    mem_free(w.rows);
    mem_free(w.compared);
    mem_free(w.right);
    if (status == KEN_OK)
        *out = c;
    else
        comparison_free(c);
    return status;
}

void comparison_free(comparison *c) {
    if (!c)
        return;
    for (size_t e = 0; c->rows && e < c->n; e++)
        evaluation_free(c->rows[e].evaluation);
    mem_free(c->rows);
    mem_free(c);
}

double compare_seconds_per_1000(const compare_row *row) {
    const compare_cost *cost = &row->entry->cost;
    double deciding = row->decide_seconds / (double)row->evaluation->n_labelled;
    double embedding = isnan(cost->embed_seconds) || cost->n_embedded == 0
                           ? 0
                           : cost->embed_seconds / (double)cost->n_embedded;
    return 1000 * (embedding + deciding);
}
