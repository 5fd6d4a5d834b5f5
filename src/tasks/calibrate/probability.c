#include "tasks/calibrate/probability.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { max_newton_steps = 100, max_halvings = 40 };

/* ---- Platt ------------------------------------------------------------------------------------
 */

double platt_at(const platt *p, double score) {
    return 1 / (1 + exp(-(p->slope * score + p->intercept)));
}

typedef struct targets {
    double positive, negative;
} targets;

/* -log likelihood; log(1 + exp) without overflow. */
static double loss_of(const platt *p, const labelled_score *items, size_t n, const targets *t) {
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        double z = p->slope * (double)items[i].score + p->intercept;
        double target = items[i].positive ? t->positive : t->negative;
        loss += fmax(z, 0) + log1p(exp(-fabs(z))) - target * z;
    }
    return loss;
}

/* Newton's step from `p`, with a little of the identity so that it always goes downhill. */
static platt newton_step(const platt *p, const labelled_score *items, size_t n, const targets *t) {
    double gradient_slope = 0, gradient_intercept = 0, h11 = 1e-12, h12 = 0, h22 = 1e-12;
    for (size_t i = 0; i < n; i++) {
        double x = items[i].score, q = platt_at(p, x);
        double d = q - (items[i].positive ? t->positive : t->negative), w = q * (1 - q);
        gradient_slope += d * x;
        gradient_intercept += d;
        h11 += w * x * x;
        h12 += w * x;
        h22 += w;
    }
    double determinant = h11 * h22 - h12 * h12;
    return (platt){-(h22 * gradient_slope - h12 * gradient_intercept) / determinant,
                   -(h11 * gradient_intercept - h12 * gradient_slope) / determinant};
}

platt platt_fit(const labelled_score *items, size_t n) {
    size_t n_positive = 0;
    for (size_t i = 0; i < n; i++)
        n_positive += items[i].positive;
    double plus = (double)n_positive, minus = (double)(n - n_positive);
    const targets t = {(plus + 1) / (plus + 2), 1 / (minus + 2)};
    platt p = {0, log((plus + 1) / (minus + 1))};
    double loss = loss_of(&p, items, n, &t);
    for (int step = 0; step < max_newton_steps; step++) {
        platt by = newton_step(&p, items, n, &t);
        double before = loss;
        for (int i = 0; i < max_halvings; i++) {
            platt next = {p.slope + by.slope, p.intercept + by.intercept};
            double next_loss = loss_of(&next, items, n, &t);
            if (next_loss < loss) {
                p = next;
                loss = next_loss;
                break;
            }
            by.slope /= 2;
            by.intercept /= 2;
        }
        if (before - loss < 1e-13 * (1 + loss))
            break;
    }
    return p;
}

/* ---- isotonic ---------------------------------------------------------------------------------
 */

/* Neighbouring scores that share one probability. */
typedef struct block {
    double first, last, sum, weight;
} block;

static double level(const block *b) {
    return b->sum / b->weight;
}

/* Appends blocks, and joins them while they fall; equal scores make one block. */
static size_t pool_blocks(const labelled_score *sorted, size_t n, block *blocks) {
    size_t n_blocks = 0;
    for (size_t i = 0; i < n;) {
        block *b = &blocks[n_blocks++];
        *b = (block){.first = sorted[i].score, .last = sorted[i].score};
        for (; i < n && (double)sorted[i].score == b->first; i++) {
            b->sum += sorted[i].positive;
            b->weight++;
        }
        for (; n_blocks > 1 && level(b - 1) >= level(b); b--, n_blocks--) {
            b[-1].last = b->last;
            b[-1].sum += b->sum;
            b[-1].weight += b->weight;
        }
    }
    return n_blocks;
}

ken_status isotonic_fit(const labelled_score *sorted, size_t n, isotonic *out, ken_error *err) {
    block *blocks = mem_zalloc(n, sizeof *blocks);
    *out = (isotonic){.scores = mem_zalloc(4 * n, sizeof *out->scores)};
    if (!blocks || !out->scores) {
        mem_free(blocks);
        isotonic_reset(out);
        return error_no_memory(err, n * sizeof *blocks);
    }
    out->probabilities = out->scores + 2 * n;
    size_t n_blocks = pool_blocks(sorted, n, blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        const double ends[] = {blocks[i].first, blocks[i].last};
        for (size_t j = 0; j < (ends[0] < ends[1] ? 2 : 1); j++) {
            out->scores[out->n] = ends[j];
            out->probabilities[out->n++] = level(&blocks[i]);
        }
    }
    mem_free(blocks);
    return KEN_OK;
}

double isotonic_at(const isotonic *r, double score) {
    size_t low = 0, high = r->n - 1;
    if (score <= r->scores[0])
        return r->probabilities[0];
    if (score >= r->scores[high])
        return r->probabilities[high];
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (r->scores[middle] <= score)
            low = middle;
        else
            high = middle;
    }
    double part = (score - r->scores[low]) / (r->scores[high] - r->scores[low]);
    return r->probabilities[low] + part * (r->probabilities[high] - r->probabilities[low]);
}

void isotonic_reset(isotonic *r) {
    mem_free(r->scores);
    *r = (isotonic){0};
}
