#include "text/tokenizer_parts.h"

#include "base/mem.h"
#include "text/clean.h"
#include "text/sentencepiece.h"

/* Everything a text goes through on its way to ids, freed together. */
typedef struct work {
    codes text, spare;
    span_list sections, parts;
    cut_text cut, cut_spare;
    buf word;
    bpe_scratch bpe;
    unigram_scratch unigram;
    id_list ids;
    size_t wanted; /* more ids than this cannot matter */
} work;

static void work_free(work *w) {
    codes_free(&w->text);
    codes_free(&w->spare);
    span_list_free(&w->sections);
    span_list_free(&w->parts);
    cut_text_free(&w->cut);
    cut_text_free(&w->cut_spare);
    buf_free(&w->word);
    bpe_scratch_free(&w->bpe);
    unigram_scratch_free(&w->unigram);
    id_list_free(&w->ids);
}

static ken_status encode_bpe_word(const tokenizer *t, const uint32_t *text, size_t n, work *w,
                                  ken_error *err) {
    buf_clear(&w->word);
    codes_put_utf8(&w->word, text, n);
    TRY(buf_check(&w->word, err));
    return bpe_encode(&t->bpe, w->word.data, w->word.size, &w->bpe, &w->ids, err);
}

static ken_status encode_open_clip(const tokenizer *t, work *w, ken_error *err) {
    tokenizer_clean clean = t->options.clean;
    TRY(clean_open_clip(&w->text, clean ? clean : TOKENIZER_CLEAN_LOWER, err));
    const codes *text = &w->text;
    for (size_t i = 0; i < text->size && w->ids.size < w->wanted;) {
        size_t end = words_match(WORDS_OPEN_CLIP, text->data, text->size, i);
        if (end == i) {
            i++;
            continue;
        }
        codes_clear(&w->spare);
        words_spell_bytes(text->data + i, end - i, &w->spare);
        TRY(codes_check(&w->spare, err));
        /* The special tokens are tokens when written in the text. */
        buf_clear(&w->word);
        codes_put_utf8(&w->word, text->data + i, end - i);
        TRY(buf_check(&w->word, err));
        int32_t id = text->data[i] == '<' ? vocab_find(&t->vocab, w->word.data, w->word.size) : -1;
        if (id == t->begin_id || id == t->end_id)
            id_list_push(&w->ids, id);
        else
            TRY(encode_bpe_word(t, w->spare.data, w->spare.size, w, err));
        i = end;
    }
    return id_list_check(&w->ids, err);
}

/* Normalizes a section of the raw text, cuts it at the added tokens that are normalized too, and
 * appends what comes out to w->cut. */
static ken_status normalize_section(const tokenizer *t, const uint32_t *text, span section, work *w,
                                    ken_error *err) {
    codes_clear(&w->text);
    codes_append(&w->text, text + section.begin, section.end - section.begin);
    for (size_t i = 0; i < t->n_normalizers; i++)
        TRY(normalizer_apply(&t->normalizers[i], &w->text, &w->spare, err));
    w->parts.size = 0;
    added_tokens_split(&t->added, &t->added.normalized, w->text.data, w->text.size, &w->parts);
    for (size_t i = 0; i < w->parts.size; i++) {
        span part = w->parts.items[i];
        size_t begin = w->cut.text.size;
        codes_append(&w->cut.text, w->text.data + part.begin, part.end - part.begin);
        span_list_push(&w->cut.pieces,
                       (span){begin, w->cut.text.size, part.id, section.first && part.first});
    }
    if (w->parts.status != KEN_OK)
        return error_no_memory(err, sizeof(span));
    return cut_text_check(&w->cut, err);
}

static ken_status encode_pieces(const tokenizer *t, work *w, ken_error *err) {
    for (size_t i = 0; i < w->cut.pieces.size && w->ids.size < w->wanted; i++) {
        span part = w->cut.pieces.items[i];
        const uint32_t *text = w->cut.text.data + part.begin;
        size_t n = part.end - part.begin;
        if (part.id >= 0)
            id_list_push(&w->ids, part.id);
        else if (t->is_unigram)
            TRY(unigram_encode(&t->unigram, text, n, &w->unigram, &w->ids, err));
        else
            TRY(encode_bpe_word(t, text, n, w, err));
    }
    return id_list_check(&w->ids, err);
}

static ken_status encode_tokenizers(const tokenizer *t, work *w, ken_error *err) {
    if (t->options.clean)
        TRY(clean_open_clip(&w->text, t->options.clean, err));
    else if (t->options.siglip)
        TRY(clean_siglip(&w->text, true, err));
    added_tokens_split(&t->added, &t->added.raw, w->text.data, w->text.size, &w->sections);
    if (w->sections.status != KEN_OK)
        return error_no_memory(err, sizeof(span));
    codes whole = w->text;
    w->text = (codes){0};
    ken_status status = KEN_OK;
    for (size_t i = 0; status == KEN_OK && i < w->sections.size; i++) {
        span section = w->sections.items[i];
        if (section.id >= 0)
            span_list_push(&w->cut.pieces, section);
        else
            status = normalize_section(t, whole.data, section, w, err);
    }
    codes_free(&whole);
    TRY(status);
    for (size_t i = 0; i < t->n_pretokenizers; i++)
        TRY(pretokenizer_apply(&t->pretokenizers[i], &w->cut, &w->cut_spare, err));
    return encode_pieces(t, w, err);
}

/* Puts the text's ids between the special ones, cut and padded to the context. */
static void lay_out(const tokenizer *t, const id_list *ids, int32_t *out,
                    tokenizer_result *result) {
    size_t context = (size_t)t->options.context_length;
    size_t n_after = t->n_after;
    size_t room = context - t->n_before - n_after;
    size_t n = ids->size < room ? ids->size : room;
    const int32_t *kept = n ? ids->data + (t->truncate_left ? ids->size - n : 0) : NULL;
    if (t->keep_one_end && n && n_after && kept[n - 1] == t->after[0])
        n_after = 0;
    size_t n_tokens = t->n_before + n + n_after;
    size_t begin = t->pad_left ? context - n_tokens : 0;
    for (size_t i = 0; i < context; i++)
        out[i] = t->pad_id;
    for (size_t i = 0; i < t->n_before; i++)
        out[begin + i] = t->before[i];
    for (size_t i = 0; i < n; i++)
        out[begin + t->n_before + i] = kept[i];
    for (size_t i = 0; i < n_after; i++)
        out[begin + t->n_before + n + i] = t->after[i];
    if (result)
        *result = (tokenizer_result){(int)n_tokens, ids->size > room};
}

/* A tokenizer may know more tokens than the model has rows, as the reference allows; only a text
 * that needs one of them fails. */
static ken_status check_ids(const tokenizer *t, const int32_t *ids, ken_error *err) {
    if (t->options.vocab_size == 0)
        return KEN_OK;
    for (int i = 0; i < t->options.context_length; i++) {
        if (ids[i] < t->options.vocab_size)
            continue;
        const char *piece = vocab_piece(&t->vocab, ids[i], NULL);
        return error_set(err, KEN_BAD_FORMAT,
                         "token '%.100s' has id %d, but the model's vocabulary has %d tokens",
                         piece ? piece : "", ids[i], t->options.vocab_size);
    }
    return KEN_OK;
}

/* The text's ids without the special ones: all, or as many as are wanted. */
static ken_status read_ids(const tokenizer *t, const char *text, size_t size, work *w,
                           ken_error *err) {
    if (size > tokenizer_max_text_bytes)
        return error_set(err, KEN_TOO_LARGE, "a text of %zu bytes, the limit is %d", size,
                         tokenizer_max_text_bytes);
    buf_init(&w->word, (size_t)tokenizer_max_text_bytes * 64);
    codes_append_utf8(&w->text, text, size);
    TRY(codes_check(&w->text, err));
    if (t->reading == READING_OPEN_CLIP)
        return encode_open_clip(t, w, err);
    if (t->reading == READING_SENTENCEPIECE)
        return sentencepiece_encode(t, &w->text, w->wanted, &w->ids, err);
    return encode_tokenizers(t, w, err);
}

ken_status tokenizer_encode(const tokenizer *t, const char *text, size_t size, int32_t *ids,
                            tokenizer_result *result, ken_error *err) {
    work w = {.wanted = t->truncate_left ? SIZE_MAX : (size_t)t->options.context_length + 1};
    ken_status status = read_ids(t, text, size, &w, err);
    if (status == KEN_OK) {
        lay_out(t, &w.ids, ids, result);
        status = check_ids(t, ids, err);
    }
    work_free(&w);
    return status;
}

ken_status tokenizer_count(const tokenizer *t, const char *text, size_t size, size_t *out,
                           ken_error *err) {
    work w = {.wanted = SIZE_MAX};
    ken_status status = read_ids(t, text, size, &w, err);
    if (status == KEN_OK)
        *out = t->n_before + w.ids.size + t->n_after;
    work_free(&w);
    return status;
}

const char *tokenizer_piece(const tokenizer *t, int32_t id) {
    return vocab_piece(&t->vocab, id, NULL);
}

int tokenizer_context_length(const tokenizer *t) {
    return t->options.context_length;
}

int32_t tokenizer_pad_id(const tokenizer *t) {
    return t->pad_id;
}

int32_t tokenizer_begin_id(const tokenizer *t) {
    return t->begin_id;
}

int32_t tokenizer_end_id(const tokenizer *t) {
    return t->end_id;
}

ken_status tokenizer_new(const tokenizer_options *options, tokenizer **out, ken_error *err) {
    *out = NULL;
    if (options->context_length < 1 || options->context_length > 1 << 20)
        return error_set(err, KEN_BAD_ARGUMENT, "context_length is %d, expected 1 to %d",
                         options->context_length, 1 << 20);
    tokenizer *t = mem_zalloc(1, sizeof *t);
    if (!t)
        return error_no_memory(err, sizeof *t);
    t->options = *options;
    t->begin_id = t->end_id = t->pad_id = t->unknown_id = -1;
    vocab_init(&t->vocab);
    bpe_init(&t->bpe, &t->vocab);
    *out = t;
    return KEN_OK;
}

void tokenizer_free(tokenizer *t) {
    if (!t)
        return;
    vocab_free(&t->vocab);
    bpe_free(&t->bpe);
    unigram_free(&t->unigram);
    charsmap_free(&t->sentencepiece.map);
    trie_free(&t->sentencepiece.user_defined);
    added_tokens_free(&t->added);
    for (size_t i = 0; i < t->n_normalizers; i++)
        normalizer_free(&t->normalizers[i]);
    for (size_t i = 0; i < t->n_pretokenizers; i++)
        pretokenizer_free(&t->pretokenizers[i]);
    mem_free(t);
}

ken_status tokenizer_finish(tokenizer *t, ken_error *err) {
    size_t n_special = t->n_before + t->n_after;
    if (n_special > (size_t)t->options.context_length)
        return error_set(err, KEN_BAD_FORMAT,
                         "the tokenizer adds %zu special tokens, but the context is %d tokens",
                         n_special, t->options.context_length);
    if (t->pad_id < 0)
        return error_set(err, KEN_BAD_FORMAT, "the tokenizer names no padding token");
    return KEN_OK;
}
