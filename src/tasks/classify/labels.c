#include "tasks/classify/labels.h"

#include "base/file.h"
#include "tasks/classify/csv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { max_labels_of_image = 4096 };
static const size_t max_label_bytes = (size_t)1 << 30;

/* ---- a table ----------------------------------------------------------------------------------
 */

/* A row of the table, as numbers of its id and its label. */
typedef struct pair {
    uint32_t id, label;
} pair;

typedef struct pairs {
    pair *items;
    size_t n, capacity;
} pairs;

static ken_status add_pair(pairs *p, uint32_t id, uint32_t label, ken_error *err) {
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 1024;
        pair *items = mem_grow(p->items, p->n * sizeof *items, capacity * sizeof *items);
        if (!items)
            return error_no_memory(err, capacity * sizeof *items);
        p->items = items;
        p->capacity = capacity;
    }
    p->items[p->n++] = (pair){id, label};
    return KEN_OK;
}

static ken_status read_rows(labels *l, csv_reader *csv, pairs *p, ken_error *err) {
    static const char *const names[] = {"id", "label"};
    size_t at[2];
    TRY(csv_header(csv, names, 2, at, err));
    for (;;) {
        bool more;
        TRY(csv_next(csv, &more, err));
        if (!more)
            return KEN_OK;
        const char *id = csv_field(csv, at[0]), *label = csv_field(csv, at[1]);
        uint32_t id_number, label_number;
        TRY(text_index_add(&l->ids, id, strlen(id), &id_number, err));
        if (!*label)
            continue;
        TRY(text_index_add(&l->names, label, strlen(label), &label_number, err));
        TRY(add_pair(p, id_number, label_number, err));
    }
}

static bool has_label(const labels *l, size_t id, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (l->items[l->first[id] + i].text == name)
            return true;
    return false;
}

/* Groups the pairs by id, in the order of the table, each label of an id once. */
static ken_status group(labels *l, const pairs *p, ken_error *err) {
    l->items = mem_zalloc(p->n, sizeof *l->items);
    l->first = mem_zalloc(l->ids.n + 1, sizeof *l->first);
    l->found = mem_zalloc(l->ids.n, sizeof *l->found);
    size_t *n_of = mem_zalloc(l->ids.n, sizeof *n_of);
    if (!l->items || !l->first || !l->found || !n_of) {
        mem_free(n_of);
        return error_no_memory(err, p->n * sizeof *l->items);
    }
    for (size_t i = 0; i < p->n; i++)
        l->first[p->items[i].id + 1]++;
    for (size_t i = 0; i < l->ids.n; i++)
        l->first[i + 1] += l->first[i];
    for (size_t i = 0; i < p->n; i++) {
        size_t id = p->items[i].id;
        const char *name = l->names.texts[p->items[i].label];
        if (has_label(l, id, n_of[id], name))
            continue;
        if (n_of[id] == max_labels_of_image) {
            mem_free(n_of);
            return error_set(err, KEN_TOO_LARGE, "the id '%s' has more than %d labels",
                             l->ids.texts[id], max_labels_of_image);
        }
        l->items[l->first[id] + n_of[id]++] = (label_text){name, strlen(name)};
        l->several |= n_of[id] > 1;
    }
    mem_free(n_of);
    return KEN_OK;
}

static ken_status read_table(labels *l, const char *path, ken_error *err) {
    buf text;
    buf_init(&text, max_label_bytes);
    pairs p = {0};
    ken_status status = file_read(path, &text, err);
    if (status == KEN_OK) {
        char separator = strcasecmp(file_extension(path), ".tsv") == 0 ? '\t' : ',';
        csv_reader csv;
        csv_open(&csv, text.data ? text.data : "", text.size, separator, path);
        status = read_rows(l, &csv, &p, err);
        csv_close(&csv);
    }
    if (status == KEN_OK)
        status = group(l, &p, err);
    mem_free(p.items);
    buf_free(&text);
    return status;
}

ken_status labels_read(const char *path, labels **out, ken_error *err) {
    *out = NULL;
    labels *l = mem_zalloc(1, sizeof *l);
    if (!l)
        return error_no_memory(err, sizeof *l);
    ken_status status = read_table(l, path, err);
    if (status == KEN_OK)
        *out = l;
    else
        labels_free(l);
    return status;
}

ken_status labels_from_folders(labels **out, ken_error *err) {
    *out = mem_zalloc(1, sizeof **out);
    if (!*out)
        return error_no_memory(err, sizeof **out);
    (*out)->folders = true;
    return KEN_OK;
}

void labels_free(labels *l) {
    if (!l)
        return;
    text_index_reset(&l->ids);
    text_index_reset(&l->names);
    mem_free(l->items);
    mem_free(l->first);
    mem_free(l->found);
    mem_free(l);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* The folder's name in "a/folder/name"; of no size when there is none. */
static label_text folder_of(const char *path) {
    const char *end = strrchr(path, '/');
    if (!end)
        return (label_text){path, 0};
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    return (label_text){start, (size_t)(end - start)};
}

void labels_of(const labels *l, const char *id, const char *path, label_set *out) {
    *out = (label_set){0};
    if (l->folders) {
        out->folder = folder_of(id);
        if (out->folder.size == 0)
            out->folder = folder_of(path);
        out->items = &out->folder;
        out->n = out->folder.size > 0;
        return;
    }
    size_t number = text_index_find(&l->ids, id, strlen(id));
    if (number == SIZE_MAX)
        return;
    l->found[number] = true;
    out->items = l->items + l->first[number];
    out->n = l->first[number + 1] - l->first[number];
    while (out->n && !out->items[out->n - 1].text) /* a label that was given twice */
        out->n--;
}

bool label_set_has(const label_set *set, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < set->n; i++)
        if (set->items[i].size == size && memcmp(set->items[i].text, name, size) == 0)
            return true;
    return false;
}

void label_set_put(const label_set *set, buf *out) {
    for (size_t i = 0; i < set->n; i++) {
        buf_puts(out, i ? "; " : "");
        buf_append(out, set->items[i].text, set->items[i].size);
    }
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ken_status add_sorted(const text_index *seen, text_index *out, ken_error *err) {
    const char **sorted = mem_alloc(seen->n * sizeof *sorted);
    if (!sorted)
        return error_no_memory(err, seen->n * sizeof *sorted);
    ken_status status = KEN_OK;
    uint32_t number;
    for (size_t i = 0; i < seen->n; i++)
        sorted[i] = seen->texts[i];
    qsort(sorted, seen->n, sizeof *sorted, by_bytes);
    for (size_t i = 0; i < seen->n && status == KEN_OK; i++)
        status = text_index_add(out, sorted[i], strlen(sorted[i]), &number, err);
    mem_free((void *)sorted);
    return status;
}

ken_status labels_distinct(const labels *l, const char *const *ids, const char *const *paths,
                           size_t n, text_index *out, ken_error *err) {
    text_index seen = {0};
    ken_status status = KEN_OK;
    for (size_t i = 0; i < n && status == KEN_OK; i++) {
        label_set set;
        uint32_t number;
        labels_of(l, ids[i], paths[i], &set);
        for (size_t k = 0; k < set.n && status == KEN_OK; k++)
            status = text_index_add(&seen, set.items[k].text, set.items[k].size, &number, err);
    }
    if (status == KEN_OK)
        status = add_sorted(&seen, out, err);
    text_index_reset(&seen);
    return status;
}

ken_status labels_fail_none(const labels *l, size_t n_images, const char *example_id,
                            ken_error *err) {
    if (l->folders)
        return error_set(err, KEN_BAD_ARGUMENT,
                         "none of the %zu images lies in a folder that could be its label",
                         n_images);
    ken_status status = error_set(err, KEN_BAD_FORMAT, "labels none of the %zu images", n_images);
    return example_id
               ? error_hint(err, status, "their ids must be those of the images, such as '%s'",
                            example_id)
               : status;
}

size_t labels_unused(const labels *l, const char **names, size_t n_names) {
    size_t n = 0;
    for (size_t i = 0; i < n_names; i++)
        names[i] = NULL;
    for (size_t i = 0; i < l->ids.n; i++) {
        if (l->found[i])
            continue;
        if (n < n_names)
            names[n] = l->ids.texts[i];
        n++;
    }
    return n;
}
