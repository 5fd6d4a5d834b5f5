/* ken doctor: what this machine can do, and what is missing. */
#include "base/sys.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/doctor_cache.h"
#include "cli/doctor_speed.h"
#include "formats/table.h"

#include <stdlib.h>
#include <string.h>

static const option *options(void) {
    static const option table[] = {COMMON_OUTPUT_OPTIONS, OPTIONS_END};
    return table;
}

/* A line for each tier: the one in use, those that would run too, and why the others cannot. */
static void print_tiers(buf *out) {
    const char *best = kernels_best()->tier;
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const char *name = kernels_tier_name(i), *reason = "";
        const kernels *k = kernels_find(name, &reason);
        buf_printf(out, "  %-12s %s\n", name,
                   !k                        ? reason
                   : strcmp(name, best) == 0 ? "runs here; in use"
                                             : "runs here");
    }
}

static void put_json_tiers(buf *out) {
    for (size_t i = 0; kernels_tier_name(i); i++) {
        const char *reason = "";
        bool runs = kernels_find(kernels_tier_name(i), &reason) != NULL;
        buf_printf(out, "%s{\"tier\":\"%s\",\"runs\":%s,\"reason\":", i ? "," : "",
                   kernels_tier_name(i), runs ? "true" : "false");
        buf_put_json(out, runs ? "" : reason, runs ? 0 : strlen(reason));
        buf_putc(out, '}');
    }
}

static int run(int n_args, char **args) {
    (void)args;
    if (n_args)
        return cli_usage("expected no arguments");
    const char *duckdb = table_library_version();
    const char *model = getenv("KEN_MODEL");
    machine_speed speed;
    ken_error err;
    if (machine_measure(kernels_best(), sys_cpu_count(), &speed, &err) != KEN_OK)
        return cli_fail(&err);
    buf out;
    buf_init(&out, 65536);
    if (common.json) {
        buf_printf(&out, "{\"version\":\"%s\",\"tier\":\"%s\",\"cpus\":%d,\"memory_bytes\":%llu",
                   ken_version(), kernels_best()->tier, sys_cpu_count(),
                   (unsigned long long)sys_memory_limit());
        buf_puts(&out, ",\"duckdb\":");
        buf_put_json(&out, duckdb ? duckdb : "", duckdb ? strlen(duckdb) : 0);
        buf_puts(&out, ",\"cache\":");
        doctor_put_cache_json(&out);
        buf_puts(&out, ",\"speed\":");
        doctor_put_speed_json(&out, &speed);
        buf_puts(&out, ",\"tiers\":[");
        put_json_tiers(&out);
        buf_puts(&out, "]}\n");
    } else {
        buf_printf(&out, "ken %s\nCPU tiers\n", ken_version());
        print_tiers(&out);
        buf_printf(&out, "CPUs this process may use: %d\nmemory it may use: %.1f GiB\n",
                   sys_cpu_count(), (double)sys_memory_limit() / (1 << 30));
        buf_printf(&out, "DuckDB (Parquet, CSV, JSONL): %s\n",
                   duckdb ? duckdb : "not found: 'ken embed' and 'ken classify' need it");
        doctor_put_speed(&out, &speed);
        doctor_put_cache(&out);
        buf_printf(&out, "default model ($KEN_MODEL): %s\n", model && *model ? model : "none");
    }
    fputs(out.data ? out.data : "", stdout);
    buf_free(&out);
    return duckdb ? 0 : ken_status_exit_code(KEN_UNAVAILABLE);
}

const command cmd_doctor = {
    .name = "doctor",
    .group = "Look inside",
    .summary = "say what this machine can do",
    .usage = "",
    .details = "Names the CPU tier whose kernels run and why not the next one, the processors and "
               "the memory that ken may use, the libraries it found, and the folder where packed "
               "weights are kept from start to start, which may be removed at any time. In about "
               "a second it measures the memory's bandwidth and a few matrix products, and "
               "estimates from them how many images a second ViT-B/32 encodes; 'ken bench' "
               "measures a model itself.",
    .examples = "  ken doctor\n  ken doctor --json\n",
    .options = options,
    .run = run,
};
