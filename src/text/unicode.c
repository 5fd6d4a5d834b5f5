#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

typedef struct class_run {
    uint32_t first; /* up to the next run's */
    uint16_t classes;
} class_run;

typedef struct lower_run {
    uint32_t first, last;
    uint8_t step;
    int32_t delta;
    uint8_t references;
} lower_run;

enum { lower_python = 1, lower_hf = 2 };

#include "text/unicode_tables.inc"

enum {
    n_class_runs = sizeof class_runs / sizeof *class_runs,
    n_lower_runs = sizeof lower_runs / sizeof *lower_runs,
    capital_i_dot = 0x130,
    combining_dot = 0x307,
    capital_sigma = 0x3A3,
    small_sigma = 0x3C3,
    final_sigma = 0x3C2,
    /* Below it no character decomposes compatibly, composes with its predecessor or combines. */
    first_not_nfc = 0x300,
    n_combining_classes = 256,
};

unsigned unicode_class(uint32_t code) {
    size_t low = 0, high = n_class_runs;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (class_runs[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    return class_runs[low].classes;
}

static uint32_t lower(uint32_t code, unsigned reference) {
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    size_t low = 0, high = n_lower_runs;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (lower_runs[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    const lower_run *run = &lower_runs[low];
    bool inside = code >= run->first && code <= run->last && (code - run->first) % run->step == 0;
    if (!inside || !(run->references & reference))
        return code;
    return (uint32_t)((int32_t)code + run->delta);
}

/* Linear over a whole text, because a sigma is not ignorable: each run is walked for one sigma. */
static bool cased_after(const codes *in, size_t i) {
    for (size_t k = i + 1; k < in->size; k++) {
        unsigned classes = unicode_class(in->data[k]);
        if (!(classes & PY_IGNORABLE))
            return classes & PY_CASED;
    }
    return false;
}

void unicode_lower_python(const codes *in, codes *out) {
    bool cased_before = false;
    for (size_t i = 0; i < in->size; i++) {
        uint32_t code = in->data[i];
        if (code == capital_sigma) {
            bool final = cased_before && !cased_after(in, i);
            codes_push(out, final ? final_sigma : small_sigma);
        } else if (code == capital_i_dot) {
            codes_push(out, 'i');
            codes_push(out, combining_dot);
        } else {
            codes_push(out, lower(code, lower_python));
        }
        unsigned classes = unicode_class(code);
        if (!(classes & PY_IGNORABLE))
            cased_before = classes & PY_CASED;
    }
}

void unicode_lower_hf(const codes *in, codes *out) {
    for (size_t i = 0; i < in->size; i++) {
        if (in->data[i] == capital_i_dot) {
            codes_push(out, 'i');
            codes_push(out, combining_dot);
        } else {
            codes_push(out, lower(in->data[i], lower_hf));
        }
    }
}

static unsigned combining_class(uint32_t code) {
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

/* Sorts runs of combining characters by their class, keeping the order within a class. utf8proc's
 * own sort takes quadratic time, so this one counts. */
static void order_marks(uint32_t *data, size_t n, codes *scratch) {
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && combining_class(data[end]))
            end++;
        if (end - i > 1) {
            codes_clear(scratch);
            codes_append(scratch, data + i, end - i);
            if (scratch->status != KEN_OK)
                return;
            size_t start[n_combining_classes + 1] = {0};
            for (size_t k = 0; k < scratch->size; k++)
                start[combining_class(scratch->data[k]) + 1]++;
            for (size_t k = 0; k < n_combining_classes; k++)
                start[k + 1] += start[k];
            for (size_t k = 0; k < scratch->size; k++)
                data[i + start[combining_class(scratch->data[k])]++] = scratch->data[k];
        }
        i = end > i ? end : i + 1;
    }
}

/* Normalizes text in which every character is known to the reference. */
static void normalize_known(const uint32_t *data, size_t n, unicode_form form, codes *out,
                            codes *scratch) {
    bool compatible = form == UNICODE_NFKC || form == UNICODE_NFKD;
    bool compose = form == UNICODE_NFC || form == UNICODE_NFKC;
    utf8proc_option_t options =
        UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : (utf8proc_option_t)0);
    size_t begin = out->size;
    for (size_t i = 0; i < n; i++) {
        utf8proc_int32_t parts[32]; /* the longest decomposition has 18 characters */
        int boundclass = 0;
        utf8proc_ssize_t n_parts = utf8proc_decompose_char(
            (utf8proc_int32_t)data[i], parts, sizeof parts / sizeof *parts, options, &boundclass);
        for (utf8proc_ssize_t k = 0; k < n_parts; k++)
            codes_push(out, (uint32_t)parts[k]);
    }
    if (out->status != KEN_OK)
        return;
    order_marks(out->data + begin, out->size - begin, scratch);
    if (scratch->status != KEN_OK)
        out->status = scratch->status;
    if (compose && out->size > begin) {
        utf8proc_ssize_t size = utf8proc_normalize_utf32((utf8proc_int32_t *)out->data + begin,
                                                         (utf8proc_ssize_t)(out->size - begin),
                                                         UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        out->size = begin + (size_t)size;
    }
}

void unicode_normalize(const codes *in, unicode_form form, unsigned newer, codes *out) {
    size_t plain = 0;
    uint32_t limit = form == UNICODE_NFC ? first_not_nfc : 0x80;
    while (plain < in->size && in->data[plain] < limit)
        plain++;
    if (plain == in->size) {
        codes_append(out, in->data, in->size);
        return;
    }
    /* A character that the reference does not know starts afresh: nothing is moved over it and
     * nothing composes with it. */
    codes scratch = {0};
    for (size_t i = 0; i < in->size;) {
        size_t end = i;
        while (end < in->size && !(unicode_class(in->data[end]) & newer))
            end++;
        normalize_known(in->data + i, end - i, form, out, &scratch);
        while (end < in->size && unicode_class(in->data[end]) & newer)
            codes_push(out, in->data[end++]);
        i = end;
    }
    codes_free(&scratch);
}
