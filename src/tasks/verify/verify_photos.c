/* tasks/verify/verify_photos.c: goldens.json, from the photo's file and the text to the embeddings:
 *
 *   {"files": [...], "image_embeddings": [[...]], "prompts": [...], "ids": [[...]],
 *    "text_embeddings": [[...]], "logit_scale": 100.0}
 *
 * ids without padding. */
#include "base/doc.h"
#include "base/file.h"
#include "tasks/verify/verify_report.h"

#include <string.h>

enum { max_json_bytes = 256 << 20 };

typedef struct photos {
    const ken_model *model;
    ken_session *session;
    const char *path;   /* of the goldens */
    const char *folder; /* of the photos; NULL */
    const json_t *goldens;
    verify_report *report;
    ken_error *err;
    ken_model_info info;
} photos;

/* Two arrays of the same length that belong together; *n is 0 when one of them is absent. */
static ken_status get_pair(photos *p, const char *a_key, const char *b_key, const json_t **a,
                           const json_t **b, size_t *n) {
    *a = *b = NULL;
    *n = 0;
    TRY(doc_get_array(p->goldens, a_key, p->path, a, p->err));
    TRY(doc_get_array(p->goldens, b_key, p->path, b, p->err));
    if (!*a || !*b)
        return KEN_OK;
    *n = json_array_size(*a);
    if (json_array_size(*b) != *n)
        return error_set(p->err, KEN_BAD_FORMAT, "'%s': '%s' has %zu items, '%s' %zu", p->path,
                         a_key, *n, b_key, json_array_size(*b));
    return KEN_OK;
}

/* One vector of E numbers. */
static ken_status get_vector(photos *p, const char *key, const json_t *vectors, size_t index,
                             float *out) {
    const json_t *vector = json_array_get(vectors, index);
    size_t width = (size_t)p->info.embedding_width;
    if (!json_is_array(vector) || json_array_size(vector) != width)
        return error_set(p->err, KEN_BAD_FORMAT,
                         "'%s': '%s' item %zu is not an array of %zu numbers", p->path, key, index,
                         width);
    for (size_t i = 0; i < width; i++) {
        const json_t *value = json_array_get(vector, i);
        if (!json_is_number(value))
            return error_set(p->err, KEN_BAD_FORMAT,
                             "'%s': '%s' item %zu holds something that is "
                             "not a number",
                             p->path, key, index);
        out[i] = (float)json_number_value(value);
    }
    return KEN_OK;
}

static ken_status get_text(photos *p, const char *key, const json_t *texts, size_t index,
                           const char **out) {
    *out = json_string_value(json_array_get(texts, index));
    if (*out)
        return KEN_OK;
    return error_set(p->err, KEN_BAD_FORMAT, "'%s': '%s' item %zu is not a string", p->path, key,
                     index);
}

/* The photo under the folder, or under it without the leading folders of its name: a copy of part
 * of a data set still serves. KEN_REFUSED when a name leads out of the folder. */
static ken_status find_photo(photos *p, const char *name, buf *path) {
    for (const char *rest = name; rest;) {
        ken_status status = file_resolve_inside(p->folder, rest, path, p->err);
        if (status != KEN_NOT_FOUND)
            return status;
        rest = strchr(rest, '/');
        rest = rest ? rest + 1 : NULL;
    }
    return error_set(p->err, KEN_NOT_FOUND, "photo '%s' of '%s' is not in '%s'", name, p->path,
                     p->folder);
}

typedef ken_status encode_fn(photos *p, size_t index, const json_t *items, float *out);

static ken_status encode_photo(photos *p, size_t index, const json_t *items, float *out) {
    const char *name;
    TRY(get_text(p, "files", items, index, &name));
    buf path;
    buf_init(&path, 1 << 16);
    ken_status status = find_photo(p, name, &path);
    if (status == KEN_OK)
        status = ken_session_encode_file(p->session, path.data, out, p->err);
    buf_free(&path);
    return status;
}

static ken_status encode_prompt(photos *p, size_t index, const json_t *items, float *out) {
    const char *text;
    TRY(get_text(p, "prompts", items, index, &text));
    return ken_session_encode_text(p->session, text, out, NULL, p->err);
}

/* Encodes every item and compares the embeddings in one row of the report. */
static ken_status compare_embeddings(photos *p, const char *items_key, const char *vectors_key,
                                     encode_fn *encode) {
    const json_t *items, *vectors;
    size_t n, width = (size_t)p->info.embedding_width;
    TRY(get_pair(p, items_key, vectors_key, &items, &vectors, &n));
    if (n == 0)
        return KEN_OK;
    float *got = mem_zalloc(n * width, sizeof *got);
    float *expected = mem_zalloc(n * width, sizeof *expected);
    ken_status status = got && expected ? KEN_OK : error_no_memory(p->err, n * width * sizeof *got);
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        status = get_vector(p, vectors_key, vectors, i, expected + i * width);
        if (status == KEN_OK)
            status = encode(p, i, items, got + i * width);
    }
    if (status == KEN_OK)
        status = report_compare(p->report, vectors_key, got, expected, NULL, n, width, p->err);
    mem_free(got);
    mem_free(expected);
    return status;
}

/* The difference of one text's ids, or KEN_OK and `same`. */
static ken_status same_ids(photos *p, const char *text, const json_t *expected, int32_t *ids,
                           bool *same) {
    ken_token_info tokens;
    TRY(ken_model_tokenize(p->model, text, strlen(text), ids, &tokens, p->err));
    size_t n = json_array_size(expected);
    *same = n == (size_t)tokens.n_tokens;
    for (size_t i = 0; i < n && *same; i++)
        *same = json_integer_value(json_array_get(expected, i)) == ids[i];
    return KEN_OK;
}

static ken_status compare_ids(photos *p) {
    const json_t *texts, *ids;
    size_t n;
    TRY(get_pair(p, "prompts", "ids", &texts, &ids, &n));
    int32_t *computed = mem_zalloc((size_t)p->info.context_length, sizeof *computed);
    if (!computed)
        return error_no_memory(p->err, (size_t)p->info.context_length * sizeof *computed);
    ken_status status = KEN_OK;
    size_t n_different = 0, first = 0;
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        const char *text;
        bool same = false;
        status = get_text(p, "prompts", texts, i, &text);
        if (status == KEN_OK)
            status = same_ids(p, text, json_array_get(ids, i), computed, &same);
        if (!same && n_different++ == 0)
            first = i;
    }
    mem_free(computed);
    TRY(status);
    if (n_different)
        return report_problem(p->report, "token_ids", p->err,
                              "%zu of %zu texts have other ids, the first is text %zu", n_different,
                              n, first);
    return n ? report_same(p->report, "token_ids", n, p->err) : KEN_OK;
}

static ken_status compare_scale(photos *p) {
    double expected = 0;
    TRY(doc_get_double(p->goldens, "logit_scale", p->path, 0, 1e9, &expected, p->err));
    if (expected == 0)
        return KEN_OK;
    float value = (float)expected;
    return report_compare(p->report, "logit_scale", &p->info.logit_scale, &value, NULL, 1, 1,
                          p->err);
}

static ken_status compare_all(photos *p) {
    TRY(compare_ids(p));
    TRY(compare_embeddings(p, "prompts", "text_embeddings", encode_prompt));
    if (p->folder)
        TRY(compare_embeddings(p, "files", "image_embeddings", encode_photo));
    TRY(compare_scale(p));
    if (p->report->n_rows == 0)
        return error_set(p->err, KEN_BAD_FORMAT, "'%s' holds nothing to compare", p->path);
    return KEN_OK;
}

ken_status verify_photos(const ken_model *model, const char *path, const verify_options *options,
                         verify_report *report, ken_error *err) {
    photos p = {
        .model = model, .path = path, .folder = options->photos, .report = report, .err = err};
    ken_model_get_info(model, &p.info);
    json_t *goldens;
    TRY(doc_read(path, max_json_bytes, &goldens, err));
    p.goldens = goldens;
    ken_status status = ken_session_new(
        model, &(ken_session_options){.max_batch = 1, .pool = options->pool}, &p.session, err);
    if (status == KEN_OK)
        status = compare_all(&p);
    ken_session_free(p.session);
    json_decref(goldens);
    return status;
}
