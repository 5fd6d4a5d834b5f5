/* .npy headers: what NumPy writes byte for byte, and what must be refused. */
#include "formats/npy.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As numpy.save writes an array of shape (2, 3), float32. */
static const char numpy_header[] = "\x93NUMPY\x01\x00\x76\x00"
                                   "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
                                   "                                                          \n";

static void test_header(void **state) {
    (void)state;
    buf out;
    buf_init(&out, 4096);
    assert_true(npy_put_header(&out, KEN_DTYPE_F32, 2, (const int64_t[]){2, 3}));
    assert_int_equal(out.size, 128);
    assert_memory_equal(out.data, numpy_header, 128);
    buf_clear(&out);
    assert_true(npy_put_header(&out, KEN_DTYPE_U8, 1, (const int64_t[]){7}));
    assert_non_null(
        strstr(out.data + 10, "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }"));
    buf_clear(&out);
    assert_true(npy_put_header(&out, KEN_DTYPE_F64, 0, NULL));
    assert_non_null(strstr(out.data + 10, "'shape': (), }"));
    assert_false(npy_put_header(&out, KEN_DTYPE_BF16, 0, NULL));
    buf_free(&out);
}

static void test_round_trip(void **state) {
    (void)state;
    static const ken_dtype dtypes[] = {KEN_DTYPE_F32, KEN_DTYPE_F16, KEN_DTYPE_F64,
                                       KEN_DTYPE_I32, KEN_DTYPE_I64, KEN_DTYPE_U8};
    const int64_t shape[] = {2, 3, 4};
    uint8_t data[2 * 3 * 4 * 8];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        for (int rank = 0; rank <= 3; rank++) {
            const char *path = scratch_path("a.npy");
            ken_error err;
            assert_ok(npy_write(path, dtypes[i], rank, shape, data, &err), err);
            buf bytes;
            buf_init(&bytes, 1 << 20);
            assert_ok(file_read(path, &bytes, &err), err);
            tensor t;
            assert_ok(npy_parse((uint8_t *)bytes.data, bytes.size, path, &t, &err), err);
            assert_int_equal(t.dtype, dtypes[i]);
            assert_int_equal(t.rank, rank);
            assert_memory_equal(t.shape, shape, (size_t)rank * sizeof *shape);
            assert_int_equal(t.size_bytes, tensor_count(&t) * dtype_size(t.dtype));
            assert_memory_equal(t.data, data, t.size_bytes);
            buf_free(&bytes);
        }
}

static ken_status parse(const char *header, size_t data_bytes, tensor *out, ken_error *err) {
    static uint8_t bytes[4096];
    size_t n = strlen(header);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (uint8_t)n;
    bytes[9] = (uint8_t)(n >> 8);
    memcpy(bytes + 10, header, n);
    return npy_parse(bytes, 10 + n + data_bytes, "x.npy", out, err);
}

static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        ken_status status;
        const char *message;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8, KEN_OK, ""},
        {"{\"shape\":(2,1),\"descr\":\"<f4\",\"fortran_order\":False}", 8, KEN_OK, ""},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", 8, KEN_OK, ""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }", 8, KEN_OK, ""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }", 0, KEN_OK, ""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7, KEN_BAD_FORMAT,
         "cut short: it has 7 bytes of data of 8"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", 8, KEN_UNSUPPORTED,
         "Fortran order"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, KEN_UNSUPPORTED,
         "type '>f4' are not supported"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 8, KEN_UNSUPPORTED, "'|O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, KEN_BAD_FORMAT,
         "cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 0,
         KEN_BAD_FORMAT, "does not fit 64 bits"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 0,
         KEN_BAD_FORMAT, "cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 0, KEN_BAD_FORMAT,
         "cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
         KEN_BAD_FORMAT, "cannot be read"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4,
         KEN_BAD_FORMAT, "cannot be read"},
        {"{'descr': '<f4', 'shape': (1,), }", 4, KEN_BAD_FORMAT, "cannot be read"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, KEN_BAD_FORMAT,
         "cannot be read at byte 68"},
        {"", 0, KEN_BAD_FORMAT, "cannot be read at byte 10"},
        {"{'descr': '<f4", 0, KEN_BAD_FORMAT, "cannot be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tensor t;
        ken_error err;
        ken_status status = parse(cases[i].header, cases[i].data_bytes, &t, &err);
        if (cases[i].status == KEN_OK)
            assert_ok(status, err);
        else
            assert_error(status, cases[i].status, err, cases[i].message);
    }
}

static void test_prefixes(void **state) {
    (void)state;
    uint8_t whole[128 + 24] = {0};
    memcpy(whole, numpy_header, 128);
    tensor t;
    ken_error err;
    assert_ok(npy_parse(whole, sizeof whole, "x", &t, &err), err);
    for (size_t n = 0; n < sizeof whole; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* so that ASan sees reading past the end */
        memcpy(copy, whole, n);
        assert_int_equal(npy_parse(copy, n, "x", &t, NULL), KEN_BAD_FORMAT);
        free(copy);
    }
    whole[6] = 4;
    assert_error(npy_parse(whole, sizeof whole, "x", &t, &err), KEN_UNSUPPORTED, err,
                 ".npy version 4, expected 1 to 3");
    assert_error(npy_write("x.npy", KEN_DTYPE_BF16, 0, NULL, whole, &err), KEN_UNSUPPORTED, err,
                 "cannot hold BF16");
}

static void test_out_of_memory(void **state) {
    (void)state;
    const char *path = scratch_path("oom.npy");
    uint64_t n = 0;
    ken_status status = KEN_INTERNAL;
    while (status != KEN_OK && n < 50) {
        mem_fail_after(++n, false);
        status = npy_write(path, KEN_DTYPE_U8, 1, (const int64_t[]){3}, "abc", NULL);
        mem_fail_after(0, false);
    }
    assert_in_range(n, 5, 10);
    buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_ok(file_read(path, &bytes, NULL), (ken_error){0});
    assert_int_equal(bytes.size, 128 + 3);
    buf_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
