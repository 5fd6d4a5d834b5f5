#include "tasks/classify/labels.h"

#include "base/file.h"
#include "base/hash.h"
#include "tasks/classify/csv.h"

#include <string.h>
#include <strings.h>

static const size_t max_label_bytes = (size_t)1 << 30;

/* Sample by id: open addressing over index + 1. */
typedef struct id_index {
    const samples *samples;
    uint32_t *slots;
    size_t n_slots;
} id_index;

static ken_status index_ids(id_index *index, const samples *s, ken_error *err) {
    index->samples = s;
    for (index->n_slots = 16; index->n_slots < 2 * s->n;)
        index->n_slots *= 2;
    index->slots = mem_zalloc(index->n_slots, sizeof *index->slots);
    if (!index->slots)
        return error_no_memory(err, index->n_slots * sizeof *index->slots);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = hash_xxh64(s->ids[i], strlen(s->ids[i])) & (index->n_slots - 1);
        while (index->slots[at])
            at = (at + 1) & (index->n_slots - 1);
        index->slots[at] = (uint32_t)i + 1;
    }
    return KEN_OK;
}

/* The sample's index, or the number of samples. */
static size_t find_id(const id_index *index, const char *id) {
    size_t at = hash_xxh64(id, strlen(id)) & (index->n_slots - 1);
    for (; index->slots[at]; at = (at + 1) & (index->n_slots - 1))
        if (strcmp(index->samples->ids[index->slots[at] - 1], id) == 0)
            return index->slots[at] - 1;
    return index->samples->n;
}

static ken_status set_label(labels *l, size_t sample, const char *label, size_t size,
                            ken_error *err) {
    l->of_sample[sample] = arena_strndup(&l->memory, label, size);
    if (!l->of_sample[sample])
        return error_no_memory(err, size);
    l->n_labelled++;
    return KEN_OK;
}

static ken_status read_rows(labels *l, csv_reader *csv, const id_index *index, ken_error *err) {
    static const char *const names[] = {"id", "label"};
    size_t at[2];
    TRY(csv_header(csv, names, 2, at, err));
    for (;;) {
        bool more;
        TRY(csv_next(csv, &more, err));
        if (!more)
            return KEN_OK;
        const char *id = csv_field(csv, at[0]), *label = csv_field(csv, at[1]);
        size_t sample = find_id(index, id);
        if (sample == index->samples->n) {
            l->n_unused++;
        } else if (l->of_sample[sample]) {
            if (strcmp(l->of_sample[sample], label) != 0)
                return error_set(err, KEN_BAD_FORMAT,
                                 "%s:%d: '%s' has the label '%s', an earlier line says '%s'",
                                 csv->where, csv->line, id, label, l->of_sample[sample]);
        } else if (*label) {
            TRY(set_label(l, sample, label, strlen(label), err));
        }
    }
}

static ken_status read_table(labels *l, const char *path, const samples *s, ken_error *err) {
    buf text;
    buf_init(&text, max_label_bytes);
    id_index index = {0};
    ken_status status = file_read(path, &text, err);
    if (status == KEN_OK)
        status = index_ids(&index, s, err);
    if (status == KEN_OK) {
        char separator = strcasecmp(file_extension(path), ".tsv") == 0 ? '\t' : ',';
        csv_reader csv;
        csv_open(&csv, text.data ? text.data : "", text.size, separator, path);
        status = read_rows(l, &csv, &index, err);
        csv_close(&csv);
    }
    if (status == KEN_OK && l->n_labelled == 0) {
        status = error_set(err, KEN_BAD_FORMAT, "'%s' labels none of the %zu images", path, s->n);
        error_hint(err, status, "its ids must be those of the images, such as '%s'",
                   s->n ? s->ids[0] : "");
    }
    mem_free(index.slots);
    buf_free(&text);
    return status;
}

static ken_status new_labels(const samples *s, labels **out, ken_error *err) {
    labels *l = mem_zalloc(1, sizeof *l);
    if (l)
        l->of_sample = mem_zalloc(s->n, sizeof *l->of_sample);
    if (!l || !l->of_sample) {
        labels_free(l);
        return error_no_memory(err, s->n * sizeof *l->of_sample);
    }
    *out = l;
    return KEN_OK;
}

ken_status labels_read(const char *path, const samples *s, labels **out, ken_error *err) {
    *out = NULL;
    labels *l = NULL;
    TRY(new_labels(s, &l, err));
    ken_status status = read_table(l, path, s, err);
    if (status == KEN_OK)
        *out = l;
    else
        labels_free(l);
    return status;
}

/* The folder's name in "a/folder/name", or NULL. */
static const char *folder_of(const char *path, size_t *size) {
    const char *end = strrchr(path, '/');
    if (!end)
        return NULL;
    const char *start = end;
    while (start > path && start[-1] != '/')
        start--;
    *size = (size_t)(end - start);
    return *size ? start : NULL;
}

static ken_status label_folders(labels *l, const samples *s, ken_error *err) {
    for (size_t i = 0; i < s->n; i++) {
        size_t size;
        const char *folder = folder_of(s->ids[i], &size);
        if (!folder)
            folder = folder_of(s->paths[i], &size);
        if (folder)
            TRY(set_label(l, i, folder, size, err));
    }
    if (l->n_labelled == 0)
        return error_set(err, KEN_BAD_ARGUMENT,
                         "none of the %zu images lies in a folder that could be its label", s->n);
    return KEN_OK;
}

ken_status labels_from_folders(const samples *s, labels **out, ken_error *err) {
    *out = NULL;
    labels *l = NULL;
    TRY(new_labels(s, &l, err));
    ken_status status = label_folders(l, s, err);
    if (status == KEN_OK)
        *out = l;
    else
        labels_free(l);
    return status;
}

void labels_free(labels *l) {
    if (!l)
        return;
    mem_free(l->of_sample);
    arena_free(&l->memory);
    mem_free(l);
}
