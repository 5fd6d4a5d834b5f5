/* ken bench: how fast a model encodes on this machine. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "tasks/bench/bench.h"

#include <string.h>

static int64_t batch;
static double seconds;

static const option *options(void) {
    static const option table[] = {
        {"batch", 0, OPTION_INT, &batch, "N",
         "images or texts a call, measured beside one (default 16)", NULL, 1, 1024},
        {"seconds", 0, OPTION_NUMBER, &seconds, "S", "time for each row (default 1)", NULL, 0.01,
         600},
        COMMON_MODEL_OPTIONS,
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

static void put_table(buf *out, const bench_row *rows, int n, const ken_model_info *info) {
    buf_printf(out, "%s, %s, %s\n%-8s %8s %8s %12s\n", info->id,
               ken_precision_name(info->precision), info->cpu_tier, "", "batch", "threads",
               "a second");
    for (int i = 0; i < n; i++)
        buf_printf(out, "%-8s %8d %8d %12.1f\n", rows[i].texts ? "texts" : "images", rows[i].batch,
                   rows[i].n_threads, rows[i].per_second);
    if (n && rows[n - 1].texts)
        buf_printf(out, "a text has %d tokens\n", rows[n - 1].n_tokens);
}

static void put_json(buf *out, const bench_row *rows, int n, const ken_model_info *info) {
    buf_puts(out, "{\"model\":");
    buf_put_json(out, info->id, strlen(info->id));
    buf_printf(out, ",\"precision\":\"%s\",\"cpu_tier\":\"%s\",\"rows\":[",
               ken_precision_name(info->precision), info->cpu_tier);
    for (int i = 0; i < n; i++) {
        buf_printf(out, "%s{\"kind\":\"%s\",\"batch\":%d,\"threads\":%d,", i ? "," : "",
                   rows[i].texts ? "text" : "image", rows[i].batch, rows[i].n_threads);
        if (rows[i].texts)
            buf_printf(out, "\"n_tokens\":%d,", rows[i].n_tokens);
        buf_printf(out, "\"per_second\":%.3f}", rows[i].per_second);
    }
    buf_puts(out, "]}\n");
}

static ken_status print_rows(const ken_model *model, const bench_row *rows, int n, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    buf text;
    buf_init(&text, 1 << 16);
    (common.json ? put_json : put_table)(&text, rows, n, &info);
    ken_status status = buf_check(&text, err);
    if (status == KEN_OK)
        fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
    return status;
}

static int run(int n_args, char **args) {
    bool named = !common.model && n_args > 0; /* by the first argument */
    if (n_args > named)
        return cli_usage("expected one model, found %d arguments", n_args);
    cli_catch_signals();
    ken_error err;
    ken_model *model;
    ken_status loaded = named ? cli_load_model_named(args[0], NULL, &model, NULL, NULL, &err)
                              : cli_load_model(NULL, &model, NULL, NULL, &err);
    if (loaded != KEN_OK)
        return cli_fail(&err);
    bench_options chosen = {.max_batch = (int)batch,
                            .n_threads = cli_threads(),
                            .seconds = seconds,
                            .cancel = &cli_cancelled};
    bench_row rows[BENCH_MAX_ROWS];
    int n_rows;
    ken_status status = bench_run(model, &chosen, rows, &n_rows, &err);
    if (status == KEN_OK)
        status = print_rows(model, rows, n_rows, &err);
    ken_model_free(model);
    return status == KEN_OK ? 0 : cli_fail(&err);
}

const command cmd_bench = {
    .name = "bench",
    .group = "Look inside",
    .summary = "measure how fast a model encodes here",
    .usage = "[MODEL]",
    .details = "Encodes random pixels and a short sentence, one at a time and in batches, on one "
               "thread and on all, and prints the median rates. Reading and decoding of files are "
               "not measured: 'ken embed -v' says what they take. A busy machine gives low "
               "figures; repeat the measurement before you rely on it.",
    .examples = "  ken bench demo\n"
                "  ken bench models/clip-vit-base-patch32 --precision int8 --json\n",
    .options = options,
    .run = run,
};
