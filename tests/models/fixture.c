#include "fixture.h"

#include "base/mem.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *fixture_dir(const char *name) {
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/models/%s", KEN_TEST_DATA, name);
    return path;
}

static uint8_t *read_file(const char *name, const char *file, size_t *size) {
    char path[600];
    snprintf(path, sizeof path, "models/%s/%s", name, file);
    return test_data(path, size);
}

static const char *write_file(const char *name, const char *file, const void *bytes, size_t size) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return scratch_write(path, bytes, size);
}

const char *fixture_copy(const char *name) {
    DIR *dir = opendir(fixture_dir(name));
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "goldens", 7) == 0)
            continue;
        size_t size;
        uint8_t *bytes = read_file(name, entry->d_name, &size);
        write_file(name, entry->d_name, bytes, size);
        mem_free(bytes);
    }
    closedir(dir);
    return scratch_path(name);
}

static json_t *load_json(const char *path) {
    json_error_t reason;
    json_t *doc = json_load_file(path, 0, &reason);
    if (!doc)
        fail_msg("%s: %s", path, reason.text);
    return doc;
}

void fixture_set(const char *name, const char *file, const char *path, const char *json) {
    char file_path[600], keys[200];
    snprintf(file_path, sizeof file_path, "%s/%s", name, file);
    json_t *doc = load_json(scratch_path(file_path));
    snprintf(keys, sizeof keys, "%s", path);
    json_t *object = doc;
    char *key = keys;
    for (char *dot; (dot = strchr(key, '.')); key = dot + 1) {
        *dot = '\0';
        if (!json_is_object(json_object_get(object, key)))
            json_object_set_new(object, key, json_object());
        object = json_object_get(object, key);
    }
    if (json) {
        json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        json_object_set_new(object, key, value);
    } else {
        json_object_del(object, key);
    }
    char *text = json_dumps(doc, 0);
    scratch_text(file_path, text);
    free(text);
    json_decref(doc);
}

static uint64_t header_bytes(const uint8_t *bytes) {
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | bytes[i];
    return n;
}

void fixture_read_tensors(const char *name, const char *file, fixture_tensors *out) {
    size_t size;
    out->bytes = read_file(name, file, &size);
    size_t n = (size_t)header_bytes(out->bytes);
    out->header = json_loadb((const char *)out->bytes + 8, n, 0, NULL);
    assert_non_null(out->header);
    out->data = out->bytes + 8 + n;
    out->data_bytes = size - 8 - n;
}

void fixture_write_tensors(const char *name, const char *file, const json_t *header,
                           const uint8_t *data, size_t data_bytes) {
    char *text = json_dumps(header, JSON_COMPACT);
    size_t n = strlen(text);
    uint8_t *bytes = mem_alloc(8 + n + data_bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(bytes + 8, text, n);
    memcpy(bytes + 8 + n, data, data_bytes);
    write_file(name, file, bytes, 8 + n + data_bytes);
    mem_free(bytes);
    free(text);
}

void fixture_free_tensors(fixture_tensors *tensors) {
    json_decref(tensors->header);
    mem_free(tensors->bytes);
}

ken_model *fixture_load(const char *dir, const ken_model_options *options) {
    ken_model *model;
    ken_error err;
    assert_ok(ken_model_load(dir, options, &model, &err), err);
    return model;
}

void fixture_refused(const char *dir, ken_status expected, const char *text, ken_error *err) {
    ken_model *model = (ken_model *)err; /* must become NULL */
    assert_error(ken_model_load(dir, NULL, &model, err), expected, *err, text);
    assert_null(model);
}
