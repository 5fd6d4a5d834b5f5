/* tokenizer.json, and vocab.json with merges.txt: the model, its vocabulary and the added tokens.
 */
#include "base/doc.h"
#include "base/mem.h"
#include "text/tables_json.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_steps.h"

#include <math.h>
#include <string.h>

static const char vocab_json[] = "vocab.json";

/* A tokenizer.json: its text, and its tables when they were cut out of it. */
typedef struct source {
    const char *text;
    tables_json tables;
    bool odd; /* a table could not be read: the parser has to look at it */
    const char *where;
} source;

static ken_status parse_vocab(tokenizer *t, const json_t *map, const char *where, ken_error *err) {
    if (!json_is_object(map))
        return error_set(err, KEN_BAD_FORMAT, "'%s': the vocabulary is not an object", where);
    void *at = json_object_iter((json_t *)(uintptr_t)map);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)map, at)) {
        const json_t *id = json_object_iter_value(at);
        const char *piece = json_object_iter_key(at);
        if (!json_is_integer(id))
            return error_set(err, KEN_BAD_FORMAT, "'%s': the id of token '%.100s' is no integer",
                             where, piece);
        ken_status status =
            vocab_add(&t->vocab, piece, json_object_iter_key_len(at), json_integer_value(id), err);
        if (status != KEN_OK)
            return error_prefix(err, status, "'%s'", where);
    }
    return KEN_OK;
}

static ken_status parse_merge(tokenizer *t, const json_t *merge, size_t index, const char *where,
                              ken_error *err) {
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_is_string(merge))
        return bpe_add_merge_lines(&t->bpe, json_string_value(merge), json_string_length(merge),
                                   err);
    if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': merge %zu is neither a string nor a pair of strings", where, index);
    return bpe_add_merge(&t->bpe, json_string_value(left), json_string_length(left),
                         json_string_value(right), json_string_length(right), err);
}

/* What a cut-out table's reader came to. */
static ken_status note_odd(source *src, ken_status status) {
    src->odd = src->odd || status != KEN_OK;
    return status;
}

static ken_status parse_vocab_or_table(tokenizer *t, const json_t *model, source *src,
                                       ken_error *err) {
    if (src->tables.vocab.end)
        return note_odd(src, tables_json_add_vocab(&t->vocab, src->text, src->tables.vocab, err));
    return parse_vocab(t, json_object_get(model, "vocab"), src->where, err);
}

static ken_status parse_merges(tokenizer *t, const json_t *model, source *src, ken_error *err) {
    const char *where = src->where;
    if (src->tables.merges.end)
        return note_odd(src, tables_json_add_merges(&t->bpe, src->text, src->tables.merges, err));
    const json_t *merges = json_object_get(model, "merges");
    if (!json_is_array(merges))
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'merges' is missing or not an array", where);
    if (json_array_size(merges) > bpe_max_merges)
        return error_set(err, KEN_TOO_LARGE, "'%s': %zu merges, the limit is %d", where,
                         json_array_size(merges), bpe_max_merges);
    for (size_t i = 0; i < json_array_size(merges); i++) {
        ken_status status = parse_merge(t, json_array_get(merges, i), i, where, err);
        if (status != KEN_OK)
            return error_prefix(err, status, "'%s'", where);
    }
    return KEN_OK;
}

static ken_status parse_affix(const json_t *model, const char *key, const char *where,
                              char out[bpe_max_affix_bytes], ken_error *err) {
    const char *text = "";
    TRY(doc_get_string(model, key, where, &text, err));
    size_t size = strlen(text);
    if (size >= bpe_max_affix_bytes)
        return error_set(err, KEN_TOO_LARGE, "'%s': '%s' has %zu bytes, the limit is %d", where,
                         key, size, bpe_max_affix_bytes - 1);
    memcpy(out, text, size + 1);
    return KEN_OK;
}

static ken_status parse_bpe(tokenizer *t, const json_t *model, source *src, ken_error *err) {
    const char *where = src->where;
    double dropout = 0;
    TRY(doc_get_double(model, "dropout", where, 0, 1, &dropout, err));
    if (dropout > 0)
        return error_set(err, KEN_UNSUPPORTED, "'%s': 'dropout' %g is not supported", where,
                         dropout);
    bool byte_fallback = false;
    const char *unknown = NULL;
    bpe *b = &t->bpe;
    TRY(doc_get_bool(model, "fuse_unk", where, &b->fuse_unknown, err));
    TRY(doc_get_bool(model, "ignore_merges", where, &b->ignore_merges, err));
    TRY(doc_get_bool(model, "byte_fallback", where, &byte_fallback, err));
    TRY(doc_get_string(model, "unk_token", where, &unknown, err));
    TRY(parse_affix(model, "continuing_subword_prefix", where, b->prefix, err));
    TRY(parse_affix(model, "end_of_word_suffix", where, b->suffix, err));
    TRY(parse_vocab_or_table(t, model, src, err));
    TRY(parse_merges(t, model, src, err));
    if (byte_fallback)
        bpe_use_byte_fallback(b);
    if (unknown) {
        b->unknown_id = vocab_find(&t->vocab, unknown, strlen(unknown));
        if (b->unknown_id < 0)
            return error_set(err, KEN_BAD_FORMAT,
                             "'%s': the unknown token '%.100s' is not in the vocabulary", where,
                             unknown);
    }
    t->unknown_id = b->unknown_id;
    return KEN_OK;
}

/* One [piece, score] of a Unigram vocabulary; its id is its index. */
static ken_status parse_scored_piece(tokenizer *t, const json_t *entry, size_t id,
                                     const char *where, codes *text, ken_error *err) {
    const json_t *piece = json_array_get(entry, 0), *score = json_array_get(entry, 1);
    double value = json_is_number(score) ? json_number_value(score) : NAN;
    if (!json_is_string(piece) || !isfinite(value))
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s': entry %zu of the vocabulary is not a piece and a score", where, id);
    const char *bytes = json_string_value(piece);
    size_t size = json_string_length(piece);
    TRY(vocab_add(&t->vocab, bytes, size, (int64_t)id, err));
    codes_clear(text);
    codes_append_utf8(text, bytes, size);
    TRY(codes_check(text, err));
    if (text->size)
        TRY(trie_add(&t->unigram.pieces, text->data, text->size, (int32_t)id, err));
    t->unigram.scores[id] = value;
    if (value < t->unigram.min_score)
        t->unigram.min_score = value;
    return KEN_OK;
}

static ken_status parse_unigram(tokenizer *t, const json_t *model, const char *where,
                                ken_error *err) {
    const json_t *list = json_object_get(model, "vocab");
    size_t n = json_array_size(list);
    if (n == 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s': the vocabulary is not a filled array", where);
    unigram *u = &t->unigram;
    t->is_unigram = true;
    u->scores = mem_zalloc(n, sizeof *u->scores);
    if (!u->scores)
        return error_no_memory(err, n * sizeof *u->scores);
    u->n_scores = n;
    u->min_score = INFINITY;
    codes text = {0};
    ken_status status = KEN_OK;
    for (size_t i = 0; status == KEN_OK && i < n; i++)
        status = parse_scored_piece(t, json_array_get(list, i), i, where, &text, err);
    codes_free(&text);
    TRY(status);
    int64_t unknown = -1;
    TRY(doc_get_int(model, "unk_id", where, 0, (int64_t)n - 1, &unknown, err));
    u->unknown_id = t->unknown_id = (int32_t)unknown;
    TRY(doc_get_bool(model, "byte_fallback", where, &u->byte_fallback, err));
    bpe_use_byte_fallback(&t->bpe);
    memcpy(u->byte_ids, t->bpe.byte_ids, sizeof u->byte_ids);
    return KEN_OK;
}

static ken_status parse_model(tokenizer *t, const json_t *root, source *src, ken_error *err) {
    const char *where = src->where;
    const json_t *model = NULL;
    TRY(doc_get_object(root, "model", where, &model, err));
    if (!model)
        return error_set(err, KEN_BAD_FORMAT, "'%s': 'model' is missing", where);
    /* Files of early versions leave the type out. */
    const char *type = json_object_get(model, "merges")   ? "BPE"
                       : json_object_get(model, "unk_id") ? "Unigram"
                                                          : "unknown";
    TRY(doc_get_string(model, "type", where, &type, err));
    if (strcmp(type, "BPE") == 0)
        return parse_bpe(t, model, src, err);
    if (strcmp(type, "Unigram") == 0)
        return parse_unigram(t, model, where, err);
    return error_hint(
        err, error_set(err, KEN_UNSUPPORTED, "'%s': model '%.100s' is not supported", where, type),
        "tokenizers of type BPE and Unigram are");
}

static ken_status parse_added_token(tokenizer *t, const json_t *entry, const char *where,
                                    ken_error *err) {
    const json_t *content = json_object_get(entry, "content");
    if (!json_is_string(content))
        return error_set(err, KEN_BAD_FORMAT, "'%s': an added token has no 'content'", where);
    int64_t id = -1;
    added_token token = {.normalized = true};
    TRY(doc_get_int(entry, "id", where, 0, vocab_max_id - 1, &id, err));
    TRY(doc_get_bool(entry, "normalized", where, &token.normalized, err));
    TRY(doc_get_bool(entry, "single_word", where, &token.single_word, err));
    TRY(doc_get_bool(entry, "lstrip", where, &token.lstrip, err));
    TRY(doc_get_bool(entry, "rstrip", where, &token.rstrip, err));
    if (json_string_length(content) == 0)
        return KEN_OK;
    return config_add_token(t, json_string_value(content), json_string_length(content), id, token,
                            err);
}

static ken_status parse_added_tokens(tokenizer *t, const json_t *root, const char *where,
                                     ken_error *err) {
    const json_t *list = NULL;
    TRY(doc_get_array(root, "added_tokens", where, &list, err));
    for (size_t i = 0; list && i < json_array_size(list); i++)
        TRY(parse_added_token(t, json_array_get(list, i), where, err));
    return KEN_OK;
}

/* The roles of CLIPTokenizer, and begin and end around the text. */
static ken_status use_clip_roles(tokenizer *t, const json_t *config, ken_error *err) {
    static const char begin[] = "<|startoftext|>", end[] = "<|endoftext|>";
    TRY(config_token_id(t, config, "bos_token", begin, &t->begin_id, err));
    TRY(config_token_id(t, config, "eos_token", end, &t->end_id, err));
    if (t->begin_id < 0 || t->end_id < 0)
        return error_set(err, KEN_BAD_FORMAT, "the vocabulary has no '%s' or no '%s'", begin, end);
    t->unknown_id = t->pad_id = t->end_id;
    TRY(config_token_id(t, config, "unk_token", NULL, &t->unknown_id, err));
    TRY(config_token_id(t, config, "pad_token", NULL, &t->pad_id, err));
    t->bpe.unknown_id = t->unknown_id;
    t->before[0] = t->begin_id;
    t->after[0] = t->end_id;
    t->n_before = t->n_after = 1;
    return config_add_roles(t, config, err);
}

/* transformers rebuilds a CLIP tokenizer from its vocabulary and merges and takes the rest of the
 * file for granted. */
static ken_status use_clip(tokenizer *t, ken_error *err) {
    if (t->is_unigram)
        return error_set(err, KEN_UNSUPPORTED, "a CLIP tokenizer of type Unigram is not supported");
    memcpy(t->bpe.suffix, "</w>", 5);
    t->bpe.prefix[0] = '\0';
    t->bpe.fuse_unknown = t->bpe.byte_fallback = t->bpe.ignore_merges = false;
    return steps_use_clip(t, err);
}

/* bos and eos around the text as add_bos_token and add_eos_token say, when they are given. */
static ken_status use_explicit_ends(tokenizer *t, const json_t *config, const char *where,
                                    ken_error *err) {
    const json_t *begin = json_object_get(config, "add_bos_token");
    const json_t *end = json_object_get(config, "add_eos_token");
    if (!begin && !end)
        return KEN_OK;
    bool add_begin = false, add_end = false;
    TRY(doc_get_bool(config, "add_bos_token", where, &add_begin, err));
    TRY(doc_get_bool(config, "add_eos_token", where, &add_end, err));
    t->n_before = t->n_after = 0;
    if (add_begin && t->begin_id >= 0)
        t->before[t->n_before++] = t->begin_id;
    if (add_end && t->end_id >= 0)
        t->after[t->n_after++] = t->end_id;
    return KEN_OK;
}

/* Sides and padding of the file, which the configuration may change. */
static ken_status parse_sides(tokenizer *t, const json_t *root, const char *where, ken_error *err) {
    const json_t *padding = NULL, *truncation = NULL;
    TRY(doc_get_object(root, "padding", where, &padding, err));
    TRY(doc_get_object(root, "truncation", where, &truncation, err));
    const char *pad_side = "Right", *cut_side = "Right";
    int64_t pad = t->pad_id;
    TRY(doc_get_string(padding, "direction", where, &pad_side, err));
    TRY(doc_get_string(truncation, "direction", where, &cut_side, err));
    TRY(doc_get_int(padding, "pad_id", where, 0, vocab_max_id - 1, &pad, err));
    t->pad_left = strcmp(pad_side, "Left") == 0;
    t->truncate_left = strcmp(cut_side, "Left") == 0;
    t->pad_id = (int32_t)pad;
    return KEN_OK;
}

static ken_status use_roles(tokenizer *t, const json_t *root, const json_t *config,
                            const char *where, ken_error *err) {
    TRY(config_token_id(t, config, "bos_token", NULL, &t->begin_id, err));
    TRY(config_token_id(t, config, "eos_token", NULL, &t->end_id, err));
    TRY(parse_sides(t, root, where, err));
    TRY(config_token_id(t, config, "pad_token", NULL, &t->pad_id, err));
    if (t->pad_id < 0)
        t->pad_id = vocab_find(&t->vocab, "<pad>", 5);
    if (t->pad_id < 0)
        t->pad_id = t->end_id;
    TRY(use_explicit_ends(t, config, where, err));
    if (t->end_id < 0 && t->n_after)
        t->end_id = t->after[t->n_after - 1];
    if (t->begin_id < 0 && t->n_before)
        t->begin_id = t->before[0];
    return config_add_roles(t, config, err);
}

static ken_status parse_steps(tokenizer *t, const json_t *root, const json_t *config,
                              const char *where, ken_error *err) {
    const char *class_name = "";
    TRY(doc_get_string(config, "tokenizer_class", where, &class_name, err));
    if (strcmp(class_name, "Siglip2Tokenizer") == 0)
        TRY(steps_prepend_lowercase(t, err));
    TRY(steps_parse_normalizer(t, json_object_get(root, "normalizer"), where, err));
    TRY(steps_parse_pretokenizer(t, json_object_get(root, "pre_tokenizer"), where, err));
    return steps_parse_post_processor(t, json_object_get(root, "post_processor"), where, err);
}

static ken_status parse_root(tokenizer *t, const json_t *root, const json_t *config, source *src,
                             ken_error *err) {
    bool clip = t->options.kind == TOKENIZER_CLIP_HF;
    const char *where = src->where;
    TRY(parse_model(t, root, src, err));
    TRY(clip ? use_clip(t, err) : parse_steps(t, root, config, where, err));
    TRY(parse_added_tokens(t, root, where, err));
    TRY(clip ? use_clip_roles(t, config, err) : use_roles(t, root, config, where, err));
    return config_sides(t, config, err);
}

/* Appends the text up to a table, and an empty one. */
static size_t skip_table(buf *rest, const char *text, size_t at, json_span table,
                         const char *empty) {
    if (!table.end)
        return at;
    buf_append(rest, text + at, table.begin - at);
    buf_puts(rest, empty);
    return table.end;
}

/* The document with empty tables; false when it cannot be had. */
static bool parse_without_tables(const source *src, size_t size, json_t **root) {
    buf rest;
    buf_init(&rest, size + 4);
    bool vocab_first = src->tables.vocab.begin < src->tables.merges.begin;
    size_t at = 0;
    if (vocab_first)
        at = skip_table(&rest, src->text, at, src->tables.vocab, "{}");
    at = skip_table(&rest, src->text, at, src->tables.merges, "[]");
    if (!vocab_first)
        at = skip_table(&rest, src->text, at, src->tables.vocab, "{}");
    buf_append(&rest, src->text + at, size - at);
    bool ok = !rest.failed && doc_parse(rest.data, rest.size, src->where, root, NULL) == KEN_OK;
    buf_free(&rest);
    return ok;
}

/* Reads the tables where they lie. False when the parser has to look at the whole file; then the
 * tokenizer is as it was. */
static bool parse_quickly(tokenizer *t, source *src, size_t size, const json_t *config,
                          ken_status *status, ken_error *err) {
    json_t *root = NULL;
    src->tables = tables_json_find(src->text, size);
    if (!(src->tables.vocab.end || src->tables.merges.end) ||
        !parse_without_tables(src, size, &root))
        return false;
    *status = parse_root(t, root, config, src, err);
    json_decref(root);
    if (src->odd && *status != KEN_NO_MEMORY) {
        vocab_free(&t->vocab);
        vocab_init(&t->vocab);
        bpe_free(&t->bpe);
        bpe_init(&t->bpe, &t->vocab);
        return false;
    }
    return true;
}

ken_status tokenizer_parse_json(tokenizer *t, const char *text, size_t size, const json_t *config,
                                const char *where, ken_error *err) {
    ken_status status;
    source src = {.text = text, .where = where};
    if (parse_quickly(t, &src, size, config, &status, err))
        return status;
    src = (source){.text = text, .where = where};
    json_t *root = NULL;
    TRY(doc_parse(text, size, where, &root, err));
    status = parse_root(t, root, config, &src, err);
    json_decref(root);
    return status;
}

ken_status tokenizer_parse_vocab_merges(tokenizer *t, const char *vocab_text, size_t vocab_size,
                                        const char *merges_text, size_t merges_size,
                                        const json_t *config, ken_error *err) {
    json_t *map = NULL;
    TRY(doc_parse(vocab_text, vocab_size, vocab_json, &map, err));
    ken_status status = parse_vocab(t, map, vocab_json, err);
    json_decref(map);
    TRY(status);
    status = bpe_add_merge_lines(&t->bpe, merges_text, merges_size, err);
    if (status != KEN_OK)
        return error_prefix(err, status, "'merges.txt'");
    TRY(use_clip(t, err));
    TRY(use_clip_roles(t, config, err));
    return config_sides(t, config, err);
}
