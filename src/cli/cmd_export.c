/* ken export: a collection in the layouts of others. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output_check.h"
#include "tasks/collection/collection.h"
#include "tasks/collection/export.h"

#include <string.h>

static const char *output, *format_name;
static bool dry_run;

static const option *options(void) {
    static const option table[] = {
        {"to", 0, OPTION_CHOICE, &format_name, NULL, "layout to write",
         "npy|clip-retrieval|jsonl|csv", 0, 0},
        {"output", 'o', OPTION_TEXT, &output, "OUT", "file, or folder for clip-retrieval", NULL, 0,
         0},
        {"dry-run", 0, OPTION_FLAG, &dry_run, NULL, "say what would be written; write nothing",
         NULL, 0, 0},
        COMMON_OUTPUT_OPTIONS,
        OPTIONS_END,
    };
    return table;
}

static void put_json_report(uint64_t n_rows) {
    buf line;
    buf_init(&line, 65536);
    buf_puts(&line, "{\"output\":");
    buf_put_json(&line, output, strlen(output));
    buf_printf(&line, ",\"format\":\"%s\",\"n_rows\":%llu}", format_name,
               (unsigned long long)n_rows);
    if (line.data)
        puts(line.data);
    buf_free(&line);
}

static ken_status count_rows(const char *path, uint64_t *n_rows, ken_error *err) {
    collection *c;
    TRY(collection_open(path, &c, err));
    *n_rows = collection_n_rows(c);
    collection_close(c);
    return KEN_OK;
}

static int run(int n_args, char **args) {
    export_format format;
    if (n_args != 1)
        return cli_usage("expected one collection, found %d", n_args);
    if (!format_name || !export_format_named(format_name, &format))
        return cli_usage("no layout was named: give '--to npy', clip-retrieval, jsonl or csv");
    if (!output)
        return cli_usage("no output was named: give '-o OUT'");
    int bad = output_check(output, (const char *const *)args, 1);
    if (bad)
        return bad;
    ken_error err;
    uint64_t n_rows = 0;
    ken_status status = dry_run ? count_rows(args[0], &n_rows, &err)
                                : export_collection(args[0], format, output, &n_rows, &err);
    if (status != KEN_OK)
        return cli_fail(&err);
    if (common.json)
        put_json_report(n_rows);
    else
        cli_note(dry_run ? "ken export: would write %llu rows to '%s'"
                         : "ken export: %llu rows in '%s'",
                 (unsigned long long)n_rows, output);
    return cli_finish(0);
}

const command cmd_export = {
    .name = "export",
    .group = "Work with photos",
    .summary = "write a collection as .npy, clip-retrieval folder, JSON lines or CSV",
    .usage = "COLLECTION --to npy|clip-retrieval|jsonl|csv -o OUT",
    .details =
        "npy: OUT.npy holds the vectors, float32 [rows, dim], and OUT.ids.txt an id a line, in the "
        "same order.\n\n"
        "clip-retrieval: OUT/img_emb/img_emb_0.npy (text_emb for texts) and "
        "OUT/metadata/metadata_0.parquet with image_path, caption and the other columns, row by "
        "row in the same order; 'clip-retrieval index' reads it.\n\n"
        "jsonl, csv: every column of every row; the embedding is a JSON array.",
    .examples = "  ken export photos.parquet --to npy -o photos.npy\n"
                "  ken export photos.parquet --to clip-retrieval -o laion/\n",
    .options = options,
    .run = run,
};
