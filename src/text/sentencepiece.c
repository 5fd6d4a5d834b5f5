#include "text/sentencepiece.h"

#include "base/doc.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/clean.h"
#include "text/protobuf.h"
#include "text/tokenizer_config.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* What stands for a space in pieces. */
static const uint32_t mark = 0x2581;
static const char mark_text[] = "\xe2\x96\x81";

typedef enum piece_type {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,
    PIECE_USER_DEFINED = 4,
    PIECE_UNUSED = 5,
    PIECE_BYTE = 6,
} piece_type;

enum { model_unigram = 1 };

/* ---- the file ------------------------------------------------------------------------------- */

typedef struct model_piece {
    const char *text;
    size_t size;
    float score;
    piece_type type;
} model_piece;

static ken_status read_piece(protobuf message, model_piece *out, ken_error *err) {
    *out = (model_piece){"", 0, 0, PIECE_NORMAL};
    protobuf_field field;
    ken_status status = KEN_OK;
    while (protobuf_next(&message, &field, &status, err)) {
        if (field.number == 1 && field.wire == PROTOBUF_BYTES) {
            out->text = (const char *)field.bytes.data;
            out->size = field.bytes.size;
        } else if (field.number == 2) {
            out->score = protobuf_float(&field, out->score);
        } else if (field.number == 3 && field.wire == PROTOBUF_VARINT) {
            out->type = (piece_type)field.value;
        }
    }
    return status;
}

static ken_status add_searchable(tokenizer *t, const model_piece *piece, int32_t id, codes *text,
                                 ken_error *err) {
    codes_clear(text);
    codes_append_utf8(text, piece->text, piece->size);
    TRY(codes_check(text, err));
    TRY(trie_add(&t->unigram.pieces, text->data, text->size, id, err));
    if (piece->type != PIECE_USER_DEFINED)
        return KEN_OK;
    t->unigram.user_defined[id] = true;
    return trie_add(&t->sentencepiece.user_defined, text->data, text->size, id, err);
}

static ken_status add_piece(tokenizer *t, const model_piece *piece, codes *text, ken_error *err) {
    unigram *u = &t->unigram;
    size_t id = t->vocab.n_entries;
    if (piece->size == 0 || !utf8_valid(piece->text, piece->size) || !isfinite(piece->score))
        return error_set(err, KEN_BAD_FORMAT, "piece %zu is empty, no UTF-8 or has no finite score",
                         id);
    TRY(vocab_add(&t->vocab, piece->text, piece->size, (int64_t)id, err));
    u->scores[id] = piece->score;
    if (piece->type == PIECE_NORMAL) {
        u->min_score = piece->score < u->min_score ? piece->score : u->min_score;
        u->max_score = piece->score > u->max_score ? piece->score : u->max_score;
    }
    if (piece->type == PIECE_UNKNOWN)
        u->unknown_id = (int32_t)id;
    if (piece->type == PIECE_NORMAL || piece->type == PIECE_USER_DEFINED)
        return add_searchable(t, piece, (int32_t)id, text, err);
    return KEN_OK;
}

static ken_status read_normalizer(tokenizer *t, protobuf message, ken_error *err) {
    sentencepiece *s = &t->sentencepiece;
    protobuf_field field;
    ken_status status = KEN_OK;
    while (protobuf_next(&message, &field, &status, err)) {
        if (field.number == 2 && field.wire == PROTOBUF_BYTES) {
            charsmap_free(&s->map);
            status = charsmap_init(&s->map, field.bytes.data, field.bytes.size, err);
        } else if (field.number == 3) {
            s->add_dummy_prefix = field.value != 0;
        } else if (field.number == 4) {
            s->remove_extra_whitespaces = field.value != 0;
        } else if (field.number == 5) {
            s->escape_whitespaces = field.value != 0;
        }
    }
    return status;
}

static ken_status read_trainer(tokenizer *t, protobuf message, const char *where, ken_error *err) {
    protobuf_field field;
    ken_status status = KEN_OK;
    uint64_t type = model_unigram;
    bool suffix = false;
    while (protobuf_next(&message, &field, &status, err)) {
        if (field.number == 3)
            type = field.value;
        else if (field.number == 24)
            suffix = field.value != 0;
        else if (field.number == 35)
            t->unigram.byte_fallback = field.value != 0;
    }
    TRY(status);
    if (type != model_unigram)
        return error_hint(err,
                          error_set(err, KEN_UNSUPPORTED,
                                    "'%s': SentencePiece model type %llu is not supported, "
                                    "expected 1 (unigram)",
                                    where, (unsigned long long)type),
                          "put the model's tokenizer.json beside it");
    if (suffix)
        return error_set(err, KEN_UNSUPPORTED,
                         "'%s': 'treat_whitespace_as_suffix' is not supported", where);
    return KEN_OK;
}

static ken_status read_model(tokenizer *t, protobuf file, const char *where, ken_error *err) {
    codes text = {0};
    protobuf_field field;
    ken_status status = KEN_OK;
    while (protobuf_next(&file, &field, &status, err)) {
        if (field.wire != PROTOBUF_BYTES)
            continue;
        if (field.number == 1) {
            model_piece piece;
            status = read_piece(field.bytes, &piece, err);
            if (status == KEN_OK)
                status = add_piece(t, &piece, &text, err);
        } else if (field.number == 2) {
            status = read_trainer(t, field.bytes, where, err);
        } else if (field.number == 3) {
            status = read_normalizer(t, field.bytes, err);
        }
    }
    codes_free(&text);
    return status;
}

/* Counting first lets the arrays of scores be made once. */
static ken_status count_pieces(protobuf file, size_t *n, ken_error *err) {
    protobuf_field field;
    ken_status status = KEN_OK;
    *n = 0;
    while (protobuf_next(&file, &field, &status, err))
        *n += field.number == 1 && field.wire == PROTOBUF_BYTES;
    return status;
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* Puts the normal form of what begins the text and returns how many characters that took. */
static size_t normalize_prefix(const sentencepiece *s, const uint32_t *text, size_t n, codes *out) {
    size_t length = 0;
    if (trie_longest(&s->user_defined, text, n, &length) >= 0) {
        codes_append(out, text, length);
        return length;
    }
    char bytes[64];
    size_t size = 0;
    for (size_t i = 0; i < n && size + 4 <= sizeof bytes; i++)
        size += utf8_encode(text[i], bytes + size);
    const char *mapped = charsmap_find(&s->map, bytes, size, true, &length);
    if (!mapped) {
        codes_push(out, text[0]);
        return 1;
    }
    codes_append_utf8(out, mapped, strlen(mapped));
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        at += utf8_decode(bytes + at, size - at, &code);
        used++;
    }
    return used;
}

/* sentencepiece's Normalizer. */
static void normalize(const sentencepiece *s, const uint32_t *text, size_t n, codes *out) {
    uint32_t space = s->escape_whitespaces ? mark : ' ';
    codes part = {0};
    bool after_space = s->remove_extra_whitespaces;
    bool started = false;
    for (size_t i = 0; i < n;) {
        codes_clear(&part);
        i += normalize_prefix(s, text + i, n - i, &part);
        size_t from = 0;
        while (after_space && from < part.size && part.data[from] == ' ')
            from++;
        /* Spaces at the head go before the dummy prefix is thought of. */
        if (!started && s->remove_extra_whitespaces && from == part.size && part.size == 1)
            continue;
        if (!started && s->add_dummy_prefix)
            codes_push(out, space);
        started = true;
        for (size_t k = from; k < part.size; k++)
            codes_push(out, part.data[k] == ' ' ? space : part.data[k]);
        if (from < part.size)
            after_space = s->remove_extra_whitespaces && part.data[part.size - 1] == ' ';
    }
    while (s->remove_extra_whitespaces && out->size && out->data[out->size - 1] == space)
        out->size--;
    if (part.status != KEN_OK)
        out->status = part.status;
    codes_free(&part);
}

typedef struct encoder {
    const tokenizer *t;
    codes text, normal;
    unigram_scratch scratch;
} encoder;

static ken_status encode_plain(encoder *e, id_list *out, ken_error *err) {
    codes_clear(&e->normal);
    normalize(&e->t->sentencepiece, e->text.data, e->text.size, &e->normal);
    TRY(codes_check(&e->normal, err));
    return unigram_encode(&e->t->unigram, e->normal.data, e->normal.size, &e->scratch, out, err);
}

/* SiglipTokenizer._tokenize: the unknown token's text goes before the segment, so that
 * SentencePiece sees no beginning, and its ids are taken away again. */
static ken_status encode_siglip(encoder *e, const uint32_t *text, size_t n, id_list *out,
                                ken_error *err) {
    const sentencepiece *s = &e->t->sentencepiece;
    const char *unknown = vocab_piece(&e->t->vocab, e->t->unknown_id, NULL);
    codes_clear(&e->text);
    codes_append(&e->text, text, n);
    TRY(codes_check(&e->text, err));
    TRY(clean_siglip(&e->text, s->lower_case, err));
    codes whole = {0};
    codes_append_utf8(&whole, unknown, strlen(unknown));
    codes_append(&whole, e->text.data, e->text.size);
    codes_swap(&whole, &e->text);
    codes_free(&whole);
    TRY(codes_check(&e->text, err));
    size_t begin = out->size;
    TRY(encode_plain(e, out, err));
    size_t got = out->size - begin, drop = s->unknown_prefix;
    if (got >= drop && drop) {
        memmove(out->data + begin, out->data + begin + drop, (got - drop) * sizeof *out->data);
        out->size -= drop;
    }
    return KEN_OK;
}

/* SiglipTokenizer.tokenize: the mark put before the text goes when a special token follows it. */
static void drop_lone_mark(const tokenizer *t, id_list *out) {
    if (out->size == 1 && out->data[0] == vocab_find(&t->vocab, mark_text, strlen(mark_text)))
        out->size = 0;
}

static ken_status encode_pieces(encoder *e, const codes *text, size_t wanted, id_list *out,
                                ken_error *err) {
    span_list pieces = {0};
    added_tokens_split(&e->t->added, &e->t->added.raw, text->data, text->size, &pieces);
    ken_status status = pieces.status == KEN_OK ? KEN_OK : error_no_memory(err, sizeof(span));
    for (size_t i = 0; status == KEN_OK && i < pieces.size && out->size < wanted; i++) {
        span part = pieces.items[i];
        const uint32_t *at = text->data + part.begin;
        size_t n = part.end - part.begin;
        if (part.id >= 0) {
            id_list_push(out, part.id);
        } else if (e->t->sentencepiece.siglip) {
            status = encode_siglip(e, at, n, out, err);
            if (i == 0 && pieces.size > 1)
                drop_lone_mark(e->t, out);
        } else {
            codes_clear(&e->text);
            codes_append(&e->text, at, n);
            status = encode_plain(e, out, err);
        }
    }
    span_list_free(&pieces);
    return status;
}

/* Marks in the text count as spaces, and one is put before it. */
static void mark_siglip(const codes *text, codes *out) {
    codes_push(out, mark);
    for (size_t i = 0; i < text->size; i++)
        codes_push(out, text->data[i] == mark ? ' ' : text->data[i]);
}

ken_status sentencepiece_encode(const tokenizer *t, const codes *text, size_t wanted, id_list *out,
                                ken_error *err) {
    encoder e = {.t = t};
    codes marked = {0};
    if (t->sentencepiece.siglip)
        mark_siglip(text, &marked);
    ken_status status = codes_check(&marked, err);
    if (status == KEN_OK)
        status = encode_pieces(&e, t->sentencepiece.siglip ? &marked : text, wanted, out, err);
    codes_free(&marked);
    codes_free(&e.text);
    codes_free(&e.normal);
    unigram_scratch_free(&e.scratch);
    TRY(status);
    return id_list_check(out, err);
}

/* ---- loading -------------------------------------------------------------------------------- */

/* How many ids the unknown token's own text gives. */
static ken_status measure_unknown(tokenizer *t, ken_error *err) {
    const char *unknown = vocab_piece(&t->vocab, t->unknown_id, NULL);
    encoder e = {.t = t};
    id_list ids = {0};
    codes_append_utf8(&e.text, unknown, strlen(unknown));
    ken_status status = encode_plain(&e, &ids, err);
    t->sentencepiece.unknown_prefix = ids.size;
    codes_free(&e.text);
    codes_free(&e.normal);
    unigram_scratch_free(&e.scratch);
    id_list_free(&ids);
    return status;
}

static ken_status use_roles(tokenizer *t, const json_t *config, const char *where, ken_error *err) {
    static const char end[] = "</s>";
    const char *class_name = "";
    TRY(doc_get_string(config, "tokenizer_class", where, &class_name, err));
    sentencepiece *s = &t->sentencepiece;
    s->siglip =
        !t->options.clean && (t->options.siglip || strcmp(class_name, "SiglipTokenizer") == 0);
    s->lower_case = true;
    TRY(doc_get_bool(config, "do_lower_case", where, &s->lower_case, err));
    TRY(config_token_id(t, config, "eos_token", end, &t->end_id, err));
    if (t->end_id < 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s': the vocabulary has no '%s'", where, end);
    t->pad_id = t->end_id;
    TRY(config_token_id(t, config, "pad_token", NULL, &t->pad_id, err));
    t->after[0] = t->end_id;
    t->n_after = 1;
    t->keep_one_end = s->siglip;
    TRY(config_add_token(t, end, strlen(end), t->end_id, (added_token){0}, err));
    const char *unknown = vocab_piece(&t->vocab, t->unknown_id, NULL);
    TRY(config_add_token(t, unknown, strlen(unknown), t->unknown_id, (added_token){0}, err));
    TRY(config_add_roles(t, config, err));
    return config_sides(t, config, err);
}

ken_status tokenizer_parse_sentencepiece(tokenizer *t, const void *bytes, size_t size,
                                         const json_t *config, const char *where, ken_error *err) {
    protobuf file = {bytes, size, 0};
    size_t n;
    ken_status status = count_pieces(file, &n, err);
    if (status != KEN_OK)
        return error_prefix(err, status, "'%s'", where);
    if (n == 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s' holds no pieces", where);
    unigram *u = &t->unigram;
    t->reading = READING_SENTENCEPIECE;
    t->is_unigram = true;
    u->single_precision = true;
    u->unknown_id = -1;
    u->min_score = FLT_MAX;
    u->max_score = FLT_MIN;
    u->n_scores = n;
    u->scores = mem_zalloc(n, sizeof *u->scores);
    u->user_defined = mem_zalloc(n, sizeof *u->user_defined);
    if (!u->scores || !u->user_defined)
        return error_no_memory(err, n * sizeof *u->scores);
    t->sentencepiece.add_dummy_prefix = true;
    t->sentencepiece.remove_extra_whitespaces = true;
    t->sentencepiece.escape_whitespaces = true;
    status = read_model(t, file, where, err);
    if (status != KEN_OK)
        return error_prefix(err, status, "'%s'", where);
    if (u->unknown_id < 0)
        return error_set(err, KEN_BAD_FORMAT, "'%s': no piece is the unknown one", where);
    t->unknown_id = u->unknown_id;
    bpe_use_byte_fallback(&t->bpe);
    memcpy(u->byte_ids, t->bpe.byte_ids, sizeof u->byte_ids);
    TRY(use_roles(t, config, where, err));
    return measure_unknown(t, err);
}
