#include "formats/scratch.h"

#include "base/file.h"
#include "base/mem.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ken-test-XXXXXX";

int scratch_make(void **state) {
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

int scratch_remove(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *name) {
    static char paths[8][PATH_MAX];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", root, name);
    return path;
}

const char *scratch_write(const char *name, const void *bytes, size_t size) {
    const char *path = scratch_path(name);
    char folder[PATH_MAX];
    for (const char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        mkdir(folder, 0777);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

const char *scratch_text(const char *name, const char *text) {
    return scratch_write(name, text, strlen(text));
}

const char *scratch_safetensors(const char *name, const char *header, size_t data_bytes) {
    size_t n = strlen(header);
    uint8_t *bytes = mem_zalloc(8 + n + data_bytes, 1);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data_bytes; i++)
        bytes[8 + n + i] = (uint8_t)i;
    const char *path = scratch_write(name, bytes, 8 + n + data_bytes);
    mem_free(bytes);
    return path;
}

uint8_t *test_data(const char *name, size_t *size) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", KEN_TEST_DATA, name);
    buf bytes;
    buf_init(&bytes, 1 << 26);
    ken_error err;
    assert_ok(file_read(path, &bytes, &err), err);
    *size = bytes.size;
    return (uint8_t *)bytes.data;
}
