#define PCRE2_CODE_UNIT_WIDTH 8

#include "text/pattern.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <pcre2.h>
#include <string.h>

enum { max_pattern_bytes = 1 << 16, match_limit = 10 * 1000 * 1000, heap_limit_kib = 64 * 1024 };

static const struct {
    const char *text;
    pattern_kind kind;
    words_pattern words;
} known[] = {
    {"\\s+", PATTERN_SPACES, WORDS_GPT2},
    {"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|"
     "[^\\s\\p{L}\\p{N}]+",
     PATTERN_WORDS, WORDS_CLIP_HF},
    {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", PATTERN_WORDS,
     WORDS_CLIP_LEGACY},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     PATTERN_WORDS, WORDS_GPT2},
};

ken_status pattern_init_string(pattern *p, const char *text, size_t size, ken_error *err) {
    *p = (pattern){.kind = PATTERN_STRING};
    codes_append_utf8(&p->literal, text, size);
    if (size == 0)
        return error_set(err, KEN_BAD_FORMAT, "a pattern is an empty string");
    return codes_check(&p->literal, err);
}

static void *pcre_alloc(PCRE2_SIZE size, void *context) {
    (void)context;
    return mem_alloc(size);
}

static void pcre_free(void *block, void *context) {
    (void)context;
    mem_free(block);
}

static ken_status compile(pattern *p, const char *text, size_t size, ken_error *err) {
    pcre2_general_context *general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (context)
        p->regex = pcre2_compile((PCRE2_SPTR)text, size, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                                 &code, &at, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (!context)
        return error_no_memory(err, size);
    if (!p->regex) {
        PCRE2_UCHAR reason[128] = "";
        pcre2_get_error_message(code, reason, sizeof reason);
        return error_at(err, KEN_UNSUPPORTED, (int64_t)at,
                        "pattern '%.200s' is not supported at character %zu: %s", text, at,
                        (const char *)reason);
    }
    return KEN_OK;
}

ken_status pattern_init_regex(pattern *p, const char *text, size_t size, ken_error *err) {
    *p = (pattern){.kind = PATTERN_REGEX};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (size == strlen(known[i].text) && memcmp(text, known[i].text, size) == 0) {
            p->kind = known[i].kind;
            p->words = known[i].words;
            return KEN_OK;
        }
    }
    if (size > max_pattern_bytes)
        return error_set(err, KEN_TOO_LARGE, "a pattern has %zu bytes, the limit is %d", size,
                         max_pattern_bytes);
    return compile(p, text, size, err);
}

void pattern_free(pattern *p) {
    codes_free(&p->literal);
    pcre2_code_free(p->regex);
    p->regex = NULL;
}

static void find_string(const codes *literal, const uint32_t *text, size_t n, span_list *out) {
    size_t size = literal->size;
    for (size_t i = 0; i + size <= n;) {
        if (text[i] == literal->data[0] &&
            memcmp(text + i, literal->data, size * sizeof *text) == 0) {
            span_list_push(out, (span){i, i + size, -1, false});
            i += size;
        } else {
            i++;
        }
    }
}

static void find_spaces(const uint32_t *text, size_t n, span_list *out) {
    for (size_t i = 0; i < n;) {
        size_t begin = i;
        while (i < n && unicode_class(text[i]) & HF_SPACE)
            i++;
        if (i > begin)
            span_list_push(out, (span){begin, i, -1, false});
        else
            i++;
    }
}

static void find_words(words_pattern words, const uint32_t *text, size_t n, span_list *out) {
    for (size_t i = 0; i < n;) {
        size_t end = words_match(words, text, n, i);
        if (end > i)
            span_list_push(out, (span){i, end, -1, false});
        i = end > i ? end : i + 1;
    }
}

/* Code points in a stretch of valid UTF-8. */
static size_t count_codes(const char *text, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static int next_match(const pattern *p, const buf *text, size_t start, pcre2_match_data *data,
                      pcre2_match_context *context) {
    return pcre2_match(p->regex, (PCRE2_SPTR)text->data, text->size, start, PCRE2_NO_UTF_CHECK,
                       data, context);
}

static ken_status walk_matches(const pattern *p, const buf *text, pcre2_match_data *data,
                               pcre2_match_context *context, span_list *out, ken_error *err) {
    size_t start = 0, counted = 0, n_codes = 0;
    while (start < text->size) {
        int code = next_match(p, text, start, data, context);
        if (code == PCRE2_ERROR_NOMATCH)
            break;
        if (code < 0)
            return error_set(err, KEN_TOO_LARGE,
                             "the tokenizer's pattern takes too long on this text (error %d)",
                             code);
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
        if (at[1] <= at[0] || at[0] < start) {
            uint32_t skipped;
            start += utf8_decode(text->data + start, text->size - start, &skipped);
            continue;
        }
        n_codes += count_codes(text->data + counted, at[0] - counted);
        size_t begin = n_codes;
        n_codes += count_codes(text->data + at[0], at[1] - at[0]);
        counted = start = at[1];
        span_list_push(out, (span){begin, n_codes, -1, false});
    }
    return KEN_OK;
}

static ken_status find_regex(const pattern *p, const uint32_t *codes_in, size_t n, span_list *out,
                             ken_error *err) {
    buf text;
    buf_init(&text, 4 * n + 1);
    codes_put_utf8(&text, codes_in, n);
    pcre2_general_context *general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    pcre2_match_context *context = general ? pcre2_match_context_create(general) : NULL;
    pcre2_match_data *data = general ? pcre2_match_data_create(1, general) : NULL;
    ken_status status = KEN_OK;
    if (!context || !data || text.failed) {
        status = error_no_memory(err, 4 * n);
    } else {
        pcre2_set_match_limit(context, match_limit);
        pcre2_set_heap_limit(context, heap_limit_kib);
        status = walk_matches(p, &text, data, context, out, err);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_general_context_free(general);
    buf_free(&text);
    return status;
}

ken_status pattern_find_all(const pattern *p, const uint32_t *text, size_t n, span_list *out,
                            ken_error *err) {
    switch (p->kind) {
    case PATTERN_STRING:
        find_string(&p->literal, text, n, out);
        break;
    case PATTERN_SPACES:
        find_spaces(text, n, out);
        break;
    case PATTERN_WORDS:
        find_words(p->words, text, n, out);
        break;
    case PATTERN_REGEX:
        if (n)
            TRY(find_regex(p, text, n, out, err));
        break;
    }
    return out->status == KEN_OK ? KEN_OK : error_no_memory(err, n * sizeof(span));
}
