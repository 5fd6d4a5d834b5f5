#include "formats/torch_file.h"

#include "base/checked.h"
#include "formats/unpickle.h"

#include <string.h>

bool torch_file_looks_like(const file_map *file) {
    return file->size >= 4 && memcmp(file->data, "PK\3\4", 4) == 0;
}

typedef struct reader {
    torch_file *out;
    const char *path;
    const char *prefix; /* "NAME/" */
    size_t prefix_size;
    const pickle *values;
    ken_error *err;
} reader;

/* The only file called data.pkl, and with it the archive's NAME. */
static const zip_entry *find_pickle(reader *r) {
    static const char suffix[] = "/data.pkl";
    size_t n = sizeof suffix - 1;
    for (size_t i = 0; i < r->out->zip.n_entries; i++) {
        const zip_entry *e = &r->out->zip.entries[i];
        if (e->name_size <= n || memcmp(e->name + e->name_size - n, suffix, n) != 0 ||
            memchr(e->name, '/', e->name_size - n))
            continue;
        r->prefix = e->name;
        r->prefix_size = e->name_size - n + 1;
        return e;
    }
    return NULL;
}

/* NAME/data/KEY */
static const zip_entry *find_storage(const reader *r, const pickle_value *key) {
    char name[256];
    static const char folder[] = "data/";
    size_t n = r->prefix_size + sizeof folder - 1;
    if (key->size > sizeof name - n || n > sizeof name)
        return NULL;
    memcpy(name, r->prefix, r->prefix_size);
    memcpy(name + r->prefix_size, folder, sizeof folder - 1);
    memcpy(name + n, key->text, key->size);
    return zip_index_find(&r->out->zip, name, n + key->size);
}

static ken_status bad_tensor(const reader *r, const char *name, const char *what) {
    return error_set(r->err, KEN_BAD_FORMAT, "'%s': tensor '%.80s' %s", r->path, name, what);
}

/* Sizes and strides of a tensor that lies row by row without gaps. */
static ken_status read_shape(const reader *r, const char *name, const pickle_value *t, tensor *out,
                             size_t *count) {
    const pickle_value *sizes = &r->values->values[t->items[1]];
    const pickle_value *strides = &r->values->values[t->items[2]];
    if (sizes->n > TENSOR_MAX_RANK || sizes->n != strides->n)
        return bad_tensor(r, name, "has too many dimensions, or strides that do not fit");
    out->rank = (int)sizes->n;
    *count = 1;
    for (size_t i = sizes->n; i-- > 0;) {
        const pickle_value *size = &r->values->values[sizes->list[i]];
        const pickle_value *stride = &r->values->values[strides->list[i]];
        if (size->kind != PICKLE_INT || stride->kind != PICKLE_INT || size->number < 0)
            return bad_tensor(r, name, "has a size that is no number");
        if (size->number != 1 && *count && stride->number != (int64_t)*count)
            return error_hint(r->err, bad_tensor(r, name, "is not contiguous"),
                              "save it with .contiguous()");
        out->shape[i] = size->number;
        if (!checked_mul(*count, (size_t)size->number, count))
            return bad_tensor(r, name, "is too large");
    }
    return KEN_OK;
}

static ken_status read_tensor(const reader *r, const char *name, const pickle_value *t,
                              tensor *out) {
    const pickle_value *storage = &r->values->values[t->items[0]];
    size_t count = 0, begin_bytes, end;
    out->dtype = storage->dtype;
    TRY(read_shape(r, name, t, out, &count));
    size_t width = dtype_size(out->dtype);
    const zip_entry *file = find_storage(r, storage);
    if (!file)
        return bad_tensor(r, name, "has no data in the archive");
    if (t->number < 0 || !checked_mul((size_t)t->number, width, &begin_bytes) ||
        !checked_mul(count, width, &out->size_bytes) ||
        !checked_add(begin_bytes, out->size_bytes, &end) || end > file->size)
        return bad_tensor(r, name, "reaches past the end of its data");
    out->data = file->data + begin_bytes;
    return KEN_OK;
}

static const pickle_value *find_key(const pickle *p, const pickle_value *dict, const char *key) {
    for (size_t i = 0; i + 1 < dict->n; i += 2) {
        const pickle_value *k = &p->values[dict->list[i]];
        if (k->kind == PICKLE_TEXT && k->size == strlen(key) && memcmp(k->text, key, k->size) == 0)
            return &p->values[dict->list[i + 1]];
    }
    return NULL;
}

static ken_status read_dict(reader *r, const pickle_value *dict) {
    torch_file *f = r->out;
    f->tensors = arena_array(&f->memory, dict->n / 2, sizeof *f->tensors);
    if (!f->tensors)
        return error_no_memory(r->err, dict->n / 2 * sizeof *f->tensors);
    for (size_t i = 0; i + 1 < dict->n; i += 2) {
        const pickle_value *key = &r->values->values[dict->list[i]];
        const pickle_value *value = &r->values->values[dict->list[i + 1]];
        if (key->kind != PICKLE_TEXT || value->kind != PICKLE_TENSOR)
            continue;
        torch_tensor *t = &f->tensors[f->n_tensors];
        t->name = arena_strndup(&f->memory, key->text, key->size);
        if (!t->name)
            return error_no_memory(r->err, key->size);
        TRY(read_tensor(r, t->name, value, &t->value));
        f->n_tensors++;
    }
    return f->n_tensors ? KEN_OK
                        : error_set(r->err, KEN_BAD_FORMAT, "'%s' holds no tensors", r->path);
}

ken_status torch_file_read(const file_map *map, const char *path, torch_file *out, ken_error *err) {
    *out = (torch_file){0};
    reader r = {.out = out, .path = path, .err = err};
    TRY(zip_index_read(map, path, &out->zip, err));
    const zip_entry *file = find_pickle(&r);
    if (!file)
        return error_set(err, KEN_BAD_FORMAT,
                         "'%s' is a zip archive, but torch.save did not write it", path);
    pickle values;
    ken_status status = unpickle(file->data, file->size, path, &values, err);
    r.values = &values;
    if (status == KEN_OK) {
        const pickle_value *root = &values.values[values.root];
        const pickle_value *nested =
            root->kind == PICKLE_DICT ? find_key(&values, root, "state_dict") : NULL;
        if (nested && nested->kind == PICKLE_DICT)
            root = nested;
        status = root->kind == PICKLE_DICT
                     ? read_dict(&r, root)
                     : error_set(err, KEN_UNSUPPORTED, "'%s' holds no dictionary of tensors", path);
    }
    pickle_reset(&values);
    return status;
}

void torch_file_reset(torch_file *f) {
    zip_index_reset(&f->zip);
    arena_free(&f->memory);
    *f = (torch_file){0};
}

const tensor *torch_file_find(const torch_file *f, const char *name) {
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i].value;
    return NULL;
}
