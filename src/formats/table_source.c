/* formats/table_source.c: which table function reads which file, and how strictly. */
#include "formats/table_source.h"

#include "base/file.h"

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

ken_status table_put_source(buf *sql, const char *const *paths, size_t n_paths, ken_error *err) {
    /* Text tables: RFC 4180 to the letter, one header line; every column as text, because detection
     * would turn the id 000123 into a number. */
    static const struct {
        const char *function, *options;
    } sources[] = {
        [TABLE_PARQUET] = {"read_parquet", ", hive_partitioning = false"},
        [TABLE_CSV] = {"read_csv", ", header = true, all_varchar = true, hive_partitioning = false"
                                   ", delim = ',', quote = '\"', escape = '\"', comment = ''"
                                   ", max_line_size = 16777216"},
        [TABLE_TSV] = {"read_csv", ", header = true, all_varchar = true, hive_partitioning = false"
                                   ", delim = '\t', quote = '\"', escape = '\"', comment = ''"
                                   ", max_line_size = 16777216"},
        [TABLE_JSONL] = {"read_json", ", format = 'newline_delimited', sample_size = -1"
                                      ", hive_partitioning = false"},
    };
    if (n_paths == 0)
        return error_set(err, KEN_BAD_ARGUMENT, "there is no table to read");
    table_file kind = TABLE_PARQUET;
    TRY(common_kind(paths, n_paths, &kind, err));
    buf_printf(sql, "%s([", sources[kind].function);
    for (size_t i = 0; i < n_paths; i++) {
        TRY(table_check_file(paths[i], err));
        buf_puts(sql, i ? ", " : "");
        TRY(duck_quote_path(sql, paths[i], true, err));
    }
    buf_printf(sql, "]%s)", sources[kind].options);
    return buf_check(sql, err);
}
