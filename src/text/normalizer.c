#include "text/normalizer.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

enum { max_mapped_grapheme_bytes = 6 };

void normalizer_free(normalizer *n) {
    pattern_free(&n->pattern);
    codes_free(&n->content);
    charsmap_free(&n->map);
}

static ken_status replace(const normalizer *step, const codes *text, codes *out, ken_error *err) {
    span_list matches = {0};
    ken_status status = pattern_find_all(&step->pattern, text->data, text->size, &matches, err);
    size_t done = 0;
    for (size_t i = 0; status == KEN_OK && i < matches.size; i++) {
        codes_append(out, text->data + done, matches.items[i].begin - done);
        codes_append(out, step->content.data, step->content.size);
        done = matches.items[i].end;
    }
    codes_append(out, text->data + done, text->size - done);
    span_list_free(&matches);
    return status;
}

static void strip(const normalizer *step, const codes *text, codes *out) {
    size_t begin = 0, end = text->size;
    while (step->left && begin < end && unicode_class(text->data[begin]) & HF_SPACE)
        begin++;
    while (step->right && end > begin && unicode_class(text->data[end - 1]) & HF_SPACE)
        end--;
    codes_append(out, text->data + begin, end - begin);
}

static void strip_accents(const codes *text, codes *out) {
    for (size_t i = 0; i < text->size; i++)
        if (!(unicode_class(text->data[i]) & HF_MARK))
            codes_push(out, text->data[i]);
}

/* The rules of the neural machine translation models: controls go, odd spaces become spaces. */
static void nmt(const codes *text, codes *out) {
    for (size_t i = 0; i < text->size; i++) {
        uint32_t c = text->data[i];
        bool control = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                       c == 0x8F || c == 0x9F;
        bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
        if (!control)
            codes_push(out, space ? ' ' : c);
    }
}

static size_t grapheme_end(const codes *text, size_t begin) {
    utf8proc_int32_t state = 0;
    size_t i = begin + 1;
    while (i < text->size &&
           !utf8proc_grapheme_break_stateful((utf8proc_int32_t)text->data[i - 1],
                                             (utf8proc_int32_t)text->data[i], &state))
        i++;
    return i;
}

/* True when the map holds a prefix of the text; its replacement stands for the whole text then.
 * That is what the reference does, unlike SentencePiece, which replaces the longest prefix. */
static bool put_mapped(const charsmap *map, const uint32_t *text, size_t n, codes *out) {
    char bytes[max_mapped_grapheme_bytes + 4];
    size_t size = 0;
    for (size_t i = 0; i < n && size < max_mapped_grapheme_bytes; i++)
        size += utf8_encode(text[i], bytes + size);
    size_t length = 0;
    const char *mapped = charsmap_find(map, bytes, size, false, &length);
    if (mapped)
        codes_append_utf8(out, mapped, strlen(mapped));
    return mapped != NULL;
}

static size_t utf8_size(const uint32_t *text, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n && size < max_mapped_grapheme_bytes; i++)
        size += text[i] < 0x80 ? 1u : text[i] < 0x800 ? 2u : text[i] < 0x10000 ? 3u : 4u;
    return size;
}

static void precompiled(const charsmap *map, const codes *text, codes *out) {
    for (size_t i = 0; i < text->size;) {
        size_t end = grapheme_end(text, i);
        const uint32_t *at = text->data + i;
        bool mapped =
            utf8_size(at, end - i) < max_mapped_grapheme_bytes && put_mapped(map, at, end - i, out);
        for (; !mapped && i < end; i++)
            if (!put_mapped(map, text->data + i, 1, out))
                codes_push(out, text->data[i]);
        i = end;
    }
}

ken_status normalizer_apply(const normalizer *n, codes *text, codes *spare, ken_error *err) {
    if (text->size == 0)
        return KEN_OK;
    codes_clear(spare);
    switch (n->kind) {
    case NORMALIZER_FORM:
        unicode_normalize(text, n->form, HF_NEWER, spare);
        break;
    case NORMALIZER_LOWERCASE:
        unicode_lower_hf(text, spare);
        break;
    case NORMALIZER_REPLACE:
        TRY(replace(n, text, spare, err));
        break;
    case NORMALIZER_PREPEND:
        codes_append(spare, n->content.data, n->content.size);
        codes_append(spare, text->data, text->size);
        break;
    case NORMALIZER_PRECOMPILED:
        precompiled(&n->map, text, spare);
        break;
    case NORMALIZER_STRIP:
        strip(n, text, spare);
        break;
    case NORMALIZER_STRIP_ACCENTS:
        strip_accents(text, spare);
        break;
    case NORMALIZER_NMT:
        nmt(text, spare);
        break;
    }
    codes_swap(text, spare);
    return codes_check(text, err);
}
