/* A program for the Python tests of tables:
 *   table_driver write OUT ROWS WIDTH      every column type, rows that follow from their number
 *   table_driver join OUT IN...
 *   table_driver dump IN [COLUMN...]       rows as JSON lines, after a line of column types
 *   table_driver count IN                  number of rows, after reading all values */
#include "base/mem.h"
#include "base/sys.h"
#include "formats/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const table_metadata metadata[] = {
    {"ken.format_version", "1"}, {"ken.it's", "a \"value\" with 'quotes'"}, {"ken.empty", ""}};
enum { n_metadata = sizeof metadata / sizeof *metadata };

static int fail(const ken_error *err) {
    fprintf(stderr, "%s: %s\n%s\n", ken_status_name(err->status), err->message, err->hint);
    return ken_status_exit_code(err->status);
}

static ken_status write_rows(table_writer *w, uint64_t n_rows, int width, ken_error *err) {
    float *vector = mem_alloc((size_t)width * sizeof *vector);
    if (!vector)
        return error_no_memory(err, (size_t)width * sizeof *vector);
    ken_status status = KEN_OK;
    uint32_t random = 1;
    for (uint64_t i = 0; i < n_rows && status == KEN_OK; i++) {
        for (int k = 0; k < width; k++) {
            random = random * 1664525u + 1013904223u;
            vector[k] = (float)(random >> 8) / 16777216.0f - 0.5f;
        }
        char id[64];
        int n = snprintf(id, sizeof id, "photos/%06" PRIu64 " \xc3\xa9'\".jpg", i);
        bool null = i % 7 == 3;
        const table_value row[] = {
            {.bytes = id, .size = (size_t)n},
            {.is_null = null, .integer = (int64_t)i - 5},
            {.is_null = null, .integer = (int64_t)i * 10000000000},
            {.is_null = null, .integer = i % 2 == 0},
            {.is_null = null, .number = (double)i / 4},
            {.is_null = null, .number = (double)i / 3},
            {.is_null = null, .integer = 1700000000000000 + (int64_t)i},
            {.is_null = null, .bytes = "\0\xff", .size = 2},
            {.is_null = null, .vector = vector},
        };
        status = table_writer_add(w, row, err);
    }
    mem_free(vector);
    return status;
}

static ken_status write_table(const char *path, uint64_t n_rows, int width, ken_error *err) {
    const table_column columns[] = {{"id", TABLE_TEXT, 0},
                                    {"a \"quoted\" name", TABLE_INT32, 0},
                                    {"size_bytes", TABLE_INT64, 0},
                                    {"flag", TABLE_BOOL, 0},
                                    {"f", TABLE_FLOAT, 0},
                                    {"d", TABLE_DOUBLE, 0},
                                    {"mtime", TABLE_TIMESTAMP, 0},
                                    {"blob", TABLE_BLOB, 0},
                                    {"embedding", TABLE_VECTOR, width}};
    table_writer *w;
    TRY(table_writer_new(columns, sizeof columns / sizeof *columns, metadata, n_metadata, &w, err));
    double begin = sys_seconds();
    ken_status status = write_rows(w, n_rows, width, err);
    double added = sys_seconds();
    if (status == KEN_OK)
        status = table_writer_finish(w, path, err);
    fprintf(stderr, "add %.2f s, write %.2f s, peak %zu MB\n", added - begin, sys_seconds() - added,
            (size_t)(sys_peak_rss() >> 20));
    table_writer_free(w);
    return status;
}

static void print_value(table_type type, const table_value *v, buf *line) {
    buf_clear(line);
    if (v->is_null) {
        buf_puts(line, "null");
    } else if (type == TABLE_TEXT) {
        buf_put_json(line, v->bytes, v->size);
    } else if (type == TABLE_BLOB) {
        buf_putc(line, '"');
        for (size_t i = 0; i < v->size; i++)
            buf_printf(line, "%02x", (unsigned)(unsigned char)v->bytes[i]);
        buf_putc(line, '"');
    } else if (type == TABLE_VECTOR) {
        for (size_t i = 0; i < v->size; i++)
            buf_printf(line, "%s%.9g", i ? ", " : "[", (double)v->vector[i]);
        buf_puts(line, v->size ? "]" : "[]");
    } else if (type == TABLE_FLOAT || type == TABLE_DOUBLE) {
        buf_printf(line, "%.17g", v->number);
    } else {
        buf_printf(line, "%" PRId64, v->integer);
    }
    fputs(line->data ? line->data : "", stdout);
}

static void print_types(const table_reader *r) {
    static const char *const names[] = {"text",   "int32",     "int64",  "bool", "float",
                                        "double", "timestamp", "vector", "blob"};
    for (size_t i = 0; i < table_reader_n_columns(r); i++) {
        int width;
        table_type type = table_reader_column_type(r, i, &width);
        printf("%s%s %s %d", i ? ", " : "", table_reader_column_name(r, i), names[type], width);
    }
    const char *version = table_reader_metadata(r, "ken.format_version");
    printf("; %" PRIu64 " rows; version %s\n", table_reader_n_rows(r), version ? version : "none");
}

static ken_status read_table(const char *path, const char *const *columns, size_t n_columns,
                             bool print, ken_error *err) {
    table_reader *r;
    TRY(table_reader_open(&path, 1, n_columns ? columns : NULL, n_columns, &r, err));
    if (print)
        print_types(r);
    size_t n = table_reader_n_columns(r);
    table_value *row = mem_zalloc(n, sizeof *row);
    buf line;
    buf_init(&line, 1 << 26);
    ken_status status = row ? KEN_OK : error_no_memory(err, n * sizeof *row);
    bool more = true;
    uint64_t n_rows = 0;
    while (status == KEN_OK && (status = table_reader_next(r, row, &more, err)) == KEN_OK && more) {
        n_rows++;
        for (size_t i = 0; print && i < n; i++) {
            fputs(i ? ", " : "[", stdout);
            print_value(table_reader_column_type(r, i, NULL), &row[i], &line);
        }
        fputs(print ? "]\n" : "", stdout);
    }
    if (!print)
        printf("%" PRIu64 "\n", n_rows);
    buf_free(&line);
    mem_free(row);
    table_reader_close(r);
    return status;
}

int main(int argc, char **argv) {
    ken_error err = {0};
    ken_status status = KEN_BAD_ARGUMENT;
    const char *const *arguments = (const char *const *)argv;
    if (argc == 5 && strcmp(argv[1], "write") == 0)
        status =
            write_table(argv[2], strtoull(argv[3], NULL, 10), (int)strtol(argv[4], NULL, 10), &err);
    else if (argc >= 4 && strcmp(argv[1], "join") == 0)
        status = table_join(arguments + 3, (size_t)argc - 3, metadata, n_metadata, argv[2], &err);
    else if (argc >= 3 && strcmp(argv[1], "dump") == 0)
        status = read_table(argv[2], arguments + 3, (size_t)argc - 3, true, &err);
    else if (argc == 3 && strcmp(argv[1], "count") == 0)
        status = read_table(argv[2], NULL, 0, false, &err);
    if (argc > 1 && strcmp(argv[1], "dump") != 0)
        fprintf(stderr, "peak %zu MB\n", (size_t)(sys_peak_rss() >> 20));
    return status == KEN_OK ? 0 : fail(&err);
}
