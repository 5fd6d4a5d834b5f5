#include "tasks/report/report_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_order(const void *a, const void *b) {
    const placement *x = a, *y = b;
    if (x->order != y->order)
        return x->order > y->order ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* Adds a sample's placements to the groups, or with NULL placements only counts them in `next`. */
static void place(const report_plan *p, const results *r, size_t sample, const verdict *verdicts,
                  size_t *next) {
    size_t none = p->n_groups - 1;
    if (verdicts[0].test != VERDICT_MATCHED) {
        float lacks;
        const verdict *closest = classifier_closest(r->classifier, verdicts, &lacks);
        size_t at = next[none]++;
        if (p->placements)
            p->placements[at] =
                (placement){(uint32_t)sample, closest->category, closest->score, -lacks};
        return;
    }
    for (size_t i = 0; i < none && verdicts[i].test == VERDICT_MATCHED; i++) {
        const verdict *v = &verdicts[i];
        size_t at = next[v->category]++;
        if (p->placements)
            p->placements[at] = (placement){(uint32_t)sample, v->category, v->score, v->score};
    }
}

static void put_numbers(report_plan *p, const classifier *c, const verdict *v, size_t n,
                        size_t sample) {
    size_t at = v->category * n + sample;
    p->scores[at] = v->score;
    if (!p->leads)
        return;
    if (c->neutral_set[v->category] == SIZE_MAX) {
        p->leads[at] = INFINITY;
        return;
    }
    /* Rounded as the test rounds it. */
    float needed = v->neutral_sim + c->rules->categories[v->category].neutral_margin;
    p->leads[at] = (float)((double)v->pos_sim - (double)needed);
}

static void count_and_score(report_plan *p, const results *r, verdict *verdicts, size_t *counts) {
    size_t n = r->samples->n;
    for (size_t i = 0; i < n; i++) {
        results_decide(r, i, verdicts);
        for (size_t k = 0; k + 1 < p->n_groups; k++)
            put_numbers(p, r->classifier, &verdicts[k], n, i);
        place(p, r, i, verdicts, counts);
    }
}

static ken_status fill_groups(report_plan *p, const results *r, verdict *verdicts, size_t *next,
                              ken_error *err) {
    count_and_score(p, r, verdicts, next);
    for (size_t g = 0; g < p->n_groups; g++)
        p->first[g + 1] = p->first[g] + next[g];
    p->placements = mem_zalloc(p->first[p->n_groups], sizeof *p->placements);
    if (!p->placements)
        return error_no_memory(err, p->first[p->n_groups] * sizeof *p->placements);
    memcpy(next, p->first, p->n_groups * sizeof *next);
    for (size_t i = 0; i < r->samples->n; i++) {
        results_decide(r, i, verdicts);
        place(p, r, i, verdicts, next);
    }
    for (size_t g = 0; g < p->n_groups; g++)
        qsort(p->placements + p->first[g], p->first[g + 1] - p->first[g], sizeof *p->placements,
              by_order);
    return KEN_OK;
}

/* The same number of cards for every group, as many as fit; small groups leave room to large ones.
 */
static void share_cards(report_plan *p, size_t max_cards) {
    size_t low = 0, high = p->first[p->n_groups];
    while (low < high) {
        size_t quota = (low + high + 1) / 2, total = 0;
        for (size_t g = 0; g < p->n_groups; g++) {
            size_t n = p->first[g + 1] - p->first[g];
            total += n < quota ? n : quota;
        }
        if (total <= max_cards)
            low = quota;
        else
            high = quota - 1;
    }
    for (size_t g = 0; g < p->n_groups; g++) {
        size_t n = p->first[g + 1] - p->first[g];
        p->shown[g] = n < low ? n : low;
    }
}

static ken_status list_images(report_plan *p, size_t n_samples, ken_error *err) {
    size_t n = 0;
    for (size_t g = 0; g < p->n_groups; g++)
        n += p->shown[g];
    p->images = mem_zalloc(n, sizeof *p->images);
    p->is_still = mem_zalloc(n, sizeof *p->is_still);
    if (!p->images || !p->is_still)
        return error_no_memory(err, n * sizeof *p->images);
    memset(p->image_of, 0xff, n_samples * sizeof *p->image_of);
    for (size_t g = 0; g < p->n_groups; g++) {
        for (size_t i = 0; i < p->shown[g]; i++) {
            uint32_t sample = p->placements[p->first[g] + i].sample;
            if (p->image_of[sample] == UINT32_MAX) {
                p->image_of[sample] = (uint32_t)p->n_images;
                p->images[p->n_images++] = sample;
            }
            p->is_still[p->image_of[sample]] |= i < REPORT_STILLS;
        }
    }
    return KEN_OK;
}

ken_status report_plan_init(report_plan *p, const results *r, size_t max_cards, ken_error *err) {
    size_t n_categories = r->classifier->rules->n_categories, n = r->samples->n;
    *p = (report_plan){.n_groups = n_categories + 1};
    p->first = mem_zalloc(p->n_groups + 1, sizeof *p->first);
    p->shown = mem_zalloc(p->n_groups, sizeof *p->shown);
    p->scores = mem_zalloc(n_categories * n, sizeof *p->scores);
    p->image_of = mem_zalloc(n, sizeof *p->image_of);
    verdict *verdicts = mem_zalloc(n_categories, sizeof *verdicts);
    size_t *next = mem_zalloc(p->n_groups, sizeof *next);
    bool is_neutral =
        r->classifier->options.mode == CLASSIFY_RULES && r->classifier->rules->n_neutral > 0;
    p->whole = n <= REPORT_MAX_NUMBERS / n_categories / (is_neutral ? 2 : 1);
    if (is_neutral && p->whole)
        p->leads = mem_zalloc(n_categories * n, sizeof *p->leads);
    bool ok = p->first && p->shown && p->scores && p->image_of && verdicts && next &&
              (p->leads || !is_neutral || !p->whole);
    ken_status status = ok ? fill_groups(p, r, verdicts, next, err)
                           : error_no_memory(err, n_categories * n * sizeof *p->scores);
    if (status == KEN_OK) {
        share_cards(p, max_cards);
        status = list_images(p, n, err);
    }
    mem_free(verdicts);
    mem_free(next);
    if (status != KEN_OK)
        report_plan_reset(p);
    return status;
}

void report_plan_reset(report_plan *p) {
    MEM_FREE(p->placements);
    MEM_FREE(p->first);
    MEM_FREE(p->shown);
    MEM_FREE(p->scores);
    MEM_FREE(p->leads);
    MEM_FREE(p->images);
    MEM_FREE(p->is_still);
    MEM_FREE(p->image_of);
}
