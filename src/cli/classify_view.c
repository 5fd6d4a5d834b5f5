#include "cli/classify_view.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { max_name = 28, max_bar = 40, most_bars = 10, eighths = 8, max_line_bytes = 1 << 24 };

/* ---- bars -------------------------------------------------------------------------------------
 */

static void put_bar(const terminal *t, double share, int columns, buf *out) {
    static const char *const partial[eighths] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(share * columns * eighths + 0.5), used = filled / eighths;
    for (int i = 0; i < used; i++)
        buf_puts(out, t->utf8 ? "█" : "#");
    if (t->utf8 && filled % eighths) {
        buf_puts(out, partial[filled % eighths]);
        used++;
    }
    for (; used < columns; used++)
        buf_putc(out, ' ');
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* The longest name's columns, as far as there is room for it. */
static int name_columns(const terminal *t, const results *r) {
    const rules *by = r->classifier->rules;
    int longest = 0, most = least(max_name, t->columns / 3);
    buf scratch;
    buf_init(&scratch, max_line_bytes);
    for (size_t i = 0; i < by->n_categories && longest < most; i++) {
        buf_clear(&scratch);
        int n = terminal_put(t, by->categories[i].name, most, &scratch);
        longest = n > longest ? n : longest;
    }
    buf_free(&scratch);
    return longest;
}

static size_t n_shown(const results *r) {
    size_t n = r->top_k ? r->top_k : most_bars, all = r->classifier->rules->n_categories;
    return n < all ? n : all;
}

/* A probability a line, the highest first. */
static void put_bars(const classify_view *v, const results *r, const verdict *verdicts, int names,
                     buf *out) {
    const terminal *t = &v->terminal;
    const rules *by = r->classifier->rules;
    size_t n = n_shown(r);
    int columns = least(max_bar, t->columns - names - 12);
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 && t->colour;
        buf_puts(out, first ? "  \033[1m" : "  ");
        int used = terminal_put(t, by->categories[verdicts[i].category].name, names, out);
        buf_printf(out, "%*s  ", names - used, "");
        if (columns > 0)
            put_bar(t, (double)verdicts[i].score, columns, out);
        buf_printf(out, " %5.1f%%%s\n", 100 * (double)verdicts[i].score, first ? "\033[0m" : "");
    }
    if (n < by->n_categories)
        buf_printf(out, "  and %zu more\n", by->n_categories - n);
}

/* ---- rows -------------------------------------------------------------------------------------
 */

typedef struct row_view {
    const terminal *terminal;
    buf *out;
} row_view;

static ken_status put_row(void *context, const result_row *row, ken_error *err) {
    const row_view *to = context;
    int columns = to->terminal->columns - 2;
    buf line;
    buf_init(&line, max_line_bytes);
    buf_printf(&line, "%s: %s", row->category, row->reason);
    ken_status status = buf_check(&line, err);
    if (status == KEN_OK) {
        buf_puts(to->out, "  ");
        terminal_put(to->terminal, line.data, columns, to->out);
        buf_putc(to->out, '\n');
    }
    buf_free(&line);
    return status;
}

static ken_status put_rows(const classify_view *v, const results *r, size_t sample,
                           verdict *verdicts, buf *out, ken_error *err) {
    row_view to = {&v->terminal, out};
    buf reason;
    buf_init(&reason, RULES_MAX_BYTES + 4096);
    ken_status status = results_each_of(r, sample, verdicts, &reason, put_row, &to, err);
    buf_free(&reason);
    return status;
}

/* ---- an image ---------------------------------------------------------------------------------
 */

static ken_status put_picture(const classify_view *v, const results *r, size_t sample, buf *out,
                              ken_error *err) {
    const terminal *t = &v->terminal;
    thumbnail small = {0};
    const thumbnail_request request = {
        .paths = &r->samples->paths[sample],
        .n = 1,
        .longest_side = preview_side(v->preview, t),
        .pixels = true,
    };
    if (v->thumbnailer)
        TRY(thumbnails_make(v->thumbnailer, &request, &small, err));
    ken_status status = KEN_OK;
    if (small.bytes && v->preview != PREVIEW_BOX) {
        const preview_picture picture = {small.bytes, small.width, small.height};
        status = preview_put(v->preview, &picture, out, err);
    } else {
        char about[64] = "no picture";
        if (small.bytes)
            snprintf(about, sizeof about, "%d x %d pixels", small.full_width, small.full_height);
        preview_put_box(t, r->samples->ids[sample], about, out);
    }
    mem_free(small.bytes);
    return status;
}

static ken_status put_image(const classify_view *v, const results *r, size_t sample, int names,
                            verdict *verdicts, buf *out, ken_error *err) {
    const terminal *t = &v->terminal;
    if (v->preview != PREVIEW_NONE)
        TRY(put_picture(v, r, sample, out, err));
    terminal_put(t, r->samples->ids[sample], t->columns, out);
    buf_putc(out, '\n');
    if (r->classifier->options.mode != CLASSIFY_SOFTMAX)
        return put_rows(v, r, sample, verdicts, out, err);
    results_decide(r, sample, verdicts);
    put_bars(v, r, verdicts, names, out);
    return buf_check(out, err);
}

ken_status classify_view_print(const classify_view *v, const results *r, ken_error *err) {
    size_t n_categories = r->classifier->rules->n_categories;
    verdict *verdicts = mem_zalloc(n_categories, sizeof *verdicts);
    if (!verdicts)
        return error_no_memory(err, n_categories * sizeof *verdicts);
    int names = name_columns(&v->terminal, r);
    ken_status status = KEN_OK;
    for (size_t i = 0; i < r->samples->n && status == KEN_OK; i++) {
        buf out;
        buf_init(&out, max_line_bytes);
        if (i)
            buf_putc(&out, '\n');
        status = put_image(v, r, i, names, verdicts, &out, err);
        if (status == KEN_OK)
            fwrite(out.data, 1, out.size, stdout);
        buf_free(&out);
    }
    mem_free(verdicts);
    return status;
}
