/* formats/table_source.c: which table function reads which file, and how strictly. */
#include "formats/table_source.h"

#include "base/file.h"
#include "formats/table_csv.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

bool table_file_kind(const char *path, table_file *out) {
    static const struct {
        const char *extension;
        table_file kind;
    } kinds[] = {
        {".parquet", TABLE_PARQUET}, {".csv", TABLE_CSV},      {".tsv", TABLE_TSV},
        {".jsonl", TABLE_JSONL},     {".ndjson", TABLE_JSONL},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(file_extension(path), kinds[i].extension) == 0) {
            *out = kinds[i].kind;
            return true;
        }
    return false;
}

ken_status table_check_file(const char *path, ken_error *err) {
    struct stat info;
    if (stat(path, &info) != 0)
        return error_errno(err, errno, "could not open '%s'", path);
    if (!S_ISREG(info.st_mode))
        return error_set(err, KEN_UNSUPPORTED, "'%s' is not a regular file", path);
    return KEN_OK;
}

/* The names of all files must say the same kind. */
static ken_status common_kind(const char *const *paths, size_t n_paths, table_file *kind,
                              ken_error *err) {
    for (size_t i = 0; i < n_paths; i++) {
        table_file found;
        if (!table_file_kind(paths[i], &found)) {
            error_set(err, KEN_UNSUPPORTED, "'%s' is not a table by its name", paths[i]);
            return error_hint(err, KEN_UNSUPPORTED,
                              "tables are .parquet, .csv, .tsv, .jsonl and .ndjson files");
        }
        if (i > 0 && found != *kind)
            return error_set(err, KEN_BAD_ARGUMENT, "'%s' and '%s' are tables of different kinds",
                             paths[0], paths[i]);
        *kind = found;
    }
    return KEN_OK;
}

/* Text tables are RFC 4180 to the letter, with one header line, and every column is text: detection
 * would turn the id 000123 into a number. */
static ken_status put_text_options(buf *sql, const char *const *paths, size_t n_paths,
                                   char delimiter, ken_error *err) {
    buf first, other;
    buf_init(&first, TABLE_MAX_SQL_BYTES);
    buf_init(&other, TABLE_MAX_SQL_BYTES);
    ken_status status = table_put_csv_columns(&first, paths[0], delimiter, err);
    for (size_t i = 1; i < n_paths && status == KEN_OK; i++) {
        buf_clear(&other);
        status = table_put_csv_columns(&other, paths[i], delimiter, err);
        if (status == KEN_OK && strcmp(first.data, other.data) != 0)
            status = error_set(err, KEN_BAD_FORMAT, "'%s' and '%s' have different columns",
                               paths[0], paths[i]);
    }
    buf_printf(sql,
               ", auto_detect = false, header = true, delim = '%c', quote = '\"', escape = '\"'"
               ", comment = '', max_line_size = 16777216, columns = %s",
               delimiter, first.data ? first.data : "{}");
    buf_free(&first);
    buf_free(&other);
    return status;
}

ken_status table_put_source(buf *sql, const char *const *paths, size_t n_paths, ken_error *err) {
    static const char *const functions[] = {
        [TABLE_PARQUET] = "read_parquet",
        [TABLE_CSV] = "read_csv",
        [TABLE_TSV] = "read_csv",
        [TABLE_JSONL] = "read_json",
    };
    if (n_paths == 0)
        return error_set(err, KEN_BAD_ARGUMENT, "there is no table to read");
    table_file kind = TABLE_PARQUET;
    TRY(common_kind(paths, n_paths, &kind, err));
    buf_printf(sql, "%s([", functions[kind]);
    for (size_t i = 0; i < n_paths; i++) {
        TRY(table_check_file(paths[i], err));
        buf_puts(sql, i ? ", " : "");
        TRY(duck_quote_path(sql, paths[i], true, err));
    }
    buf_puts(sql, "], hive_partitioning = false");
    if (kind == TABLE_CSV || kind == TABLE_TSV)
        TRY(put_text_options(sql, paths, n_paths, kind == TABLE_CSV ? ',' : '\t', err));
    if (kind == TABLE_JSONL)
        buf_puts(sql, ", format = 'newline_delimited', sample_size = -1");
    buf_putc(sql, ')');
    return buf_check(sql, err);
}
