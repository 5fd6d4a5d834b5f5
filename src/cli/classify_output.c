#include "cli/classify_output.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cli/classify_view.h"
#include "cli/cli.h"
#include "cli/progress.h"

#include <string.h>
#include <strings.h>

static const size_t max_text_bytes = (size_t)8 << 30;

static const char *format_of_extension(const char *path) {
    static const struct {
        const char *extension, *format;
    } known[] = {{".csv", "csv"},   {".jsonl", "jsonl"},     {".ndjson", "jsonl"},
                 {".json", "json"}, {".parquet", "parquet"}, {".html", "html"},
                 {".htm", "html"},  {".txt", "table"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(file_extension(path), known[i].extension) == 0)
            return known[i].format;
    return NULL;
}

int classify_output_check(classify_output *o) {
    if (common.json && o->format && strcmp(o->format, "json") != 0)
        return cli_usage("'--json' and '--format %s' cannot both be given", o->format);
    if (!o->format && common.json)
        o->format = "json";
    if (!o->format && o->path) {
        o->format = format_of_extension(o->path);
        if (!o->format)
            return cli_usage("'%s' has no extension that names a format; give --format", o->path);
    }
    if (o->format && !o->path &&
        (strcmp(o->format, "parquet") == 0 || strcmp(o->format, "html") == 0))
        return cli_usage("'--format %s' needs a file: add -o FILE", o->format);
    if (o->format && strcmp(o->format, "html") == 0) {
        if (o->report_path)
            return cli_usage("the page is wanted twice, as '%s' and as '%s'", o->path,
                             o->report_path);
        o->report_path = o->path;
        o->path = o->format = NULL;
    }
    return 0;
}

static results_format text_format(const char *name) {
    if (strcmp(name, "csv") == 0)
        return RESULTS_CSV;
    if (strcmp(name, "jsonl") == 0)
        return RESULTS_JSONL;
    if (strcmp(name, "json") == 0)
        return RESULTS_JSON;
    return RESULTS_TABLE;
}

/* To a file, or to standard output when there is no path. */
static ken_status write_text(buf *text, const char *path, bool for_people, ken_error *err) {
    if (path)
        return file_write_atomic(path, text->data ? text->data : "", text->size, err);
    if (for_people)
        cli_print_lines(stdout, text);
    else
        fwrite(text->data, 1, text->size, stdout);
    return KEN_OK;
}

/* Do rows go to standard output, and nobody said how? */
static bool shows_rows(const classify_output *o) {
    return !o->path && !o->format && !o->report_path && !o->explain;
}

preview_way classify_output_preview(const classify_output *o, terminal *t) {
    terminal_look(t);
    return o->preview && t->is_terminal && shows_rows(o) ? preview_named(o->preview, t)
                                                         : PREVIEW_NONE;
}

static ken_status write_rows(const classify_output *o, const results *r, thumbnailer *t,
                             ken_error *err) {
    const char *format = o->format ? o->format : "table";
    classify_view view = {.thumbnailer = t};
    view.preview = classify_output_preview(o, &view.terminal);
    bool bars = r->classifier->options.mode == CLASSIFY_SOFTMAX;
    if (view.terminal.is_terminal && shows_rows(o) && (bars || view.preview != PREVIEW_NONE))
        return classify_view_print(&view, r, err);
    if (strcmp(format, "parquet") == 0)
        return results_write_parquet(r, o->path, err);
    buf text;
    buf_init(&text, max_text_bytes);
    results_format chosen = text_format(format);
    ken_status status = results_put(r, chosen, &text, err);
    if (status == KEN_OK)
        status = write_text(&text, o->path, chosen == RESULTS_TABLE, err);
    buf_free(&text);
    return status;
}

typedef struct picture_progress {
    progress_view view;
    double began;
} picture_progress;

static void show_pictures(void *context, size_t n_done, size_t n_total) {
    picture_progress *p = context;
    const embed_progress progress = {
        .n_done = n_done, .n_total = n_total, .seconds = sys_seconds() - p->began};
    progress_show(&p->view, &progress);
}

static ken_status write_report(const classify_output *o, const results *r, const labels *l,
                               const evaluation *e, thumbnailer *t, ken_error *err) {
    picture_progress progress = {.began = sys_seconds()};
    progress_begin(&progress.view, "pictures");
    const report_options options = {
        .evaluation = e,
        .labels = l,
        .thumbnailer = t,
        .max_thumbnails = (size_t)o->max_thumbnails,
        .progress = show_pictures,
        .progress_context = &progress,
    };
    buf page;
    buf_init(&page, max_text_bytes);
    ken_status status = report_put(r, &options, &page, err);
    progress_clear(&progress.view);
    if (status == KEN_OK)
        status = file_write_atomic(o->report_path, page.data, page.size, err);
    if (status == KEN_OK)
        cli_note("ken classify: the report is '%s'", o->report_path);
    buf_free(&page);
    return status;
}

/* The images that could not be read: beside the output, or a line each. */
static ken_status write_errors(const classify_output *o, const results *r, ken_error *err) {
    const samples *s = r->samples;
    if (s->collection || s->n_failures == 0)
        return KEN_OK;
    if (!o->path) {
        for (size_t i = 0; i < s->n_failures; i++)
            cli_note("ken classify: '%s' failed at %s: %s", s->failures[i].id, s->failures[i].stage,
                     s->failures[i].detail);
        return KEN_OK;
    }
    buf path, text;
    buf_init(&path, 8192);
    buf_init(&text, max_text_bytes);
    buf_printf(&path, "%.*s.errors.csv", (int)(strlen(o->path) - strlen(file_extension(o->path))),
               o->path);
    samples_put_errors(s, &text);
    ken_status status = buf_check(&path, err);
    if (status == KEN_OK)
        status = buf_check(&text, err);
    if (status == KEN_OK)
        status = file_write_atomic(path.data, text.data, text.size, err);
    if (status == KEN_OK)
        cli_note("ken classify: %zu images failed, see '%s'", s->n_failures, path.data);
    buf_free(&path);
    buf_free(&text);
    return status;
}

/* Images per category, for whoever does not see the rows. */
static ken_status put_counts(const results *r, buf *out, ken_error *err) {
    const rules *by = r->classifier->rules;
    size_t n = by->n_categories, longest = strlen(by->none_label);
    verdict *verdicts = mem_zalloc(n, sizeof *verdicts);
    size_t *counts = mem_zalloc(n + 1, sizeof *counts);
    if (!verdicts || !counts) {
        mem_free(verdicts);
        mem_free(counts);
        return error_no_memory(err, n * sizeof *verdicts);
    }
    for (size_t i = 0; i < r->samples->n; i++) {
        size_t n_matched = results_matches(r, i, verdicts);
        for (size_t k = 0; k < n_matched; k++)
            counts[verdicts[k].category]++;
        counts[n] += n_matched == 0;
    }
    for (size_t i = 0; i < n; i++)
        longest =
            strlen(by->categories[i].name) > longest ? strlen(by->categories[i].name) : longest;
    int width = longest > 40 ? 40 : (int)longest;
    for (size_t i = 0; i <= n; i++)
        buf_printf(out, "%-*.*s  %6zu\n", width, width,
                   i < n ? by->categories[i].name : by->none_label, counts[i]);
    buf_printf(out, "%zu images, %zu failed\n", r->samples->n, r->samples->n_failures);
    mem_free(verdicts);
    mem_free(counts);
    return buf_check(out, err);
}

/* What is said besides the rows: on standard output when the rows are not there. */
static ken_status write_summary(bool rows_on_stdout, const results *r, const evaluation *e,
                                ken_error *err) {
    buf text;
    buf_init(&text, max_text_bytes);
    ken_status status = KEN_OK;
    if (common.json && e && !rows_on_stdout)
        status = evaluation_put_json(e, &text, err);
    else if (!common.json && !common.quiet) {
        if (!rows_on_stdout)
            status = put_counts(r, &text, err);
        if (status == KEN_OK && e) {
            buf_puts(&text, "\n");
            status = evaluation_put_text(e, &text, err);
        }
    }
    if (status == KEN_OK && text.size)
        fwrite(text.data, 1, text.size, rows_on_stdout ? stderr : stdout);
    buf_free(&text);
    return status;
}

/* What is odd about the labels, a line each on standard error. */
static ken_status warn_of_labels(const evaluation *e, ken_error *err) {
    buf text;
    buf_init(&text, max_text_bytes);
    ken_status status = evaluation_put_warnings(e, &text, err);
    if (status == KEN_OK)
        cli_note_lines(&text);
    buf_free(&text);
    return status;
}

static ken_status write_clip_benchmark(const classify_output *o, const results *r,
                                       const evaluation *e, ken_error *err) {
    const char *name = file_name(o->dataset);
    buf dataset, text;
    buf_init(&dataset, 8192);
    buf_init(&text, max_text_bytes);
    buf_printf(&dataset, "%.*s", (int)(strlen(name) - strlen(file_extension(name))), name);
    ken_status status = buf_check(&dataset, err);
    if (status == KEN_OK)
        status = evaluation_put_clip_benchmark(e, dataset.data, &r->samples->meta, &text, err);
    if (status == KEN_OK)
        status = file_write_atomic(o->clip_benchmark_path, text.data, text.size, err);
    buf_free(&dataset);
    buf_free(&text);
    return status;
}

static ken_status write_explanation(const classify_output *o, const results *r, ken_error *err) {
    buf text;
    buf_init(&text, max_text_bytes);
    ken_status status = results_explain(r, o->explain, &text, err);
    if (status == KEN_OK)
        status = write_text(&text, NULL, true, err);
    buf_free(&text);
    return status;
}

ken_status classify_write(const classify_output *o, const results *r, const labels *l,
                          const evaluation *e, thumbnailer *t, ken_error *err) {
    bool explains = o->explain != NULL;
    bool rows = o->path || o->format || (!o->report_path && !explains);
    bool rows_on_stdout = rows && !o->path;
    if (explains)
        TRY(write_explanation(o, r, err));
    if (rows)
        TRY(write_rows(o, r, t, err));
    if (rows_on_stdout)
        fflush(stdout);
    TRY(write_errors(o, r, err));
    if (o->report_path)
        TRY(write_report(o, r, l, e, t, err));
    if (o->clip_benchmark_path)
        TRY(write_clip_benchmark(o, r, e, err));
    if (e)
        TRY(warn_of_labels(e, err));
    return write_summary(rows_on_stdout || explains, r, e, err);
}
