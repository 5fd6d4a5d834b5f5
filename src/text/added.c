#include "text/added.h"

#include "base/mem.h"
#include "text/unicode.h"

enum { max_added_tokens = 1 << 20, max_pieces = 1 << 27 };

void added_tokens_free(added_tokens *a) {
    mem_free(a->tokens);
    trie_free(&a->raw);
    trie_free(&a->normalized);
    *a = (added_tokens){0};
}

ken_status added_tokens_add(added_tokens *a, const codes *content, const added_token *token,
                            ken_error *err) {
    if (a->n_tokens == a->max_tokens) {
        size_t n = a->max_tokens ? a->max_tokens * 2 : 16;
        added_token *tokens =
            n > max_added_tokens
                ? NULL
                : mem_grow(a->tokens, a->n_tokens * sizeof *tokens, n * sizeof *tokens);
        if (!tokens)
            return error_set(err, KEN_NO_MEMORY, "no memory for %zu added tokens", a->n_tokens);
        a->tokens = tokens;
        a->max_tokens = n;
    }
    if (content->size == 0)
        return KEN_OK;
    a->tokens[a->n_tokens++] = *token;
    return trie_add(token->normalized ? &a->normalized : &a->raw, content->data, content->size,
                    (int32_t)a->n_tokens - 1, err);
}

void span_list_free(span_list *list) {
    mem_free(list->items);
    *list = (span_list){0};
}

void span_list_push(span_list *list, span item) {
    if (list->status == KEN_OK && list->size == list->capacity) {
        size_t n = list->capacity ? list->capacity * 2 : 64;
        span *items = n > max_pieces
                          ? NULL
                          : mem_grow(list->items, list->size * sizeof *items, n * sizeof *items);
        if (!items) {
            list->status = KEN_NO_MEMORY;
            return;
        }
        list->items = items;
        list->capacity = n;
    }
    if (list->status == KEN_OK)
        list->items[list->size++] = item;
}

static bool is_class(uint32_t code, unsigned wanted) {
    return (unicode_class(code) & wanted) != 0;
}

static bool is_part_of_word(const uint32_t *text, size_t n, size_t begin, size_t end) {
    return (begin > 0 && is_class(text[begin - 1], HF_WORD)) ||
           (end < n && is_class(text[end], HF_WORD));
}

void added_tokens_split(const added_tokens *a, const trie *t, const uint32_t *text, size_t n,
                        span_list *out) {
    size_t done = 0; /* everything before it is in `out` */
    for (size_t i = 0; i < n && t->n_nodes;) {
        size_t length = 0;
        int32_t index = trie_longest(t, text + i, n - i, &length);
        if (index < 0) {
            i++;
            continue;
        }
        const added_token *token = &a->tokens[index];
        size_t begin = i, end = i + length;
        i = end;
        if (token->single_word && is_part_of_word(text, n, begin, end))
            continue;
        while (token->lstrip && begin > done && is_class(text[begin - 1], HF_SPACE))
            begin--;
        while (token->rstrip && end < n && is_class(text[end], HF_SPACE))
            end++;
        if (done < begin)
            span_list_push(out, (span){done, begin, -1, done == 0});
        span_list_push(out, (span){begin, end, token->id, begin == 0});
        done = end > done ? end : done;
    }
    if (done < n)
        span_list_push(out, (span){done, n, -1, done == 0});
}
