/* formats/duck.h: libduckdb, loaded when first needed, and private databases in it.
 *
 * Every session is an in-memory database with one thread (so that the bytes written depend on
 * nothing but the rows), a memory limit, no spilling to disk, no extensions and no home directory.
 */
#ifndef KEN_FORMATS_DUCK_H
#define KEN_FORMATS_DUCK_H

#include "base/buf.h"

#include <duckdb.h>

typedef struct duck_api {
#define DUCK(name) __typeof__(duckdb_##name) *name;
#include "formats/duck.def"
#undef DUCK
} duck_api;

/* The functions; valid after a duck_load that succeeded. */
extern duck_api duck;
KEN_MUST_CHECK ken_status duck_load(ken_error *err);

typedef struct duck_session {
    duckdb_database database;
    duckdb_connection connection;
} duck_session;

typedef enum duck_purpose { DUCK_READ, DUCK_WRITE } duck_purpose;

KEN_MUST_CHECK ken_status duck_open(duck_session *s, duck_purpose purpose, ken_error *err);
void duck_close(duck_session *s);

/* Runs a statement. `result` may be NULL; else it is to be destroyed when KEN_OK is returned.
 * `doing`
 * ("read 'a.parquet'") stands in the message. */
KEN_MUST_CHECK ken_status duck_query(const duck_session *s, const char *sql, const char *doing,
                                     duckdb_result *result, ken_error *err);
/* Fails with DuckDB's reason as one line; KEN_TOO_LARGE when it is the session's memory limit. */
ken_status duck_fail(duckdb_error_type type, const char *reason, const char *doing, ken_error *err);

/* 'text' or "text" as SQL, quotes in it doubled. */
bool duck_quote(buf *sql, char quote, const char *text);
/* The absolute form of a path as a SQL string: not taken for a URL, nor, where a pattern is
 * expected (reading), for one. */
KEN_MUST_CHECK ken_status duck_quote_path(buf *sql, const char *path, bool is_pattern,
                                          ken_error *err);

#endif
