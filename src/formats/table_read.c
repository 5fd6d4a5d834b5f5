/* formats/table_read.c: streams the rows of table files, chunk by chunk. */
#include "formats/table.h"

#include "base/mem.h"
#include "formats/table_columns.h"
#include "formats/table_source.h"

#include <string.h>

typedef struct column {
    const char *name;
    const char *expression;
    table_type type;
    int width;            /* of vectors, when the first chunk's are of one width; else 0 */
    duckdb_vector vector; /* of the chunk in hand */
} column;

struct table_reader {
    duck_session session;
    duckdb_prepared_statement statement;
    duckdb_result result;
    bool has_result;
    duckdb_data_chunk chunk;
    size_t chunk_rows, row; /* of the chunk in hand */
    uint64_t n_rows, n_done;
    column *columns;
    size_t n_columns;
    table_metadata *metadata;
    size_t n_metadata;
    const char *doing;      /* "read 'a.parquet'" */
    const char *source_sql; /* of Parquet files */
    arena memory;
};

/* ---- columns ----------------------------------------------------------------------------------
 */

static ken_status no_such_column(const source_columns *have, const char *name, const char *doing,
                                 ken_error *err) {
    buf names;
    buf_init(&names, 280);
    for (size_t i = 0; i < have->n_items && !names.failed; i++)
        buf_printf(&names, "%s'%s'", i ? ", " : "", have->items[i].name);
    error_set(err, KEN_BAD_FORMAT, "could not %s: it has no column '%s'", doing, name);
    error_hint(err, KEN_BAD_FORMAT, "its columns are %s%s", names.data ? names.data : "",
               names.failed ? ", ..." : "");
    buf_free(&names);
    return KEN_BAD_FORMAT;
}

static const source_column *find_column(const source_columns *have, const char *name) {
    for (size_t i = 0; i < have->n_items; i++)
        if (strcmp(have->items[i].name, name) == 0)
            return &have->items[i];
    return NULL;
}

/* Fills r->columns and writes the statement that selects them. */
static ken_status choose_columns(table_reader *r, const source_columns *have,
                                 const char *const *names, size_t n_names, buf *sql,
                                 ken_error *err) {
    size_t n = names ? n_names : have->n_items;
    r->columns = arena_array(&r->memory, n, sizeof *r->columns);
    if (!r->columns)
        return error_no_memory(err, n * sizeof *r->columns);
    buf_puts(sql, "SELECT ");
    for (; r->n_columns < n; r->n_columns++) {
        size_t i = r->n_columns;
        const source_column *from = names ? find_column(have, names[i]) : &have->items[i];
        if (!from)
            return no_such_column(have, names[i], r->doing, err);
        r->columns[i] =
            (column){.name = from->name, .expression = from->expression, .type = from->type};
        buf_printf(sql, "%s%s", i ? ", " : "", from->expression);
    }
    return KEN_OK;
}

/* ---- metadata ---------------------------------------------------------------------------------
 */

/* A copy of a BLOB or VARCHAR value. */
static char *copy_text(arena *memory, duckdb_data_chunk chunk, size_t index, size_t row) {
    duckdb_string_t *values = duck.vector_get_data(duck.data_chunk_get_vector(chunk, index));
    return arena_strndup(memory, duck.string_t_data(&values[row]),
                         duck.string_t_length(values[row]));
}

static ken_status add_metadata(table_reader *r, duckdb_data_chunk chunk, ken_error *err) {
    size_t n = duck.data_chunk_get_size(chunk), n_old = r->n_metadata;
    table_metadata *grown = arena_array(&r->memory, n_old + n, sizeof *grown);
    if (!grown)
        return error_no_memory(err, (n_old + n) * sizeof *grown);
    if (n_old)
        memcpy(grown, r->metadata, n_old * sizeof *grown);
    r->metadata = grown;
    for (size_t i = 0; i < n; i++) {
        char *key = copy_text(&r->memory, chunk, 0, i);
        char *value = copy_text(&r->memory, chunk, 1, i);
        if (!key || !value)
            return error_no_memory(err, 1);
        r->metadata[r->n_metadata++] = (table_metadata){key, value};
    }
    return KEN_OK;
}

static ken_status read_metadata(table_reader *r, const char *path, ken_error *err) {
    buf sql;
    buf_init(&sql, 1 << 20);
    buf_puts(&sql, "SELECT key, value FROM parquet_kv_metadata(");
    ken_status status = duck_quote_path(&sql, path, true, err);
    buf_puts(&sql, ") WHERE key IS NOT NULL AND value IS NOT NULL");
    if (status == KEN_OK)
        status = buf_check(&sql, err);
    duckdb_result result;
    if (status == KEN_OK)
        status = duck_query(&r->session, sql.data, r->doing, &result, err);
    buf_free(&sql);
    TRY(status);
    for (duckdb_data_chunk chunk; status == KEN_OK && (chunk = duck.fetch_chunk(result));) {
        status = add_metadata(r, chunk, err);
        duck.destroy_data_chunk(&chunk);
    }
    duck.destroy_result(&result);
    return status;
}

const char *table_reader_metadata(const table_reader *r, const char *key) {
    for (size_t i = 0; i < r->n_metadata; i++)
        if (strcmp(r->metadata[i].key, key) == 0)
            return r->metadata[i].value;
    return NULL;
}

/* ---- chunks -----------------------------------------------------------------------------------
 */

static bool is_null(duckdb_vector vector, size_t row) {
    const uint64_t *valid = duck.vector_get_validity(vector);
    return valid && !(valid[row / 64] >> row % 64 & 1);
}

/* The common length of the chunk's vectors; 0 when there is none. */
static int common_width(const column *c, size_t n_rows) {
    const duckdb_list_entry *lists = duck.vector_get_data(c->vector);
    uint64_t width = 0;
    for (size_t i = 0; i < n_rows; i++) {
        if (is_null(c->vector, i))
            continue;
        if (width && lists[i].length != width)
            return 0;
        width = lists[i].length;
    }
    return width <= INT32_MAX ? (int)width : 0;
}

/* DuckDB says what is wrong with a page, but not of which column: read each by itself, in a session
 * of its own because an internal error makes a session unusable. */
static ken_status name_column(const table_reader *r, ken_status status, ken_error *err) {
    if (status != KEN_BAD_FORMAT || !r->source_sql || !err)
        return status;
    buf sql, doing;
    buf_init(&sql, TABLE_MAX_SQL_BYTES);
    buf_init(&doing, 1 << 20);
    for (size_t i = 0; i < r->n_columns; i++) {
        buf_clear(&sql);
        buf_clear(&doing);
        buf_printf(&sql, "SELECT count(%s) FROM %s", r->columns[i].expression, r->source_sql);
        buf_printf(&doing, "%s, column '%s'", r->doing, r->columns[i].name);
        duck_session alone;
        ken_error found;
        if (sql.failed || doing.failed || duck_open(&alone, DUCK_READ, NULL) != KEN_OK)
            break;
        bool bad = duck_query(&alone, sql.data, doing.data, NULL, &found) == status;
        duck_close(&alone);
        if (bad) {
            *err = found;
            break;
        }
    }
    buf_free(&doing);
    buf_free(&sql);
    return status;
}

/* Brings the next chunk; none left gives chunk_rows 0. */
static ken_status fetch(table_reader *r, ken_error *err) {
    bool first = r->n_done == 0;
    if (r->chunk)
        duck.destroy_data_chunk(&r->chunk);
    r->row = r->chunk_rows = 0;
    r->chunk = duck.fetch_chunk(r->result);
    if (!r->chunk) {
        const char *reason = duck.result_error(&r->result);
        if (reason && *reason)
            return name_column(
                r, duck_fail(duck.result_error_type(&r->result), reason, r->doing, err), err);
        if (r->n_done != r->n_rows)
            return error_set(err, KEN_BAD_FORMAT, "could not %s: it ends after %llu of %llu rows",
                             r->doing, (unsigned long long)r->n_done,
                             (unsigned long long)r->n_rows);
        return KEN_OK;
    }
    r->chunk_rows = duck.data_chunk_get_size(r->chunk);
    for (size_t i = 0; i < r->n_columns; i++) {
        column *c = &r->columns[i];
        c->vector = duck.data_chunk_get_vector(r->chunk, i);
        if (first && c->type == TABLE_VECTOR)
            c->width = common_width(c, r->chunk_rows);
    }
    return KEN_OK;
}

static ken_status get_vector(const table_reader *r, const column *c, table_value *out,
                             ken_error *err) {
    const duckdb_list_entry *list = (duckdb_list_entry *)duck.vector_get_data(c->vector) + r->row;
    if (c->width && list->length != (uint64_t)c->width)
        return error_set(err, KEN_BAD_FORMAT,
                         "could not %s: row %llu: column '%s' has %llu numbers, expected %d",
                         r->doing, (unsigned long long)r->n_done, c->name,
                         (unsigned long long)list->length, c->width);
    duckdb_vector child = duck.list_vector_get_child(c->vector);
    for (size_t i = 0; i < list->length; i++)
        if (is_null(child, list->offset + i))
            return error_set(err, KEN_BAD_FORMAT,
                             "could not %s: row %llu: column '%s' has a null among its numbers",
                             r->doing, (unsigned long long)r->n_done, c->name);
    out->vector = (const float *)duck.vector_get_data(child) + list->offset;
    out->size = list->length;
    return KEN_OK;
}

static ken_status get_value(const table_reader *r, const column *c, table_value *out,
                            ken_error *err) {
    *out = (table_value){.is_null = is_null(c->vector, r->row)};
    if (out->is_null)
        return KEN_OK;
    void *data = duck.vector_get_data(c->vector);
    switch (c->type) {
    case TABLE_TEXT:
    case TABLE_BLOB: {
        duckdb_string_t *text = (duckdb_string_t *)data + r->row;
        out->bytes = duck.string_t_data(text);
        out->size = duck.string_t_length(*text);
        break;
    }
    case TABLE_BOOL:
        out->integer = ((const bool *)data)[r->row];
        break;
    case TABLE_FLOAT:
        out->number = (double)((const float *)data)[r->row];
        break;
    case TABLE_DOUBLE:
        out->number = ((const double *)data)[r->row];
        break;
    case TABLE_VECTOR:
        return get_vector(r, c, out, err);
    case TABLE_INT32: /* not given by a reader */
    case TABLE_INT64:
    case TABLE_TIMESTAMP:
        out->integer = ((const int64_t *)data)[r->row];
        break;
    }
    return KEN_OK;
}

ken_status table_reader_next(table_reader *r, table_value *row, bool *more, ken_error *err) {
    *more = false;
    while (r->chunk && r->row == r->chunk_rows)
        TRY(fetch(r, err));
    if (!r->chunk)
        return KEN_OK;
    for (size_t i = 0; i < r->n_columns; i++)
        TRY(get_value(r, &r->columns[i], &row[i], err));
    r->row++;
    r->n_done++;
    *more = true;
    return KEN_OK;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static ken_status execute(table_reader *r, const buf *sql, ken_error *err) {
    TRY(buf_check(sql, err));
    if (duck.prepare(r->session.connection, sql->data, &r->statement) != DuckDBSuccess)
        return duck_fail(DUCKDB_ERROR_INVALID_INPUT, duck.prepare_error(r->statement), r->doing,
                         err);
    duckdb_state state = duck.execute_prepared_streaming(r->statement, &r->result);
    r->has_result = true;
    if (state != DuckDBSuccess)
        return name_column(r,
                           duck_fail(duck.result_error_type(&r->result),
                                     duck.result_error(&r->result), r->doing, err),
                           err);
    return fetch(r, err);
}

static ken_status start(table_reader *r, const char *const *paths, size_t n_paths,
                        const char *const *names, size_t n_names, ken_error *err) {
    r->doing = n_paths > 1
                   ? arena_printf(&r->memory, "read '%s' and %zu more", paths[0], n_paths - 1)
                   : arena_printf(&r->memory, "read '%s'", n_paths ? paths[0] : "");
    if (!r->doing)
        return error_no_memory(err, 1);
    buf source, sql;
    buf_init(&source, TABLE_MAX_SQL_BYTES);
    buf_init(&sql, TABLE_MAX_SQL_BYTES);
    table_file kind = TABLE_PARQUET;
    source_columns have;
    ken_status status = table_put_source(&source, paths, n_paths, err);
    if (status == KEN_OK)
        status = duck_open(&r->session, DUCK_READ, err);
    if (status == KEN_OK) {
        table_file_kind(paths[0], &kind);
        status = table_describe(&r->session, source.data, kind == TABLE_CSV || kind == TABLE_TSV,
                                r->doing, &r->memory, &have, err);
    }
    if (status == KEN_OK) {
        r->n_rows = have.n_rows;
        status = choose_columns(r, &have, names, n_names, &sql, err);
    }
    if (status == KEN_OK && kind == TABLE_PARQUET)
        status = read_metadata(r, paths[0], err);
    if (kind == TABLE_PARQUET && source.data)
        r->source_sql = arena_strndup(&r->memory, source.data, source.size);
    buf_printf(&sql, " FROM %s", source.data ? source.data : "");
    if (status == KEN_OK)
        status = execute(r, &sql, err);
    buf_free(&source);
    buf_free(&sql);
    return status;
}

ken_status table_reader_open(const char *const *paths, size_t n_paths, const char *const *columns,
                             size_t n_columns, table_reader **out, ken_error *err) {
    *out = NULL;
    table_reader *r = mem_zalloc(1, sizeof *r);
    if (!r)
        return error_no_memory(err, sizeof *r);
    ken_status status = start(r, paths, n_paths, columns, n_columns, err);
    if (status == KEN_OK)
        *out = r;
    else
        table_reader_close(r);
    return status;
}

void table_reader_close(table_reader *r) {
    if (!r)
        return;
    if (r->chunk)
        duck.destroy_data_chunk(&r->chunk);
    if (r->has_result)
        duck.destroy_result(&r->result);
    if (r->statement)
        duck.destroy_prepare(&r->statement);
    duck_close(&r->session);
    arena_free(&r->memory);
    mem_free(r);
}

size_t table_reader_n_columns(const table_reader *r) {
    return r->n_columns;
}

const char *table_reader_column_name(const table_reader *r, size_t column_index) {
    return r->columns[column_index].name;
}

table_type table_reader_column_type(const table_reader *r, size_t column_index, int *width) {
    if (width)
        *width = r->columns[column_index].width;
    return r->columns[column_index].type;
}

uint64_t table_reader_n_rows(const table_reader *r) {
    return r->n_rows;
}

const char *table_library_version(void) {
    return duck_load(NULL) == KEN_OK ? duck.library_version() : NULL;
}
