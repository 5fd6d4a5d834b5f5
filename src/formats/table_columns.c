/* formats/table_columns.c: maps DuckDB's many types to the few of table.h. */
#include "formats/table_columns.h"

#include "formats/table_source.h"

#include <string.h>

/* ---- types ------------------------------------------------------------------------------------
 */

static bool has_bytes_field(duckdb_logical_type type) {
    for (idx_t i = 0; i < duck.struct_type_child_count(type); i++) {
        char *name = duck.struct_type_child_name(type, i);
        duckdb_logical_type child = duck.struct_type_child_type(type, i);
        bool found =
            name && strcmp(name, "bytes") == 0 && duck.get_type_id(child) == DUCKDB_TYPE_BLOB;
        duck.destroy_logical_type(&child);
        duck.free(name);
        if (found)
            return true;
    }
    return false;
}

static bool holds_fractions(duckdb_logical_type list, bool is_array) {
    duckdb_logical_type child =
        is_array ? duck.array_type_child_type(list) : duck.list_type_child_type(list);
    duckdb_type id = duck.get_type_id(child);
    duck.destroy_logical_type(&child);
    return id == DUCKDB_TYPE_FLOAT || id == DUCKDB_TYPE_DOUBLE || id == DUCKDB_TYPE_DECIMAL;
}

/* The type that a column is given as, and the SQL around its name that makes it so. */
typedef struct mapping {
    table_type type;
    const char *before, *after;
} mapping;

static const mapping to_text = {TABLE_TEXT, "CAST(", " AS VARCHAR)"};
static const mapping to_integer = {TABLE_INT64, "CAST(", " AS BIGINT)"};
static const mapping to_double = {TABLE_DOUBLE, "CAST(", " AS DOUBLE)"};
static const mapping to_vector = {TABLE_VECTOR, "CAST(", " AS FLOAT[])"};

static mapping map_type(duckdb_logical_type type) {
    switch (duck.get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
        return (mapping){TABLE_BOOL, "", ""};
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
        return to_integer;
    case DUCKDB_TYPE_FLOAT:
        return (mapping){TABLE_FLOAT, "", ""};
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL:
        return to_double;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return (mapping){TABLE_TIMESTAMP, "epoch_us(", ")"};
    case DUCKDB_TYPE_BLOB:
        return (mapping){TABLE_BLOB, "", ""};
    case DUCKDB_TYPE_STRUCT:
        if (has_bytes_field(type))
            return (mapping){TABLE_BLOB, "struct_extract(", ", 'bytes')"};
        return to_text;
    case DUCKDB_TYPE_LIST:
        return holds_fractions(type, false) ? to_vector : to_text;
    case DUCKDB_TYPE_ARRAY:
        return holds_fractions(type, true) ? to_vector : to_text;
    default: /* 64 and 128 bits unsigned included: they may not fit TABLE_INT64 */
        return to_text;
    }
}

static ken_status set_mapping(source_column *column, const mapping *how, arena *memory,
                              ken_error *err) {
    buf sql;
    buf_init(&sql, 1 << 20);
    buf_puts(&sql, how->before);
    duck_quote(&sql, '"', column->name);
    buf_puts(&sql, how->after);
    ken_status status = buf_check(&sql, err);
    if (status == KEN_OK) {
        column->type = how->type;
        column->expression = arena_strndup(memory, sql.data, sql.size);
        if (!column->expression)
            status = error_no_memory(err, sql.size + 1);
    }
    buf_free(&sql);
    return status;
}

/* ---- names ------------------------------------------------------------------------------------
 */

static ken_status list_columns(duckdb_prepared_statement statement, arena *memory,
                               source_columns *out, ken_error *err) {
    size_t n = duck.prepared_statement_column_count(statement);
    out->items = arena_array(memory, n, sizeof *out->items);
    if (!out->items)
        return error_no_memory(err, n * sizeof *out->items);
    for (size_t i = 0; i < n; i++) {
        const char *name = duck.prepared_statement_column_name(statement, i);
        source_column *column = &out->items[i];
        column->name = arena_strdup(memory, name ? name : "");
        duck.free((void *)(uintptr_t)name);
        if (!column->name)
            return error_no_memory(err, 1);
        duckdb_logical_type type = duck.prepared_statement_column_logical_type(statement, i);
        mapping how = map_type(type);
        duck.destroy_logical_type(&type);
        TRY(set_mapping(column, &how, memory, err));
        out->n_items++;
    }
    return KEN_OK;
}

static ken_status describe(const duck_session *s, const char *source_sql, const char *doing,
                           arena *memory, source_columns *out, ken_error *err) {
    buf sql;
    buf_init(&sql, TABLE_MAX_SQL_BYTES);
    buf_printf(&sql, "SELECT * FROM %s", source_sql);
    ken_status status = buf_check(&sql, err);
    duckdb_prepared_statement statement = NULL;
    if (status == KEN_OK && duck.prepare(s->connection, sql.data, &statement) != DuckDBSuccess)
        status = duck_fail(DUCKDB_ERROR_INVALID_INPUT, duck.prepare_error(statement), doing, err);
    if (status == KEN_OK)
        status = list_columns(statement, memory, out, err);
    duck.destroy_prepare(&statement);
    buf_free(&sql);
    return status;
}

/* ---- contents ---------------------------------------------------------------------------------
 */

/* 000123 and +5 are text: a number is what is written as numbers are written. */
static const char integer_pattern[] = "-?(0|[1-9][0-9]{0,17})";
static const char number_pattern[] = "-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]{1,3})?";

/* count(*), and for every column of a text table whether all of it are integers, and numbers. */
static void put_survey(buf *sql, const char *source_sql, bool is_text,
                       const source_columns *columns) {
    const char *const patterns[] = {integer_pattern, number_pattern};
    buf_puts(sql, "SELECT count(*)");
    for (size_t i = 0; is_text && i < columns->n_items; i++)
        for (int k = 0; k < 2; k++) {
            buf_puts(sql, ", coalesce(bool_and(regexp_full_match(");
            duck_quote(sql, '"', columns->items[i].name);
            buf_printf(sql, ", '%s')), false)", patterns[k]);
        }
    buf_printf(sql, " FROM %s", source_sql);
}

static bool survey_bool(duckdb_data_chunk chunk, size_t index) {
    const bool *values = duck.vector_get_data(duck.data_chunk_get_vector(chunk, index));
    return values[0];
}

static ken_status apply_survey(duckdb_data_chunk chunk, bool is_text, arena *memory,
                               source_columns *out, ken_error *err) {
    const int64_t *count = duck.vector_get_data(duck.data_chunk_get_vector(chunk, 0));
    out->n_rows = (uint64_t)count[0];
    for (size_t i = 0; is_text && i < out->n_items; i++) {
        if (survey_bool(chunk, 1 + 2 * i))
            TRY(set_mapping(&out->items[i], &to_integer, memory, err));
        else if (survey_bool(chunk, 2 + 2 * i))
            TRY(set_mapping(&out->items[i], &to_double, memory, err));
    }
    return KEN_OK;
}

static ken_status survey(const duck_session *s, const char *source_sql, bool is_text,
                         const char *doing, arena *memory, source_columns *out, ken_error *err) {
    buf sql;
    buf_init(&sql, TABLE_MAX_SQL_BYTES);
    put_survey(&sql, source_sql, is_text, out);
    ken_status status = buf_check(&sql, err);
    duckdb_result result;
    if (status == KEN_OK)
        status = duck_query(s, sql.data, doing, &result, err);
    buf_free(&sql);
    TRY(status);
    duckdb_data_chunk chunk = duck.fetch_chunk(result);
    if (chunk && duck.data_chunk_get_size(chunk) == 1)
        status = apply_survey(chunk, is_text, memory, out, err);
    else
        status = duck_fail(DUCKDB_ERROR_INVALID_INPUT, "it could not be counted", doing, err);
    if (chunk)
        duck.destroy_data_chunk(&chunk);
    duck.destroy_result(&result);
    return status;
}

ken_status table_describe(const duck_session *s, const char *source_sql, bool is_text,
                          const char *doing, arena *memory, source_columns *out, ken_error *err) {
    *out = (source_columns){0};
    TRY(describe(s, source_sql, doing, memory, out, err));
    return survey(s, source_sql, is_text, doing, memory, out, err);
}
