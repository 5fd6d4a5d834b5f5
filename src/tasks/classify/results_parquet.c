/* tasks/classify/results_parquet.c: the rows as a Parquet file, with where they come from. */
#include "formats/table.h"
#include "tasks/classify/results.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { n_columns = 10 };

static table_value text_value(const char *text) {
    return (table_value){.bytes = text, .size = strlen(text)};
}

static table_value number_value(float value) {
    if (isnan(value))
        return (table_value){.is_null = true};
    return (table_value){.number = (double)value};
}

static ken_status add_row(void *context, const result_row *row, ken_error *err) {
    const verdict *v = row->verdict;
    table_value values[n_columns] = {
        text_value(row->id),
        text_value(row->path),
        text_value(row->category),
        number_value(v ? v->score : NAN),
        number_value(v ? v->pos_sim : NAN),
        number_value(v ? v->neg_sim : NAN),
        number_value(v ? v->neutral_sim : NAN),
        number_value(v ? row->threshold : NAN),
        {.integer = v ? v->rank : 0},
        text_value(row->reason),
    };
    return table_writer_add(context, values, err);
}

static ken_status finish(table_writer *w, const char *path, ken_error *err) {
    char tmp[PATH_MAX];
    if (snprintf(tmp, sizeof tmp, "%s.tmp-%ld", path, (long)getpid()) >= (int)sizeof tmp)
        return error_set(err, KEN_CANNOT_CREATE,
                         "could not create '%.64s...': the name is too long", path);
    ken_status status = table_writer_finish(w, tmp, err);
    if (status == KEN_OK && rename(tmp, path) != 0)
        status = error_errno(err, errno, "could not rename '%s' to '%s'", tmp, path);
    if (status != KEN_OK)
        unlink(tmp);
    return status;
}

ken_status results_write_parquet(const results *r, const char *path, ken_error *err) {
    static const table_column columns[n_columns] = {
        {"id", TABLE_TEXT, 0},           {"path", TABLE_TEXT, 0},       {"category", TABLE_TEXT, 0},
        {"score", TABLE_FLOAT, 0},       {"pos_sim", TABLE_FLOAT, 0},   {"neg_sim", TABLE_FLOAT, 0},
        {"neutral_sim", TABLE_FLOAT, 0}, {"threshold", TABLE_FLOAT, 0}, {"rank", TABLE_INT32, 0},
        {"reason", TABLE_TEXT, 0},
    };
    const collection_meta *m = &r->samples->meta;
    const table_metadata metadata[] = {
        {"ken.program_version", ken_version()},
        {"ken.kind", "classification"},
        {"ken.mode", classify_mode_name(r->classifier->options.mode)},
        {"ken.rules", r->classifier->rules->all_text ? r->classifier->rules->all_text : ""},
        {"ken.model_id", m->model_id ? m->model_id : ""},
        {"ken.model_revision", m->model_revision ? m->model_revision : ""},
        {"ken.weights_sha256", m->weights_sha256 ? m->weights_sha256 : ""},
        {"ken.preprocess_sha256", m->preprocess_sha256 ? m->preprocess_sha256 : ""},
        {"ken.precision", m->precision ? m->precision : ""},
    };
    table_writer *w;
    TRY(table_writer_new(columns, n_columns, metadata, sizeof metadata / sizeof *metadata, &w,
                         err));
    ken_status status = results_each(r, add_row, w, err);
    if (status == KEN_OK)
        status = finish(w, path, err);
    table_writer_free(w);
    return status;
}
