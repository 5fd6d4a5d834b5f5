#include "cli/embed_output.h"

#include "base/buf.h"
#include "base/sys.h"
#include "cli/cli.h"

#include <string.h>

static double rate(const embed_outcome *o) {
    const embed_report *r = &o->report;
    return r->seconds > 0 ? (double)r->stats.n_done / r->seconds : 0;
}

/* ---- where the time went --------------------------------------------------------------------- */

/* CPU seconds of all stages; of those that are this process's in *own. */
static double add_stages(const pipeline_stats *s, double *own) {
    double all = 0;
    *own = 0;
    for (int i = 0; i < PIPELINE_STAGES; i++) {
        bool elsewhere = i == STAGE_DECODE || i == STAGE_RESIZE;
        all += s->stages[i].cpu_seconds;
        *own += elsewhere ? 0 : s->stages[i].cpu_seconds;
    }
    return all;
}

/* What no stage counts: the start, lists, hand-overs between threads. */
static double other_cpu_seconds(const pipeline_stats *s) {
    double own;
    add_stages(s, &own);
    double other = sys_process_cpu_seconds() - own;
    return other > 0 ? other : 0;
}

static void say_line(const char *name, double cpu_seconds, double all) {
    cli_note("ken embed:   %-8s %9.2f s %5.1f %%", name, cpu_seconds,
             all > 0 ? 100 * cpu_seconds / all : 0);
}

static void say_stages(const embed_outcome *o) {
    const embed_report *r = &o->report;
    double own, other = other_cpu_seconds(&r->stats), all = add_stages(&r->stats, &own) + other;
    cli_note("ken embed: %.2f s to list the inputs, %.2f s to load the model, %.2f s of work",
             o->list_seconds, o->load_seconds, r->seconds);
    cli_note("ken embed: peak memory %.0f MiB, beside the decoders'",
             (double)sys_peak_rss() / (1 << 20));
    cli_note("ken embed: CPU time of all threads and processes, %.2f s:", all);
    for (int i = 0; i < PIPELINE_STAGES; i++)
        say_line(pipeline_stage_name((pipeline_stage)i), r->stats.stages[i].cpu_seconds, all);
    say_line("other", other, all);
}

static void put_stages(buf *out, const pipeline_stats *s) {
    buf_puts(out, ",\"stages\":{");
    for (int i = 0; i < PIPELINE_STAGES; i++)
        buf_printf(out, "\"%s\":{\"cpu_seconds\":%.6f,\"seconds\":%.6f},",
                   pipeline_stage_name((pipeline_stage)i), s->stages[i].cpu_seconds,
                   s->stages[i].seconds);
    buf_printf(out, "\"other\":{\"cpu_seconds\":%.6f}}", other_cpu_seconds(s));
}

/* ---- the result ------------------------------------------------------------------------------ */

static void put_counts(buf *out, const embed_outcome *o) {
    const embed_report *r = &o->report;
    buf_printf(out, ",\"kind\":\"%s\"", o->noun[0] == 't' ? "text" : "image");
    buf_printf(out, ",\"n_rows\":%llu,\"n_failed\":%llu,\"n_resumed\":%llu,\"n_damaged\":%llu",
               (unsigned long long)r->n_rows, (unsigned long long)r->n_failed,
               (unsigned long long)r->n_resumed, (unsigned long long)r->n_damaged);
    if (o->update)
        buf_printf(out, ",\"n_reused\":%llu,\"n_removed\":%llu", (unsigned long long)r->n_reused,
                   (unsigned long long)r->n_removed);
    buf_printf(out, ",\"was_complete\":%s", r->was_complete ? "true" : "false");
}

void embed_print_json(const embed_outcome *o) {
    const embed_report *r = &o->report;
    buf line;
    buf_init(&line, 65536);
    buf_puts(&line, "{\"output\":");
    buf_put_json(&line, o->output, strlen(o->output));
    put_counts(&line, o);
    buf_printf(&line, ",\"seconds\":%.3f,\"list_seconds\":%.3f,\"load_seconds\":%.3f", r->seconds,
               o->list_seconds, o->load_seconds);
    buf_printf(&line, ",\"n_done\":%llu,\"items_per_second\":%.3f",
               (unsigned long long)r->stats.n_done, rate(o));
    put_stages(&line, &r->stats);
    buf_printf(&line, ",\"peak_memory_bytes\":%llu,\"expected_memory_bytes\":%llu",
               (unsigned long long)sys_peak_rss(),
               (unsigned long long)embed_memory_total(&r->memory));
    buf_puts(&line, ",\"errors\":");
    if (r->errors_path[0])
        buf_put_json(&line, r->errors_path, strlen(r->errors_path));
    else
        buf_puts(&line, "null");
    buf_puts(&line, "}");
    if (line.data)
        puts(line.data);
    buf_free(&line);
}

void embed_say(const embed_outcome *o) {
    const embed_report *r = &o->report;
    if (r->was_complete)
        cli_note("ken embed: '%s' is complete: %llu %s; --restart makes it anew", o->output,
                 (unsigned long long)r->n_rows, o->noun);
    else
        cli_note("ken embed: %llu %s in '%s' (%.1f s, %.1f/s)", (unsigned long long)r->n_rows,
                 o->noun, o->output, r->seconds, rate(o));
    if (r->n_resumed && !r->was_complete)
        cli_note("ken embed: %llu items were done before", (unsigned long long)r->n_resumed);
    if (r->n_damaged_parts)
        cli_note("ken embed: %llu parts of the earlier run were damaged and made again",
                 (unsigned long long)r->n_damaged_parts);
    if (o->update && !r->was_complete)
        cli_note("ken embed: %llu unchanged, %llu removed", (unsigned long long)r->n_reused,
                 (unsigned long long)r->n_removed);
    if (r->n_damaged)
        cli_note("ken embed: %llu images are damaged but could be decoded%s",
                 (unsigned long long)r->n_damaged, common.verbose ? "" : "; -v names them");
    if (r->n_failed)
        cli_note("ken embed: %llu items failed, see '%s'", (unsigned long long)r->n_failed,
                 r->errors_path);
    if (common.verbose && !r->was_complete)
        say_stages(o);
}
