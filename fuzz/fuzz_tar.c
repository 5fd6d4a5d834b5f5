/* Any bytes as a shard: every sample's names and bytes are read to their ends. */
#include "base/file.h"
#include "formats/tar.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { max_field_bytes = 1 << 16, max_samples = 1000 };

static void use(const tar_sample *sample) {
    unsigned sum = (unsigned)strlen(sample->key);
    for (size_t i = 0; i < sample->n_fields; i++) {
        const tar_field *field = &sample->fields[i];
        sum += (unsigned)strlen(field->name);
        if (field->size > max_field_bytes)
            __builtin_trap();
        for (size_t k = 0; k < field->size; k++)
            sum += field->bytes[k];
    }
    __asm__ volatile("" : : "r"(sum)); /* keeps the reads */
}

static void read_all(const char *path) {
    tar_reader *r;
    bool more = tar_open(path, max_field_bytes, &r, NULL) == KEN_OK;
    for (int n = 0; more && n < max_samples; n++) {
        tar_sample sample;
        ken_status status = tar_next(r, &sample, &more, NULL);
        if (more)
            use(&sample);
        if (more && status != KEN_OK && status != KEN_TOO_LARGE)
            __builtin_trap();
    }
    tar_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (file_write_all(fd, bytes, size, path, NULL) == KEN_OK)
        read_all(path);
    close(fd);
    return 0;
}
