/* tasks/classify/prompts_embed.c: the vectors of prompts: from an earlier run's, else encoded. */
#include "base/utf8.h"
#include "tasks/classify/prompt_cache.h"
#include "tasks/classify/prompts.h"

#include <string.h>

enum { batch = 64, max_warnings = 10, shown_characters = 60 };

typedef struct embedding {
    const prompts *p;
    const ken_model *model;
    size_t context, dim;
    float *out;       /* [n_texts, E] */
    int32_t *ids;     /* [n_texts, context] */
    prompt_key *keys; /* [n_texts] */
    size_t *unknown;  /* [n_unknown] texts to encode */
    size_t n_unknown;
    int32_t *batch_ids;   /* [batch, context] */
    float *vectors;       /* [n_unknown, E], in their order */
    prompt_key *new_keys; /* [n_unknown] */
} embedding;

void prompt_put_short(buf *out, const char *text) {
    size_t size = strlen(text), at = 0;
    for (int n = 0; at < size && n < shown_characters; n++) {
        uint32_t code;
        size_t bytes = utf8_decode(text + at, size - at, &code);
        if (code < ' ')
            buf_putc(out, ' ');
        else
            buf_append(out, text + at, bytes);
        at += bytes;
    }
    if (at < size)
        buf_puts(out, "...");
}

/* Says that a text was cut; the first few of them by name. */
static ken_status warn_of_cut(const embedding *e, const char *text, size_t n_cut, buf *warnings,
                              ken_error *err) {
    size_t n_tokens;
    if (n_cut > max_warnings)
        return KEN_OK;
    TRY(tokenizer_count(model_tokenizer(e->model), text, strlen(text), &n_tokens, err));
    buf_puts(warnings, "prompt '");
    prompt_put_short(warnings, text);
    buf_printf(warnings, "' has %zu tokens, the model reads %zu: the rest was cut\n", n_tokens,
               e->context);
    return buf_check(warnings, err);
}

static ken_status tokenize(embedding *e, buf *warnings, ken_error *err) {
    size_t n_cut = 0;
    for (size_t i = 0; i < e->p->n_texts; i++) {
        const char *text = e->p->texts[i];
        int32_t *ids = e->ids + i * e->context;
        ken_token_info info;
        TRY(ken_model_tokenize(e->model, text, strlen(text), ids, &info, err));
        TRY(prompt_key_of(ids, e->context, &e->keys[i], err));
        if (info.truncated && warnings)
            TRY(warn_of_cut(e, text, ++n_cut, warnings, err));
    }
    if (n_cut > max_warnings)
        buf_printf(warnings, "%zu more prompts were cut to %zu tokens\n", n_cut - max_warnings,
                   e->context);
    return warnings ? buf_check(warnings, err) : KEN_OK;
}

static void recall(embedding *e, const prompt_cache *known) {
    for (size_t i = 0; i < e->p->n_texts; i++) {
        const float *vector = prompt_cache_find(known, &e->keys[i]);
        if (vector)
            memcpy(e->out + i * e->dim, vector, e->dim * sizeof *vector);
        else
            e->unknown[e->n_unknown++] = i;
    }
}

static ken_status encode(embedding *e, ken_pool *pool, ken_error *err) {
    ken_session *session;
    TRY(ken_session_new(e->model, &(ken_session_options){.max_batch = batch, .pool = pool},
                        &session, err));
    ken_status status = KEN_OK;
    for (size_t first = 0; first < e->n_unknown && status == KEN_OK; first += batch) {
        size_t n = e->n_unknown - first < batch ? e->n_unknown - first : batch;
        for (size_t i = 0; i < n; i++)
            memcpy(e->batch_ids + i * e->context, e->ids + e->unknown[first + i] * e->context,
                   e->context * sizeof *e->ids);
        status = ken_session_encode_tokens(session, e->batch_ids, (int)n,
                                           e->vectors + first * e->dim, err);
    }
    ken_session_free(session);
    for (size_t i = 0; i < e->n_unknown && status == KEN_OK; i++) {
        memcpy(e->out + e->unknown[i] * e->dim, e->vectors + i * e->dim,
               e->dim * sizeof *e->vectors);
        e->new_keys[i] = e->keys[e->unknown[i]];
    }
    return status;
}

static ken_status encode_unknown(embedding *e, const prompt_cache *known, ken_pool *pool,
                                 ken_error *err) {
    if (e->n_unknown == 0)
        return KEN_OK;
    e->batch_ids = mem_zalloc(batch * e->context, sizeof *e->batch_ids);
    e->vectors = mem_zalloc(e->n_unknown * e->dim, sizeof *e->vectors);
    e->new_keys = mem_zalloc(e->n_unknown, sizeof *e->new_keys);
    if (!e->batch_ids || !e->vectors || !e->new_keys)
        return error_no_memory(err, e->n_unknown * e->dim * sizeof *e->vectors);
    TRY(encode(e, pool, err));
    prompt_cache_keep(known, e->model, e->new_keys, e->vectors, e->n_unknown);
    return KEN_OK;
}

static ken_status embed(embedding *e, ken_pool *pool, buf *warnings, ken_error *err) {
    size_t n = e->p->n_texts;
    e->ids = mem_zalloc(n * e->context, sizeof *e->ids);
    e->keys = mem_zalloc(n, sizeof *e->keys);
    e->unknown = mem_zalloc(n, sizeof *e->unknown);
    if (!e->ids || !e->keys || !e->unknown)
        return error_no_memory(err, n * e->context * sizeof *e->ids);
    TRY(tokenize(e, warnings, err));
    prompt_cache known;
    prompt_cache_open(&known, e->model, e->dim);
    recall(e, &known);
    ken_status status = encode_unknown(e, &known, pool, err);
    prompt_cache_close(&known);
    return status;
}

ken_status prompts_embed(const prompts *p, const ken_model *model, ken_pool *pool, float *out,
                         buf *warnings, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    embedding e = {
        .p = p,
        .model = model,
        .context = (size_t)info.context_length,
        .dim = (size_t)info.embedding_width,
        .out = out,
    };
    ken_status status = embed(&e, pool, warnings, err);
    mem_free(e.ids);
    mem_free(e.keys);
    mem_free(e.unknown);
    mem_free(e.batch_ids);
    mem_free(e.vectors);
    mem_free(e.new_keys);
    return status;
}
