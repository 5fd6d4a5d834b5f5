/* tasks/report/report_tables.c: the report's tables: accuracy, failures, provenance. */
#include "tasks/report/report_page.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

enum { max_error_rows = 1000, max_matrix = 40, n_heats = 9 };
static const size_t max_part_bytes = (size_t)64 << 20;

/* ---- accuracy ---------------------------------------------------------------------------------
 */

static ken_status put_class_rows(const evaluation *e, buf *out, ken_error *err) {
    for (size_t i = 0; i < e->n_classes; i++) {
        const evaluation_class *c = &e->classes[i];
        if (c->n_labelled == 0 && c->n_predicted == 0)
            continue;
        TRY(PUT(out, err, "evaluation-row", slot_count("class", i), slot_text("name", c->name),
                slot_grouped("labelled", c->n_labelled), slot_grouped("answered", c->n_predicted),
                slot_percent("precision", c->precision), slot_percent("recall", c->recall),
                slot_percent("f1", c->f1), slot_percent("ap", c->average_precision)));
    }
    return KEN_OK;
}

static ken_status put_cells(const evaluation *e, size_t row, buf *out, ken_error *err) {
    const size_t *counts = e->confusion + row * e->n_answers;
    for (size_t j = 0; j < e->n_answers; j++) {
        /* Any count above zero is seen: heat 1 to n_heats by its share of the row. */
        size_t heat = counts[j] ? 1 + (n_heats - 1) * counts[j] / e->classes[row].n_labelled : 0;
        size_t answer = row < e->n_answers ? row : e->n_answers - 1;
        TRY(PUT(out, err, "confusion-cell", slot_count("heat", heat),
                slot_text("right", j == answer ? " right" : ""), slot_grouped("count", counts[j])));
    }
    return KEN_OK;
}

static ken_status put_matrix_rows(const evaluation *e, buf *out, ken_error *err) {
    buf cells;
    buf_init(&cells, max_part_bytes);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < e->n_classes && status == KEN_OK; i++) {
        if (e->classes[i].n_labelled == 0)
            continue;
        buf_clear(&cells);
        status = put_cells(e, i, &cells, err);
        if (status == KEN_OK)
            status = PUT(out, err, "confusion-row", slot_count("class", i),
                         slot_text("name", e->classes[i].name), slot_buf("cells", &cells));
    }
    buf_free(&cells);
    return status;
}

/* A matrix of hundreds of columns helps nobody: it is left out. */
static ken_status put_confusion(const evaluation *e, buf *out, ken_error *err) {
    if (!e->confusion || e->n_answers > max_matrix || e->n_classes > 2 * max_matrix)
        return KEN_OK;
    buf columns, rows;
    buf_init(&columns, max_part_bytes);
    buf_init(&rows, max_part_bytes);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < e->n_answers && status == KEN_OK; i++)
        status = PUT(&columns, err, "confusion-column", slot_text("name", e->classes[i].name));
    if (status == KEN_OK)
        status = put_matrix_rows(e, &rows, err);
    if (status == KEN_OK)
        status = PUT(out, err, "confusion", slot_buf("columns", &columns), slot_buf("rows", &rows));
    buf_free(&columns);
    buf_free(&rows);
    return status;
}

ken_status report_put_evaluation(report_page *p, ken_error *err) {
    const evaluation *e = p->options->evaluation;
    if (!e)
        return KEN_OK;
    buf rows, confusion;
    buf_init(&rows, max_part_bytes);
    buf_init(&confusion, max_part_bytes);
    ken_status status = put_class_rows(e, &rows, err);
    if (status == KEN_OK)
        status = put_confusion(e, &confusion, err);
    if (status == KEN_OK)
        status =
            PUT(p->out, err, "evaluation", slot_percent("accuracy", e->figures[FIGURE_ACCURACY]),
                slot_percent("macro_f1", e->figures[FIGURE_MACRO_F1]),
                slot_percent("map", e->figures[FIGURE_MEAN_AVERAGE_PRECISION]),
                slot_buf("rows", &rows), slot_buf("confusion", &confusion));
    buf_free(&rows);
    buf_free(&confusion);
    return status;
}

/* ---- failures ---------------------------------------------------------------------------------
 */

ken_status report_put_errors(report_page *p, ken_error *err) {
    const samples *s = p->results->samples;
    if (s->n_failures == 0)
        return KEN_OK;
    size_t n = s->n_failures < max_error_rows ? s->n_failures : max_error_rows;
    buf rows;
    buf_init(&rows, max_part_bytes);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        const sample_failure *f = &s->failures[i];
        status = PUT(&rows, err, "error-row", slot_text("id", f->id), slot_text("stage", f->stage),
                     slot_text("reason", f->reason), slot_text("detail", f->detail));
    }
    if (status == KEN_OK && s->n_failures > n)
        status = PUT(&rows, err, "errors-left-out", slot_grouped("count", s->n_failures - n));
    if (status == KEN_OK)
        status = PUT(p->out, err, "errors", slot_grouped("count", s->n_failures),
                     slot_buf("rows", &rows));
    buf_free(&rows);
    return status;
}

/* ---- provenance -------------------------------------------------------------------------------
 */

static ken_status put_fact(buf *out, const char *name, const char *value, ken_error *err) {
    if (!value || !*value)
        return KEN_OK;
    return PUT(out, err, "provenance-row", slot_text("name", name), slot_text("value", value));
}

static ken_status put_facts(const report_page *p, buf *out, ken_error *err) {
    const results *r = p->results;
    const collection_meta *m = &r->samples->meta;
    TRY(put_fact(out, "Rules", r->classifier->rules->where, err));
    TRY(put_fact(out, "Decided by", classify_mode_name(r->classifier->options.mode), err));
    TRY(put_fact(out, "Model", m->model_id, err));
    TRY(put_fact(out, "Revision", m->model_revision, err));
    TRY(put_fact(out, "Weights SHA-256", m->weights_sha256, err));
    TRY(put_fact(out, "Preprocessing", m->preprocess, err));
    TRY(put_fact(out, "Its SHA-256", m->preprocess_sha256, err));
    TRY(put_fact(out, "Precision", m->precision, err));
    TRY(put_fact(out, "Embedded by", m->program_version, err));
    return put_fact(out, "Reported by", ken_version(), err);
}

ken_status report_put_provenance(report_page *p, ken_error *err) {
    const char *source = p->results->classifier->rules->all_text;
    buf facts, rules_text;
    buf_init(&facts, max_part_bytes);
    buf_init(&rules_text, max_part_bytes);
    ken_status status = put_facts(p, &facts, err);
    if (status == KEN_OK && source)
        status = PUT(&rules_text, err, "rules", slot_text("source", source));
    if (status == KEN_OK)
        status = PUT(p->out, err, "provenance", slot_buf("rows", &facts),
                     slot_buf("rules", &rules_text));
    buf_free(&facts);
    buf_free(&rules_text);
    return status;
}
