#include "tasks/report/template.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

slot slot_text(const char *name, const char *text) {
    return (slot){.name = name, .text = text ? text : "", .size = text ? strlen(text) : 0};
}

slot slot_buf(const char *name, const buf *text) {
    return (slot){.name = name, .text = text->data ? text->data : "", .size = text->size};
}

slot slot_count(const char *name, size_t n) {
    slot s = {.name = name};
    s.size = (size_t)snprintf(s.number, sizeof s.number, "%zu", n);
    return s;
}

slot slot_grouped(const char *name, size_t n) {
    slot plain = slot_count(name, n), s = {.name = name};
    for (size_t i = 0; i < plain.size; i++) {
        if (i && (plain.size - i) % 3 == 0)
            s.number[s.size++] = ',';
        s.number[s.size++] = plain.number[i];
    }
    return s;
}

slot slot_fixed(const char *name, int digits, double value) {
    if (isnan(value))
        return slot_text(name, "–");
    slot s = {.name = name};
    int n = snprintf(s.number, sizeof s.number, "%.*f", digits, value);
    s.size = n < (int)sizeof s.number ? (size_t)n : sizeof s.number - 1;
    return s;
}

slot slot_percent(const char *name, double ratio) {
    if (isnan(ratio))
        return slot_text(name, "–");
    slot s = slot_fixed(name, 1, 100 * ratio);
    if (s.size + 1 < sizeof s.number)
        s.number[s.size++] = '%';
    return s;
}

/* The fragment's text, from after its heading to before the next one. */
static const char *find_fragment(const char *text, const char *name, size_t *size) {
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (line[0] != '[' || strncmp(line + 1, name, n) != 0 || line[n + 1] != ']')
            continue;
        const char *start = line + n + 3;
        const char *end = strstr(start, "\n[");
        *size = end ? (size_t)(end + 1 - start) : strlen(start);
        return start;
    }
    return NULL;
}

static const slot *find_slot(const slot *slots, size_t n, const char *name, size_t size) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(slots[i].name, name, size) == 0 && slots[i].name[size] == '\0')
            return &slots[i];
    return NULL;
}

ken_status template_put(buf *out, const char *text, const char *fragment, const slot *slots,
                        size_t n_slots, ken_error *err) {
    size_t size = 0;
    const char *at = find_fragment(text, fragment, &size);
    if (!at)
        return error_set(err, KEN_INTERNAL, "the page has no fragment '%s'", fragment);
    const char *end = at + size;
    while (at < end) {
        const char *open = memmem(at, (size_t)(end - at), "{{", 2);
        if (!open) {
            buf_append(out, at, (size_t)(end - at));
            break;
        }
        buf_append(out, at, (size_t)(open - at));
        bool raw = open[2] == '{';
        const char *name = open + (raw ? 3 : 2);
        const char *close = strstr(name, raw ? "}}}" : "}}");
        const slot *s = close ? find_slot(slots, n_slots, name, (size_t)(close - name)) : NULL;
        if (!s)
            return error_set(err, KEN_INTERNAL, "fragment '%s' has no slot '%.20s'", fragment,
                             name);
        const char *value = s->text ? s->text : s->number;
        if (raw)
            buf_append(out, value, s->size);
        else
            buf_put_html(out, value, s->size);
        at = close + (raw ? 3 : 2);
    }
    return buf_check(out, err);
}
