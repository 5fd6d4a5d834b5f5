/* tasks/classify/results.c: rows, and the text formats. Parquet is in results_parquet.c. */
#include "tasks/classify/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- similarities -----------------------------------------------------------------------------
 */

/* Samples beyond what fits are computed again when they are needed again. */
static const size_t max_window_bytes = (size_t)128 << 20;
enum { small_window = 1024 };

typedef struct results_window {
    size_t n_rows;       /* that it has room for */
    size_t first, n;     /* the samples that are there */
    float *similarities; /* [n_rows, n_sets] */
} results_window;

ken_status results_init(results *r, const classifier *c, const samples *s, ken_pool *pool,
                        ken_error *err) {
    *r = (results){.classifier = c, .samples = s, .pool = pool};
    size_t row_bytes = c->n_sets * sizeof(float);
    size_t n_rows =
        s->n <= max_window_bytes / row_bytes || s->n < small_window ? s->n : small_window;
    r->window = mem_zalloc(1, sizeof *r->window);
    float *rows = mem_alloc(n_rows * row_bytes);
    if (!r->window || !rows) {
        mem_free(rows);
        results_reset(r);
        return error_no_memory(err, n_rows * row_bytes);
    }
    *r->window = (results_window){.n_rows = n_rows, .similarities = rows};
    return KEN_OK;
}

void results_reset(results *r) {
    if (r->window)
        mem_free(r->window->similarities);
    MEM_FREE(r->window);
}

static const float *similarities_of(const results *r, size_t sample) {
    results_window *w = r->window;
    const classifier *c = r->classifier;
    if (sample < w->first || sample >= w->first + w->n) {
        size_t rest = r->samples->n - (sample - sample % w->n_rows);
        w->first = sample - sample % w->n_rows;
        w->n = rest < w->n_rows ? rest : w->n_rows;
        classifier_similarities(c, r->samples->embeddings + w->first * c->dim, w->n, r->pool,
                                w->similarities);
    }
    return w->similarities + (sample - w->first) * c->n_sets;
}

void results_decide(const results *r, size_t sample, verdict *out) {
    classifier_decide(r->classifier, similarities_of(r, sample), out);
}

size_t results_matches(const results *r, size_t sample, verdict *out) {
    return classifier_matches(r->classifier, similarities_of(r, sample), out);
}

size_t results_predicted(const results *r, const verdict *verdicts) {
    return verdicts[0].test == VERDICT_MATCHED ? verdicts[0].category
                                               : r->classifier->rules->n_categories;
}

const char *results_number(float value, char *out) {
    out[0] = '\0';
    if (isnan(value))
        return out;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, 32, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    return out;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static ken_status none_row(const results *r, const verdict *verdicts, result_row *row, buf *reason,
                           result_fn *fn, void *context, ken_error *err) {
    buf_clear(reason);
    classifier_none_reason(r->classifier, verdicts, reason);
    TRY(buf_check(reason, err));
    row->category = r->classifier->rules->none_label;
    row->reason = reason->data;
    return fn(context, row, err);
}

ken_status results_each_of(const results *r, size_t sample, verdict *verdicts, buf *reason,
                           result_fn *fn, void *context, ken_error *err) {
    const rules *by = r->classifier->rules;
    if (r->all)
        results_decide(r, sample, verdicts);
    else
        results_matches(r, sample, verdicts);
    result_row row = {
        .sample = sample, .id = r->samples->ids[sample], .path = r->samples->paths[sample]};
    if (verdicts[0].test != VERDICT_MATCHED)
        TRY(none_row(r, verdicts, &row, reason, fn, context, err));
    for (size_t i = 0; i < by->n_categories; i++) {
        const verdict *v = &verdicts[i];
        if ((v->test != VERDICT_MATCHED && !r->all) || (r->top_k && i >= r->top_k))
            break; /* matches come first */
        buf_clear(reason);
        classifier_reason(r->classifier, verdicts, v, reason);
        TRY(buf_check(reason, err));
        row.category = by->categories[v->category].name;
        row.reason = reason->data;
        row.verdict = v;
        row.threshold = r->classifier->options.mode == CLASSIFY_RULES
                            ? by->categories[v->category].threshold
                            : NAN;
        TRY(fn(context, &row, err));
    }
    return KEN_OK;
}

ken_status results_each(const results *r, result_fn *fn, void *context, ken_error *err) {
    size_t n = r->classifier->rules->n_categories;
    verdict *verdicts = mem_zalloc(n, sizeof *verdicts);
    if (!verdicts)
        return error_no_memory(err, n * sizeof *verdicts);
    buf reason;
    buf_init(&reason, RULES_MAX_BYTES + 4096);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < r->samples->n && status == KEN_OK; i++)
        status = results_each_of(r, i, verdicts, &reason, fn, context, err);
    buf_free(&reason);
    mem_free(verdicts);
    return status;
}

/* ---- text formats -----------------------------------------------------------------------------
 */

typedef struct text_writer {
    buf *out;
    size_t n_rows;
    size_t id_width, category_width; /* RESULTS_TABLE */
} text_writer;

/* A row's numbers as text, in the order of the columns. */
enum { n_numbers = 5 };
static const char *const number_names[n_numbers] = {"score", "pos_sim", "neg_sim", "neutral_sim",
                                                    "threshold"};

static void row_numbers(const result_row *row, char text[n_numbers][32]) {
    const verdict *v = row->verdict;
    float values[n_numbers] = {NAN, NAN, NAN, NAN, NAN};
    if (v)
        memcpy(values, (float[]){v->score, v->pos_sim, v->neg_sim, v->neutral_sim, row->threshold},
               sizeof values);
    for (int i = 0; i < n_numbers; i++)
        results_number(values[i], text[i]);
}

static ken_status put_csv_row(void *context, const result_row *row, ken_error *err) {
    buf *out = ((text_writer *)context)->out;
    char numbers[n_numbers][32];
    row_numbers(row, numbers);
    buf_put_csv(out, row->id, strlen(row->id));
    buf_putc(out, ',');
    buf_put_csv(out, row->path, strlen(row->path));
    buf_putc(out, ',');
    buf_put_csv(out, row->category, strlen(row->category));
    for (int i = 0; i < n_numbers; i++)
        buf_printf(out, ",%s", numbers[i]);
    buf_printf(out, ",%u,", row->verdict ? row->verdict->rank : 0);
    buf_put_csv(out, row->reason, strlen(row->reason));
    buf_putc(out, '\n');
    return buf_check(out, err);
}

static void put_member(buf *out, const char *key, const char *text) {
    buf_printf(out, "\"%s\":", key);
    buf_put_json(out, text, strlen(text));
    buf_putc(out, ',');
}

static void put_object(buf *out, const result_row *row, const char *category_key) {
    char numbers[n_numbers][32];
    row_numbers(row, numbers);
    buf_putc(out, '{');
    put_member(out, "id", row->id);
    put_member(out, "path", row->path);
    put_member(out, category_key, row->category);
    for (int i = 0; i < n_numbers; i++)
        buf_printf(out, "\"%s\":%s,", number_names[i], *numbers[i] ? numbers[i] : "null");
    buf_printf(out, "\"rank\":%u,\"reason\":", row->verdict ? row->verdict->rank : 0);
    buf_put_json(out, row->reason, strlen(row->reason));
    buf_putc(out, '}');
}

static ken_status put_jsonl_row(void *context, const result_row *row, ken_error *err) {
    buf *out = ((text_writer *)context)->out;
    put_object(out, row, "category");
    buf_putc(out, '\n');
    return buf_check(out, err);
}

static ken_status put_json_row(void *context, const result_row *row, ken_error *err) {
    text_writer *w = context;
    buf_puts(w->out, w->n_rows++ ? ",\n " : "\n ");
    put_object(w->out, row, "label");
    return buf_check(w->out, err);
}

/* Columns that `text` takes on a terminal, near enough: its code points. */
static size_t text_width(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static ken_status measure_row(void *context, const result_row *row, ken_error *err) {
    text_writer *w = context;
    (void)err;
    size_t id = text_width(row->id), category = text_width(row->category);
    w->id_width = id > w->id_width ? id : w->id_width;
    w->category_width = category > w->category_width ? category : w->category_width;
    return KEN_OK;
}

static void put_padded(buf *out, const char *text, size_t width) {
    buf_puts(out, text);
    for (size_t n = text_width(text); n < width; n++)
        buf_putc(out, ' ');
    buf_puts(out, "  ");
}

static ken_status put_table_row(void *context, const result_row *row, ken_error *err) {
    text_writer *w = context;
    put_padded(w->out, row->id, w->id_width);
    put_padded(w->out, row->category, w->category_width);
    if (row->verdict)
        buf_printf(w->out, "%7.4f  %s\n", (double)row->verdict->score, row->reason);
    else
        buf_printf(w->out, "      -  %s\n", row->reason);
    return buf_check(w->out, err);
}

static ken_status put_table(const results *r, text_writer *w, ken_error *err) {
    w->id_width = strlen("id");
    w->category_width = strlen("category");
    TRY(results_each(r, measure_row, w, err));
    put_padded(w->out, "id", w->id_width);
    put_padded(w->out, "category", w->category_width);
    buf_puts(w->out, "  score  reason\n");
    return results_each(r, put_table_row, w, err);
}

ken_status results_put(const results *r, results_format format, buf *out, ken_error *err) {
    text_writer w = {.out = out};
    switch (format) {
    case RESULTS_TABLE:
        TRY(put_table(r, &w, err));
        break;
    case RESULTS_CSV:
        buf_puts(out, "id,path,category,score,pos_sim,neg_sim,neutral_sim,threshold,rank,reason\n");
        TRY(results_each(r, put_csv_row, &w, err));
        break;
    case RESULTS_JSONL:
        TRY(results_each(r, put_jsonl_row, &w, err));
        break;
    case RESULTS_JSON:
        buf_putc(out, '[');
        TRY(results_each(r, put_json_row, &w, err));
        buf_puts(out, "\n]\n");
        break;
    }
    return buf_check(out, err);
}
