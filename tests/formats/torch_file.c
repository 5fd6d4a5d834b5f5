/* State dicts as torch.save writes them (tools/make_torch_goldens.py), and what must be refused:
 * other programs than tensors, and every kind of damage. */
#include "formats/torch_file.h"

#include "formats/npy.h"
#include "formats/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *data_path(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/formats/torch/%s", KEN_TEST_DATA, name);
    return path;
}

typedef struct opened {
    file_map map;
    torch_file file;
    ken_error err;
} opened;

static ken_status open_file(opened *o, const char *name) {
    if (file_map_open(data_path(name), &o->map, &o->err) != KEN_OK)
        fail_msg("%s", o->err.message);
    return torch_file_read(&o->map, name, &o->file, &o->err);
}

static void close_file(opened *o) {
    torch_file_reset(&o->file);
    file_map_close(&o->map);
}

static void expect_npy(const tensor *t, const char *name) {
    file_map map;
    tensor expected;
    ken_error err;
    assert_non_null(t);
    assert_int_equal(file_map_open(data_path(name), &map, &err), KEN_OK);
    assert_int_equal(npy_parse(map.data, map.size, name, &expected, &err), KEN_OK);
    assert_int_equal(t->dtype, expected.dtype);
    assert_int_equal(t->rank, expected.rank);
    assert_memory_equal(t->shape, expected.shape, (size_t)t->rank * sizeof *t->shape);
    assert_int_equal(t->size_bytes, expected.size_bytes);
    assert_memory_equal(t->data, expected.data, t->size_bytes);
    file_map_close(&map);
}

static void reads_a_linear_layer(void **state) {
    (void)state;
    static const char *const names[] = {"linear.pth", "nested.pth"};
    for (size_t i = 0; i < 2; i++) {
        opened o = {0};
        assert_int_equal(open_file(&o, names[i]), KEN_OK);
        assert_true(torch_file_looks_like(&o.map));
        assert_int_equal(o.file.n_tensors, 2);
        assert_string_equal(o.file.tensors[0].name, "weight");
        expect_npy(torch_file_find(&o.file, "weight"), "linear.weight.npy");
        expect_npy(torch_file_find(&o.file, "bias"), "linear.bias.npy");
        assert_null(torch_file_find(&o.file, "weights"));
        close_file(&o);
    }
}

static void expect_shape(const torch_file *f, const char *name, ken_dtype dtype, int rank,
                         const int64_t *shape) {
    const tensor *t = torch_file_find(f, name);
    assert_non_null(t);
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->rank, rank);
    assert_memory_equal(t->shape, shape, (size_t)rank * sizeof *shape);
}

static void reads_every_type(void **state) {
    (void)state;
    opened o = {0};
    assert_int_equal(open_file(&o, "types.pth"), KEN_OK);
    const torch_file *f = &o.file;
    assert_int_equal(f->n_tensors, 10);
    expect_shape(f, "whole", KEN_DTYPE_F32, 3, (const int64_t[]){2, 3, 4});
    expect_shape(f, "part", KEN_DTYPE_F32, 1, (const int64_t[]){6});
    expect_shape(f, "scalar", KEN_DTYPE_F32, 0, NULL);
    expect_shape(f, "half", KEN_DTYPE_F16, 1, (const int64_t[]){5});
    expect_shape(f, "bf16", KEN_DTYPE_BF16, 1, (const int64_t[]){5});
    expect_shape(f, "double", KEN_DTYPE_F64, 1, (const int64_t[]){3});
    expect_shape(f, "long", KEN_DTYPE_I64, 1, (const int64_t[]){3});
    expect_shape(f, "bytes", KEN_DTYPE_U8, 1, (const int64_t[]){2});
    expect_shape(f, "parameter", KEN_DTYPE_F32, 1, (const int64_t[]){2});
    expect_shape(f, "empty", KEN_DTYPE_F32, 2, (const int64_t[]){0, 4});
    float part[6], scalar;
    int64_t numbers[3];
    memcpy(part, torch_file_find(f, "part")->data, sizeof part);
    memcpy(&scalar, torch_file_find(f, "scalar")->data, sizeof scalar);
    memcpy(numbers, torch_file_find(f, "long")->data, sizeof numbers);
    for (int i = 0; i < 6; i++)
        assert_true(part[i] == (float)(i + 4));
    assert_true(scalar == 2.5f);
    assert_true(numbers[0] == 1 && numbers[1] == -2 && numbers[2] == (int64_t)1 << 40);
    close_file(&o);
}

static void refuses_with_a_reason(void **state) {
    (void)state;
    static const struct {
        const char *name;
        ken_status status;
        const char *message;
    } cases[] = {
        {"evil.pth", KEN_REFUSED, "wants to call 'posix.system'"},
        {"transposed.pth", KEN_BAD_FORMAT, "tensor 'x' is not contiguous"},
        {"list.pth", KEN_UNSUPPORTED, "no dictionary of tensors"},
        {"old.pth", KEN_BAD_FORMAT, "no end of central directory"},
        {"linear.bias.npy", KEN_BAD_FORMAT, "no end of central directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opened o = {0};
        assert_int_equal(open_file(&o, cases[i].name), cases[i].status);
        if (!strstr(o.err.message, cases[i].message) || !strstr(o.err.message, cases[i].name))
            fail_msg("%s: %s", cases[i].name, o.err.message);
        close_file(&o);
    }
}

/* Reads every byte that the tensors claim. */
static void use_all(const torch_file *f) {
    unsigned sum = 0;
    for (size_t i = 0; i < f->n_tensors; i++)
        for (size_t k = 0; k < f->tensors[i].value.size_bytes; k++)
            sum += ((const uint8_t *)f->tensors[i].value.data)[k];
    __asm__ volatile("" : : "r"(sum));
}

/* Bytes that end exactly at the end of a heap block, so that ASan sees any overrun. */
static ken_status read_bytes(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, bytes, size);
    const file_map map = {.data = copy, .size = size};
    torch_file file;
    ken_error err = {0};
    ken_status status = torch_file_read(&map, "x", &file, &err);
    if (status == KEN_OK)
        use_all(&file);
    else
        assert_true(err.message[0] != '\0' && err.status == status);
    torch_file_reset(&file);
    free(copy);
    return status;
}

static void survives_damage(void **state) {
    (void)state;
    file_map map;
    ken_error err;
    assert_int_equal(file_map_open(data_path("nested.pth"), &map, &err), KEN_OK);
    uint8_t *bytes = malloc(map.size);
    assert_non_null(bytes);
    memcpy(bytes, map.data, map.size);
    for (size_t size = 0; size < map.size; size++)
        assert_int_not_equal(read_bytes(bytes, size), KEN_OK);
    size_t n_refused = 0;
    for (size_t i = 0; i < map.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            n_refused += read_bytes(bytes, map.size) != KEN_OK;
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    assert_true(n_refused > map.size); /* checksums, names and times do not matter */
    assert_int_equal(read_bytes(bytes, map.size), KEN_OK);
    free(bytes);
    file_map_close(&map);
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status != KEN_OK; n++) {
        opened o = {0};
        assert_int_equal(file_map_open(data_path("nested.pth"), &o.map, &o.err), KEN_OK);
        mem_fail_after(n, false);
        status = torch_file_read(&o.map, "x", &o.file, &o.err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
        assert_true(n < 1000);
        close_file(&o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_linear_layer),
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
