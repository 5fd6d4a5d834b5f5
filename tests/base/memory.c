/* Memory, buffers, errors, hashes: the small things that everything stands on. */
#include "base/buf.h"
#include "base/checked.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "testing.h"

#include <errno.h>
#include <string.h>

/* ---- mem.h ------------------------------------------------------------------------------------
 */

static void test_blocks(void **state) {
    (void)state;
    uint64_t before = mem_count();
    char *a = mem_alloc(0), *b = mem_alloc(0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    assert_int_equal(mem_count(), before + 2);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
    assert_null(mem_zalloc(SIZE_MAX / 2, 3));
    assert_null(mem_alloc(SIZE_MAX));
    int *numbers = mem_zalloc(10, sizeof *numbers);
    assert_int_equal((uintptr_t)numbers % 64, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(numbers[i], 0);
        numbers[i] = i;
    }
    numbers = mem_grow(numbers, 10 * sizeof *numbers, 1000 * sizeof *numbers);
    assert_int_equal(numbers[9], 9);
    assert_int_equal((uintptr_t)numbers % 64, 0);
    MEM_FREE(numbers);
    assert_null(numbers);
    char *text = mem_strdup("abc");
    assert_string_equal(text, "abc");
    mem_free(text);
}

static void test_failing(void **state) {
    (void)state;
    mem_fail_after(2, false);
    char *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_fail_after(1, true);
    assert_null(mem_strdup("x"));
    assert_null(mem_zalloc(1, 1));
    char *grown = mem_grow(a, 1, 100);
    assert_null(grown);
    mem_fail_after(0, false);
    mem_free(a); /* a block that could not grow is still there */
    mem_free(c);
}

static void test_arena(void **state) {
    (void)state;
    arena a = {0};
    unsigned char *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        size_t size = i * i % 3000 + 1;
        blocks[i] = arena_alloc(&a, size);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % (size >= 64 ? 64 : 16), 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(blocks[i][k], 0);
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(blocks[i][i * i % 3000], (unsigned char)i);
    assert_non_null(arena_alloc(&a, 1 << 20)); /* larger than a block */
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_printf(&a, "%d-%s", 5, "x"), "5-x");
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_strndup(&a, "", SIZE_MAX));
    arena_free(&a);
    assert_null(a.blocks);
    arena limited = {.max_bytes = 100};
    assert_non_null(arena_alloc(&limited, 60));
    assert_null(arena_alloc(&limited, 41));
    assert_non_null(arena_alloc(&limited, 40));
    arena_free(&limited);
}

static void test_checked(void **state) {
    (void)state;
    size_t out = 7;
    assert_true(checked_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_false(checked_add(SIZE_MAX, 1, &out));
    assert_false(checked_mul((size_t)1 << 32, (size_t)1 << 32, &out));
    assert_true(out == SIZE_MAX);
    assert_true(checked_mul(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
    assert_true(checked_mul3(1000, 1000, 1000, &out));
    assert_int_equal(out, 1000000000);
    assert_false(checked_mul3((size_t)1 << 30, (size_t)1 << 30, 16, &out));
}

/* ---- buf.h ------------------------------------------------------------------------------------
 */

static void test_buf_ceiling(void **state) {
    (void)state;
    buf b;
    ken_error err;
    buf_init(&b, 10);
    assert_true(buf_puts(&b, "0123456789"));
    assert_int_equal(buf_check(&b, &err), KEN_OK);
    assert_false(buf_putc(&b, 'x'));
    assert_string_equal(b.data, "0123456789");
    assert_int_equal(buf_check(&b, &err), KEN_TOO_LARGE);
    assert_string_equal(err.message, "text grew past its limit of 10 bytes");
    assert_false(buf_append(&b, "", 0)); /* stays failed */
    buf_clear(&b);
    assert_string_equal(b.data, "");
    assert_true(buf_printf(&b, "%s-%d", "ab", 42));
    assert_string_equal(b.data, "ab-42");
    assert_false(buf_printf(&b, "%s", "too long"));
    assert_string_equal(b.data, "ab-42");
    buf_free(&b);
    assert_null(b.data);
    buf_init(&b, SIZE_MAX);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_clear(&b);
    mem_fail_after(1, false);
    assert_false(buf_puts(&b, "x"));
    mem_fail_after(0, false);
    assert_true(b.failed);
    buf_free(&b);
}

static void expect_put(bool (*put)(buf *, const char *, size_t), const char *text, size_t n,
                       const char *expected) {
    buf b;
    buf_init(&b, 1000);
    assert_true(put(&b, text, n));
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static bool put_base64(buf *b, const char *text, size_t n) {
    return buf_put_base64(b, text, n);
}

static void test_buf_formats(void **state) {
    (void)state;
    expect_put(buf_put_json, "a\"\\\n\t\0\x7f\xc3\xa9\xff", 10,
               "\"a\\\"\\\\\\n\\u0009\\u0000\\u007f\xc3\xa9\xef\xbf\xbd\"");
    expect_put(buf_put_json, "", 0, "\"\"");
    expect_put(buf_put_html, "<a href=\"x\">'&", 14, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    expect_put(buf_put_csv, "plain", 5, "plain");
    expect_put(buf_put_csv, "a,b", 3, "\"a,b\"");
    expect_put(buf_put_csv, "a\"b", 3, "\"a\"\"b\"");
    expect_put(buf_put_csv, "a\nb", 3, "\"a\nb\"");
    expect_put(put_base64, "", 0, "");
    expect_put(put_base64, "f", 1, "Zg==");
    expect_put(put_base64, "fo", 2, "Zm8=");
    expect_put(put_base64, "foo", 3, "Zm9v");
    expect_put(put_base64, "\xff\xfe\xfd\0", 4, "//79AA==");
}

/* ---- error.h ----------------------------------------------------------------------------------
 */

static void test_errors(void **state) {
    (void)state;
    ken_error err;
    assert_int_equal(error_at(&err, KEN_BAD_FORMAT, 12, "bad '%s'", "x"), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "bad 'x'");
    assert_int_equal(err.offset, 12);
    assert_int_equal(error_hint(&err, err.status, "do %d", 1), KEN_BAD_FORMAT);
    assert_string_equal(err.hint, "do 1");
    assert_int_equal(error_prefix(&err, err.status, "in %s", "y"), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "in y: bad 'x'");
    assert_int_equal(error_set(&err, KEN_IO, "z"), KEN_IO);
    assert_int_equal(err.offset, -1);
    assert_string_equal(err.hint, "");
    assert_int_equal(error_errno(&err, ENOENT, "no '%s'", "f"), KEN_NOT_FOUND);
    assert_string_equal(err.message, "no 'f': No such file or directory");
    assert_int_equal(error_errno(&err, ENOTDIR, "x"), KEN_NOT_FOUND);
    assert_int_equal(error_errno(&err, ENOMEM, "x"), KEN_NO_MEMORY);
    assert_int_equal(error_errno(&err, ENOSPC, "x"), KEN_IO);
    assert_int_equal(error_no_memory(&err, 5), KEN_NO_MEMORY);
    assert_string_equal(err.message, "out of memory: could not allocate 5 bytes");
    /* No place for the error is fine everywhere. */
    assert_int_equal(error_set(NULL, KEN_IO, "x"), KEN_IO);
    assert_int_equal(error_at(NULL, KEN_IO, 1, "x"), KEN_IO);
    assert_int_equal(error_errno(NULL, EIO, "x"), KEN_IO);
    assert_int_equal(error_hint(NULL, KEN_IO, "x"), KEN_IO);
    assert_int_equal(error_prefix(NULL, KEN_IO, "x"), KEN_IO);
}

static void test_long_messages(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ken_error err;
    error_set(&err, KEN_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_prefix(&err, KEN_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_prefix(&err, KEN_IO, "ab");
    error_hint(&err, KEN_IO, "%s", text);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static void test_statuses(void **state) {
    (void)state;
    static const struct {
        ken_status status;
        const char *name;
        int exit_code;
    } cases[] = {
        {KEN_OK, "ok", 0},
        {KEN_BAD_ARGUMENT, "bad_argument", 2},
        {KEN_NOT_FOUND, "not_found", 66},
        {KEN_IO, "io", 74},
        {KEN_BAD_FORMAT, "bad_format", 65},
        {KEN_UNSUPPORTED, "unsupported", 65},
        {KEN_TOO_LARGE, "too_large", 65},
        {KEN_NO_MEMORY, "no_memory", 70},
        {KEN_CANCELLED, "cancelled", 75},
        {KEN_UNAVAILABLE, "unavailable", 69},
        {KEN_INTERNAL, "internal", 70},
        {KEN_REFUSED, "refused", 77},
        {KEN_CANNOT_CREATE, "cannot_create", 73},
        {(ken_status)99, "unknown", 70},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(ken_status_name(cases[i].status), cases[i].name);
        assert_int_equal(ken_status_exit_code(cases[i].status), cases[i].exit_code);
    }
    assert_non_null(strchr(ken_version(), '.'));
}

/* ---- hash.h, suggest.h ------------------------------------------------------------------------
 */

static void test_hashes(void **state) {
    (void)state;
    char sha[HASH_SHA256_HEX], xxh[HASH_XXH128_HEX];
    assert_int_equal(hash_sha256("abc", 3, sha, NULL), KEN_OK);
    assert_string_equal(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(hash_sha256("", 0, sha, NULL), KEN_OK);
    assert_string_equal(sha, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_xxh128("", 0, xxh);
    assert_string_equal(xxh, "99aa06d3014798d86001c324468d497f");
    hash_xxh128("abc", 3, xxh);
    assert_string_equal(xxh, "06b05ab6733a618578af5f94892f3950");
    assert_true(hash_xxh64("abc", 3) == 0x78af5f94892f3950u);
}

static void test_suggestions(void **state) {
    (void)state;
    static const char *const words[] = {"classify", NULL, "embed", "calibrate"};
    assert_string_equal(suggest_word("clasify", words, 4), "classify");
    assert_string_equal(suggest_word("ebmed", words, 4), "embed");
    assert_null(suggest_word("search", words, 4));
    assert_null(suggest_word("", words, 4));
    assert_null(suggest_word("a-word-that-is-longer-than-any-of-the-forty-bytes", words, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),      cmocka_unit_test(test_failing),
        cmocka_unit_test(test_arena),       cmocka_unit_test(test_checked),
        cmocka_unit_test(test_buf_ceiling), cmocka_unit_test(test_buf_formats),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_statuses),    cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
