#include "text/pretokenizer.h"

#include "text/unicode.h"

void cut_text_free(cut_text *t) {
    codes_free(&t->text);
    span_list_free(&t->pieces);
}

void cut_text_clear(cut_text *t) {
    codes_clear(&t->text);
    t->pieces.size = 0;
    t->pieces.status = KEN_OK;
}

ken_status cut_text_check(const cut_text *t, ken_error *err) {
    TRY(codes_check(&t->text, err));
    return t->pieces.status == KEN_OK ? KEN_OK : error_no_memory(err, sizeof(span));
}

void pretokenizer_free(pretokenizer *p) {
    pattern_free(&p->pattern);
}

static void push_part(span_list *out, size_t begin, size_t end) {
    if (end > begin)
        span_list_push(out, (span){begin, end, -1, begin == 0});
}

/* The stretches between and of the matches in order; `id` is 1 for what counts as a match. */
static void all_stretches(const span_list *matches, size_t n, bool invert, span_list *out) {
    size_t done = 0;
    for (size_t i = 0; i < matches->size; i++) {
        span match = matches->items[i];
        if (match.begin > done)
            span_list_push(out, (span){done, match.begin, invert, false});
        span_list_push(out, (span){match.begin, match.end, !invert, false});
        done = match.end;
    }
    if (done < n)
        span_list_push(out, (span){done, n, invert, false});
}

/* Whether stretch `i` is joined to the one before it. */
static bool joins(split_behavior behavior, const span *stretches, size_t i) {
    bool match = stretches[i].id, match_before = stretches[i - 1].id;
    switch (behavior) {
    case SPLIT_MERGED_WITH_PREVIOUS:
        return match && !match_before;
    case SPLIT_MERGED_WITH_NEXT:
        return match_before && !match;
    case SPLIT_CONTIGUOUS:
        return match == match_before;
    default:
        return false;
    }
}

/* Cuts `text` into `out`, whose offsets are relative to `text`. */
static ken_status split(const pretokenizer *p, const uint32_t *text, size_t n, span_list *out,
                        ken_error *err) {
    span_list matches = {0}, stretches = {0};
    ken_status status = pattern_find_all(&p->pattern, text, n, &matches, err);
    if (status == KEN_OK)
        all_stretches(&matches, n, p->invert, &stretches);
    if (stretches.status != KEN_OK)
        out->status = stretches.status;
    for (size_t i = 0; i < stretches.size; i++) {
        if (p->behavior == SPLIT_REMOVED && stretches.items[i].id)
            continue;
        size_t begin = stretches.items[i].begin;
        while (i + 1 < stretches.size && joins(p->behavior, stretches.items, i + 1))
            i++;
        push_part(out, begin, stretches.items[i].end);
    }
    span_list_free(&matches);
    span_list_free(&stretches);
    return status;
}

/* Cuts after white space is taken away. */
static void split_white_space(const uint32_t *text, size_t n, span_list *out) {
    size_t begin = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i == n || unicode_class(text[i]) & HF_SPACE) {
            push_part(out, begin, i);
            begin = i + 1;
        }
    }
}

/* Cuts before every replacement character. */
static void split_metaspace(uint32_t replacement, const uint32_t *text, size_t n, span_list *out) {
    size_t begin = 0;
    for (size_t i = 1; i <= n; i++) {
        if (i == n || text[i] == replacement) {
            push_part(out, begin, i);
            begin = i;
        }
    }
}

/* Puts the piece's text, with what the step writes before it and instead of spaces, into `to`. */
static void rewrite(const pretokenizer *p, const uint32_t *text, size_t n, bool first, codes *to) {
    bool metaspace = p->kind == PRETOKENIZER_METASPACE;
    uint32_t mark = metaspace ? p->replacement : ' ';
    bool wanted = p->scheme == PREPEND_ALWAYS || (p->scheme == PREPEND_FIRST && first);
    bool there = text[0] == mark || (metaspace && text[0] == ' ');
    if (wanted && !there)
        codes_push(to, mark);
    for (size_t i = 0; i < n; i++)
        codes_push(to, metaspace && text[i] == ' ' ? mark : text[i]);
}

static ken_status cut_piece(const pretokenizer *p, const uint32_t *text, size_t n, bool first,
                            codes *rewritten, span_list *parts, ken_error *err) {
    codes_clear(rewritten);
    rewrite(p, text, n, first, rewritten);
    TRY(codes_check(rewritten, err));
    const uint32_t *data = rewritten->data;
    n = rewritten->size;
    switch (p->kind) {
    case PRETOKENIZER_SPLIT:
        return split(p, data, n, parts, err);
    case PRETOKENIZER_BYTE_LEVEL:
        if (p->cut)
            return split(p, data, n, parts, err);
        break;
    case PRETOKENIZER_METASPACE:
        if (p->cut) {
            split_metaspace(p->replacement, data, n, parts);
            return KEN_OK;
        }
        break;
    case PRETOKENIZER_WHITESPACE_SPLIT:
        split_white_space(data, n, parts);
        return KEN_OK;
    }
    push_part(parts, 0, n);
    return KEN_OK;
}

ken_status pretokenizer_apply(const pretokenizer *p, cut_text *t, cut_text *spare, ken_error *err) {
    cut_text_clear(spare);
    codes rewritten = {0};
    span_list parts = {0};
    ken_status status = KEN_OK;
    for (size_t i = 0; status == KEN_OK && i < t->pieces.size; i++) {
        span whole = t->pieces.items[i];
        if (whole.id >= 0) {
            span_list_push(&spare->pieces, whole);
            continue;
        }
        parts.size = 0;
        status = cut_piece(p, t->text.data + whole.begin, whole.end - whole.begin, whole.first,
                           &rewritten, &parts, err);
        for (size_t k = 0; k < parts.size; k++) {
            size_t begin = spare->text.size, size = parts.items[k].end - parts.items[k].begin;
            const uint32_t *data = rewritten.data + parts.items[k].begin;
            if (p->kind == PRETOKENIZER_BYTE_LEVEL)
                words_spell_bytes(data, size, &spare->text);
            else
                codes_append(&spare->text, data, size);
            span_list_push(&spare->pieces, (span){begin, spare->text.size, -1,
                                                  whole.first && parts.items[k].first});
        }
        if (parts.status != KEN_OK)
            status = error_no_memory(err, sizeof(span));
    }
    codes_free(&rewritten);
    span_list_free(&parts);
    TRY(status);
    cut_text kept = *t;
    *t = *spare;
    *spare = kept;
    return cut_text_check(t, err);
}
