#include "cli/embed_texts.h"

#include "base/mem.h"
#include "cli/cli.h"

#include <string.h>

enum { max_batch = 16 };
static const size_t max_line_bytes = (size_t)1 << 28;

typedef struct printer {
    const ken_model *model;
    ken_session *session;
    int32_t *ids;      /* [max_batch, T] */
    float *embeddings; /* [max_batch, E] */
    int context_length, width;
    buf lines[max_batch]; /* each begins with what is printed before its embedding */
    int n;                /* texts in hand */
    uint64_t n_printed;
} printer;

static void put_head(buf *line, const input_item *item, const ken_token_info *info) {
    buf_clear(line);
    if (common.json) {
        buf_puts(line, "{\"id\":");
        buf_put_json(line, item->id, strlen(item->id));
        buf_puts(line, ",\"text\":");
        buf_put_json(line, (const char *)item->bytes, item->size);
        buf_printf(line, ",\"n_tokens\":%d,\"truncated\":%s,\"embedding\":", info->n_tokens,
                   info->truncated ? "true" : "false");
    } else if (info->truncated) {
        cli_note("ken embed: text '%s' was cut to %d tokens", item->id, info->n_tokens);
    }
    buf_putc(line, '[');
}

/* Nine digits say which float it is. */
static void put_embedding(buf *line, const float *embedding, int width) {
    for (int i = 0; i < width; i++)
        buf_printf(line, "%s%.9g", i ? "," : "", (double)embedding[i]);
    buf_puts(line, common.json ? "]}" : "]\n");
}

static ken_status print_batch(printer *p, ken_error *err) {
    if (p->n == 0)
        return KEN_OK;
    TRY(ken_session_encode_tokens(p->session, p->ids, p->n, p->embeddings, err));
    for (int i = 0; i < p->n; i++) {
        buf *line = &p->lines[i];
        put_embedding(line, p->embeddings + (size_t)i * (size_t)p->width, p->width);
        TRY(buf_check(line, err));
        if (common.json && p->n_printed)
            fputs(",\n", stdout);
        fwrite(line->data, 1, line->size, stdout);
        p->n_printed++;
    }
    p->n = 0;
    return KEN_OK;
}

/* False for a text that is left out. */
static bool take_text(printer *p, const input_item *item) {
    int32_t *ids = p->ids + (size_t)p->n * (size_t)p->context_length;
    ken_token_info info;
    ken_error why;
    if (item->stage) {
        cli_note("ken embed: text '%s': %s: %s", item->id, item->reason, item->detail);
        return false;
    }
    if (ken_model_tokenize(p->model, (const char *)item->bytes, item->size, ids, &info, &why) !=
        KEN_OK) {
        cli_note("ken embed: text '%s': %s", item->id, why.message);
        return false;
    }
    put_head(&p->lines[p->n++], item, &info);
    return true;
}

static ken_status print_all(printer *p, inputs *in, uint64_t *n_failed, ken_error *err) {
    for (;;) {
        input_item item;
        bool more;
        TRY(inputs_next(in, &item, &more, err));
        if (!more || cli_cancelled)
            break;
        *n_failed += !take_text(p, &item);
        if (p->n == max_batch)
            TRY(print_batch(p, err));
    }
    if (cli_cancelled)
        return error_set(err, KEN_CANCELLED, "interrupted");
    return print_batch(p, err);
}

static ken_status begin(printer *p, ken_pool *pool, ken_error *err) {
    ken_model_info info;
    ken_model_get_info(p->model, &info);
    p->context_length = info.context_length;
    p->width = info.embedding_width;
    p->ids = mem_zalloc(max_batch * (size_t)info.context_length, sizeof *p->ids);
    p->embeddings = mem_zalloc(max_batch * (size_t)info.embedding_width, sizeof *p->embeddings);
    if (!p->ids || !p->embeddings)
        return error_no_memory(err, max_batch * (size_t)info.context_length * sizeof *p->ids);
    for (int i = 0; i < max_batch; i++)
        buf_init(&p->lines[i], max_line_bytes);
    ken_session_options options = {.max_batch = max_batch, .pool = pool};
    return ken_session_new(p->model, &options, &p->session, err);
}

ken_status embed_print_texts(const ken_model *model, inputs *in, uint64_t *n_failed,
                             ken_error *err) {
    printer p = {.model = model};
    ken_pool *pool;
    *n_failed = 0;
    TRY(ken_pool_new(cli_threads(), &pool, err));
    ken_status status = begin(&p, pool, err);
    if (status == KEN_OK && common.json)
        fputs("[", stdout);
    if (status == KEN_OK)
        status = print_all(&p, in, n_failed, err);
    if (status == KEN_OK && common.json)
        fputs("]\n", stdout);
    for (int i = 0; i < max_batch; i++)
        buf_free(&p.lines[i]);
    ken_session_free(p.session);
    ken_pool_free(pool);
    mem_free(p.ids);
    mem_free(p.embeddings);
    return status;
}
