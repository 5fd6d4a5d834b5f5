/* formats/table_write.c: rows gather in an in-memory table of DuckDB, which COPY then writes.
 *
 * One thread, fixed row groups and a fixed order make the bytes a function of the rows alone. */
#include "formats/table.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "formats/table_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { max_sql_bytes = 16 << 20, max_columns = 1000, row_group_rows = 2048 };

struct table_writer {
    duck_session session;
    duckdb_appender appender;
    duckdb_data_chunk chunk;
    size_t n_rows; /* in the chunk */
    size_t max_rows;
    table_column *columns;
    size_t n_columns;
    buf options; /* of COPY: KV_METADATA */
    uint64_t n_added;
    arena names;
    bool finished;
};

/* ---- SQL --------------------------------------------------------------------------------------
 */

static const char *const type_names[] = {
    [TABLE_TEXT] = "VARCHAR",   [TABLE_INT32] = "INTEGER",
    [TABLE_INT64] = "BIGINT",   [TABLE_BOOL] = "BOOLEAN",
    [TABLE_FLOAT] = "FLOAT",    [TABLE_DOUBLE] = "DOUBLE",
    [TABLE_VECTOR] = "FLOAT[]", [TABLE_TIMESTAMP] = "TIMESTAMP WITH TIME ZONE",
    [TABLE_BLOB] = "BLOB",
};

static void put_create(buf *sql, const table_column *columns, size_t n_columns) {
    buf_puts(sql, "CREATE TABLE rows (");
    for (size_t i = 0; i < n_columns; i++) {
        buf_puts(sql, i ? ", " : "");
        duck_quote(sql, '"', columns[i].name);
        buf_printf(sql, " %s", type_names[columns[i].type]);
    }
    buf_putc(sql, ')');
}

/* One file, no temporary name of DuckDB's own. Row groups as small as DuckDB makes them: it holds
 * one about ten times over while it writes, which for wide vectors is most of a job's memory. */
static void put_copy_options(buf *sql, const table_metadata *metadata, size_t n_metadata) {
    buf_printf(sql, "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %d, USE_TMP_FILE false",
               row_group_rows);
    for (size_t i = 0; i < n_metadata; i++) {
        buf_puts(sql, i ? ", " : ", KV_METADATA {");
        duck_quote(sql, '\'', metadata[i].key);
        buf_puts(sql, ": ");
        duck_quote(sql, '\'', metadata[i].value);
    }
    buf_puts(sql, n_metadata ? "})" : ")");
}

/* ---- the chunk --------------------------------------------------------------------------------
 */

/* NULL without memory. */
static duckdb_logical_type logical_type(const table_column *column) {
    static const duckdb_type types[] = {
        [TABLE_TEXT] = DUCKDB_TYPE_VARCHAR, [TABLE_INT32] = DUCKDB_TYPE_INTEGER,
        [TABLE_INT64] = DUCKDB_TYPE_BIGINT, [TABLE_BOOL] = DUCKDB_TYPE_BOOLEAN,
        [TABLE_FLOAT] = DUCKDB_TYPE_FLOAT,  [TABLE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [TABLE_VECTOR] = DUCKDB_TYPE_FLOAT, [TABLE_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [TABLE_BLOB] = DUCKDB_TYPE_BLOB,
    };
    duckdb_logical_type type = duck.create_logical_type(types[column->type]);
    if (column->type != TABLE_VECTOR)
        return type;
    /* Not DuckDB's ARRAY: its Parquet writer gets null arrays wrong (1.4.4), which other readers
     * then refuse. Parquet knows only lists anyway. */
    duckdb_logical_type list = duck.create_list_type(type);
    duck.destroy_logical_type(&type);
    return list;
}

/* Room for the numbers of a full chunk. */
static ken_status reserve_vectors(table_writer *w, ken_error *err) {
    for (size_t i = 0; i < w->n_columns; i++) {
        size_t n = w->max_rows * (size_t)w->columns[i].width;
        if (w->columns[i].type == TABLE_VECTOR &&
            duck.list_vector_reserve(duck.data_chunk_get_vector(w->chunk, i), n) != DuckDBSuccess)
            return error_no_memory(err, n * sizeof(float));
    }
    return KEN_OK;
}

static ken_status make_chunk(table_writer *w, ken_error *err) {
    duckdb_logical_type *types = mem_zalloc(w->n_columns, sizeof(duckdb_logical_type));
    if (!types)
        return error_no_memory(err, w->n_columns * sizeof(duckdb_logical_type));
    for (size_t i = 0; i < w->n_columns; i++)
        types[i] = logical_type(&w->columns[i]);
    w->chunk = duck.create_data_chunk(types, w->n_columns);
    for (size_t i = 0; i < w->n_columns; i++)
        duck.destroy_logical_type(&types[i]);
    mem_free(types);
    w->max_rows = duck.vector_size();
    return w->chunk ? reserve_vectors(w, err)
                    : error_set(err, KEN_NO_MEMORY, "could not make a table chunk");
}

static ken_status flush(table_writer *w, ken_error *err) {
    if (w->n_rows == 0)
        return KEN_OK;
    duck.data_chunk_set_size(w->chunk, w->n_rows);
    if (duck.append_data_chunk(w->appender, w->chunk) != DuckDBSuccess)
        return duck_fail(DUCKDB_ERROR_OUT_OF_MEMORY, duck.appender_error(w->appender), "add rows",
                         err);
    duck.data_chunk_reset(w->chunk);
    w->n_rows = 0;
    return reserve_vectors(w, err);
}

/* The rows' numbers stand one after the other; make_chunk made room for a full chunk of them. */
static void put_vector(duckdb_vector vector, size_t row, size_t width, const float *numbers) {
    duckdb_list_entry *lists = duck.vector_get_data(vector);
    size_t at = row ? lists[row - 1].offset + lists[row - 1].length : 0;
    lists[row] = (duckdb_list_entry){.offset = at, .length = width};
    float *child = duck.vector_get_data(duck.list_vector_get_child(vector));
    if (width)
        memcpy(child + at, numbers, width * sizeof *child);
    duck.list_vector_set_size(vector, at + width);
}

static void put_value(duckdb_vector vector, size_t row, const table_column *column,
                      const table_value *value) {
    void *data = duck.vector_get_data(vector);
    switch (column->type) {
    case TABLE_TEXT:
    case TABLE_BLOB:
        duck.vector_assign_string_element_len(vector, row, value->size ? value->bytes : "",
                                              value->size);
        break;
    case TABLE_INT32:
        ((int32_t *)data)[row] = (int32_t)value->integer;
        break;
    case TABLE_INT64:
    case TABLE_TIMESTAMP:
        ((int64_t *)data)[row] = value->integer;
        break;
    case TABLE_BOOL:
        ((bool *)data)[row] = value->integer != 0;
        break;
    case TABLE_FLOAT:
        ((float *)data)[row] = (float)value->number;
        break;
    case TABLE_DOUBLE:
        ((double *)data)[row] = value->number;
        break;
    case TABLE_VECTOR:
        put_vector(vector, row, (size_t)column->width, value->vector);
        break;
    }
}

static void put_null(duckdb_vector vector, size_t row, const table_column *column) {
    if (column->type == TABLE_VECTOR)
        put_vector(vector, row, 0, NULL);
    duck.vector_ensure_validity_writable(vector);
    duck.validity_set_row_invalid(duck.vector_get_validity(vector), row);
}

static ken_status check_value(const table_writer *w, const table_column *column,
                              const table_value *value, ken_error *err) {
    if (column->type == TABLE_TEXT && !utf8_valid(value->bytes, value->size))
        return error_set(err, KEN_BAD_ARGUMENT, "row %llu: column '%s' is not UTF-8",
                         (unsigned long long)w->n_added, column->name);
    if (column->type == TABLE_INT32 && value->integer != (int32_t)value->integer)
        return error_set(err, KEN_BAD_ARGUMENT, "row %llu: column '%s' does not fit 32 bits: %lld",
                         (unsigned long long)w->n_added, column->name, (long long)value->integer);
    return KEN_OK;
}

ken_status table_writer_add(table_writer *w, const table_value *row, ken_error *err) {
    if (w->finished)
        return error_set(err, KEN_BAD_ARGUMENT, "the table is already written");
    for (size_t i = 0; i < w->n_columns; i++)
        if (!row[i].is_null)
            TRY(check_value(w, &w->columns[i], &row[i], err));
    for (size_t i = 0; i < w->n_columns; i++) {
        duckdb_vector vector = duck.data_chunk_get_vector(w->chunk, i);
        if (row[i].is_null)
            put_null(vector, w->n_rows, &w->columns[i]);
        else
            put_value(vector, w->n_rows, &w->columns[i], &row[i]);
    }
    w->n_added++;
    if (++w->n_rows == w->max_rows)
        return flush(w, err);
    return KEN_OK;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static ken_status check_columns(const table_column *columns, size_t n_columns, ken_error *err) {
    if (n_columns == 0 || n_columns > max_columns)
        return error_set(err, KEN_BAD_ARGUMENT, "a table has 1 to %d columns, not %zu", max_columns,
                         n_columns);
    for (size_t i = 0; i < n_columns; i++) {
        if (!columns[i].name[0] || !utf8_valid(columns[i].name, strlen(columns[i].name)))
            return error_set(err, KEN_BAD_ARGUMENT, "the name of column %zu is empty or not UTF-8",
                             i);
        if (columns[i].type == TABLE_VECTOR && (columns[i].width < 1 || columns[i].width > 100000))
            return error_set(err, KEN_BAD_ARGUMENT,
                             "column '%s': a vector has 1 to 100000 numbers, not %d",
                             columns[i].name, columns[i].width);
    }
    return KEN_OK;
}

static ken_status copy_columns(table_writer *w, const table_column *columns, size_t n_columns,
                               ken_error *err) {
    w->columns = arena_array(&w->names, n_columns, sizeof *columns);
    if (!w->columns)
        return error_no_memory(err, n_columns * sizeof *columns);
    for (; w->n_columns < n_columns; w->n_columns++) {
        w->columns[w->n_columns] = columns[w->n_columns];
        char *name = arena_strdup(&w->names, columns[w->n_columns].name);
        if (!name)
            return error_no_memory(err, strlen(columns[w->n_columns].name) + 1);
        w->columns[w->n_columns].name = name;
    }
    return KEN_OK;
}

static ken_status start(table_writer *w, ken_error *err) {
    TRY(duck_open(&w->session, DUCK_WRITE, err));
    buf sql;
    buf_init(&sql, max_sql_bytes);
    put_create(&sql, w->columns, w->n_columns);
    ken_status status = buf_check(&sql, err);
    if (status == KEN_OK)
        status = duck_query(&w->session, sql.data, "make a table", NULL, err);
    buf_free(&sql);
    TRY(status);
    if (duck.appender_create(w->session.connection, NULL, "rows", &w->appender) != DuckDBSuccess)
        return duck_fail(DUCKDB_ERROR_INTERNAL, duck.appender_error(w->appender), "make a table",
                         err);
    return make_chunk(w, err);
}

ken_status table_writer_new(const table_column *columns, size_t n_columns,
                            const table_metadata *metadata, size_t n_metadata, table_writer **out,
                            ken_error *err) {
    *out = NULL;
    TRY(check_columns(columns, n_columns, err));
    table_writer *w = mem_zalloc(1, sizeof *w);
    if (!w)
        return error_no_memory(err, sizeof *w);
    buf_init(&w->options, max_sql_bytes);
    put_copy_options(&w->options, metadata, n_metadata);
    ken_status status = buf_check(&w->options, err);
    if (status == KEN_OK)
        status = copy_columns(w, columns, n_columns, err);
    if (status == KEN_OK)
        status = start(w, err);
    if (status == KEN_OK)
        *out = w;
    else
        table_writer_free(w);
    return status;
}

uint64_t table_writing_bytes(uint64_t vector_bytes) {
    /* Measured with vectors of 256, 512 and 1152 numbers: 29, 48 and 105 MiB. */
    const uint64_t fixed = (uint64_t)12 << 20, times_held = 12, other_columns = 256;
    return fixed + times_held * row_group_rows * (vector_bytes + other_columns);
}

void table_writer_free(table_writer *w) {
    if (!w)
        return;
    if (w->chunk)
        duck.destroy_data_chunk(&w->chunk);
    if (w->appender)
        duck.appender_destroy(&w->appender);
    duck_close(&w->session);
    buf_free(&w->options);
    arena_free(&w->names);
    mem_free(w);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static ken_status sync_file(const char *path, ken_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "could not open '%s'", path);
    ken_status status = KEN_OK;
    if (fsync(fd) != 0)
        status = error_errno(err, errno, "could not sync '%s'", path);
    close(fd);
    return status;
}

/* Makes the file beforehand: DuckDB would not say in an errno's words why it cannot, and would
 * write into a device. */
static ken_status create_file(const char *path, ken_error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0)
        error_errno(err, errno, "could not create '%s'", path);
    else if (!S_ISREG(info.st_mode))
        error_set(err, KEN_CANNOT_CREATE, "could not create '%s': it is not a regular file", path);
    else
        return close(fd) == 0 ? KEN_OK : error_errno(err, errno, "could not create '%s'", path);
    if (fd >= 0)
        close(fd);
    if (err)
        err->status = KEN_CANNOT_CREATE;
    return KEN_CANNOT_CREATE;
}

/* COPY <what> TO 'path' <options>, synced. A file that could not be completed is removed. */
static ken_status copy_to(const duck_session *s, const char *what, const char *path,
                          const char *options, ken_error *err) {
    TRY(create_file(path, err));
    buf sql, doing;
    buf_init(&sql, 2 * max_sql_bytes);
    buf_init(&doing, 1 << 16);
    buf_printf(&doing, "write '%s'", path);
    buf_printf(&sql, "COPY %s TO ", what);
    ken_status status = duck_quote_path(&sql, path, false, err);
    buf_printf(&sql, " %s", options);
    if (status == KEN_OK)
        status = buf_check(&sql, err);
    if (status == KEN_OK)
        status = buf_check(&doing, err);
    if (status == KEN_OK)
        status = duck_query(s, sql.data, doing.data, NULL, err);
    if (status == KEN_OK)
        status = sync_file(path, err);
    if (status != KEN_OK)
        unlink(path);
    buf_free(&doing);
    buf_free(&sql);
    return status;
}

ken_status table_writer_finish(table_writer *w, const char *path, ken_error *err) {
    if (!w->finished) {
        TRY(flush(w, err));
        if (duck.appender_close(w->appender) != DuckDBSuccess)
            return duck_fail(DUCKDB_ERROR_OUT_OF_MEMORY, duck.appender_error(w->appender),
                             "add rows", err);
    }
    w->finished = true;
    return copy_to(&w->session, "rows", path, w->options.data, err);
}

ken_status table_join(const char *const *paths, size_t n_paths, const table_metadata *metadata,
                      size_t n_metadata, const char *out_path, ken_error *err) {
    if (n_paths == 0)
        return error_set(err, KEN_BAD_ARGUMENT, "there is nothing to join into '%s'", out_path);
    buf source, options;
    buf_init(&source, max_sql_bytes);
    buf_init(&options, max_sql_bytes);
    put_copy_options(&options, metadata, n_metadata);
    buf_puts(&source, "(FROM read_parquet([");
    ken_status status = KEN_OK;
    for (size_t i = 0; i < n_paths && status == KEN_OK; i++) {
        status = table_check_file(paths[i], err);
        buf_puts(&source, i ? ", " : "");
        if (status == KEN_OK)
            status = duck_quote_path(&source, paths[i], true, err);
    }
    buf_puts(&source, "], hive_partitioning = false))");
    if (status == KEN_OK)
        status = buf_check(&source, err);
    if (status == KEN_OK)
        status = buf_check(&options, err);
    duck_session session = {0};
    if (status == KEN_OK)
        status = duck_open(&session, DUCK_WRITE, err);
    if (status == KEN_OK)
        status = copy_to(&session, source.data, out_path, options.data, err);
    duck_close(&session);
    buf_free(&options);
    buf_free(&source);
    return status;
}
