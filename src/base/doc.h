/* base/doc.h: strict JSON (RFC 8259, through jansson) with getters that say what was expected.
 *
 * Duplicate keys, trailing bytes, invalid UTF-8 and nesting deeper than 1024 are errors. A getter
 * returns KEN_OK and leaves *out alone when the key is absent (or null), so the caller's default
 * stands; it fails when the value has another type or is out of range. `where` names the file in
 * messages. Values belong to their document. */
#ifndef KEN_BASE_DOC_H
#define KEN_BASE_DOC_H

#include "base/error.h"

#include <jansson.h>

/* Frees with json_decref. `where` appears in messages only. */
KEN_MUST_CHECK ken_status doc_parse(const char *text, size_t size, const char *where, json_t **out,
                                    ken_error *err);
/* As doc_parse, but integers become reals, so that they may have any size: tokenizer_config.json
 * says 10^30 for "no limit". */
KEN_MUST_CHECK ken_status doc_parse_reals(const char *text, size_t size, const char *where,
                                          json_t **out, ken_error *err);
/* Reads a file of at most `max_bytes`. */
KEN_MUST_CHECK ken_status doc_read(const char *path, size_t max_bytes, json_t **out,
                                   ken_error *err);

KEN_MUST_CHECK ken_status doc_get_int(const json_t *object, const char *key, const char *where,
                                      int64_t min, int64_t max, int64_t *out, ken_error *err);
KEN_MUST_CHECK ken_status doc_get_double(const json_t *object, const char *key, const char *where,
                                         double min, double max, double *out, ken_error *err);
KEN_MUST_CHECK ken_status doc_get_bool(const json_t *object, const char *key, const char *where,
                                       bool *out, ken_error *err);
/* *out points into the document. */
KEN_MUST_CHECK ken_status doc_get_string(const json_t *object, const char *key, const char *where,
                                         const char **out, ken_error *err);
KEN_MUST_CHECK ken_status doc_get_object(const json_t *object, const char *key, const char *where,
                                         const json_t **out, ken_error *err);
KEN_MUST_CHECK ken_status doc_get_array(const json_t *object, const char *key, const char *where,
                                        const json_t **out, ken_error *err);

#endif
