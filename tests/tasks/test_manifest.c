/* The manifest: written, read back, torn at every byte, flipped at every byte. */
#include "testing.h"

#include "base/mem.h"
#include "tasks/collection/manifest.h"
#include "tasks/inputs/id_set.h"

#include <string.h>

static part_record record(uint64_t part, uint64_t failed) {
    part_record r = {.part = part,
                     .first = part * 10,
                     .items = 10,
                     .rows = 10 - failed,
                     .failed = failed,
                     .size_bytes = 1000 + part};
    memset(r.hash, "0123456789abcdef"[part % 16], sizeof r.hash - 1);
    if (failed)
        memset(r.errors_hash, 'e', sizeof r.errors_hash - 1);
    return r;
}

static void put_three(buf *text) {
    buf_init(text, 1 << 20);
    for (uint64_t i = 0; i < 3; i++) {
        part_record r = record(i, i);
        assert_true(manifest_put_line(text, &r));
    }
}

static void parse(const char *text, size_t size, manifest *m) {
    ken_error err;
    assert_int_equal(manifest_parse(text, size, m, &err), KEN_OK);
}

static void test_round_trip(void **state) {
    (void)state;
    buf text;
    manifest m;
    put_three(&text);
    parse(text.data, text.size, &m);
    assert_int_equal(m.n, 3);
    assert_int_equal(m.valid_bytes, text.size);
    for (uint64_t i = 0; i < 3; i++) {
        part_record r = record(i, i);
        assert_memory_equal(manifest_find(&m, i), &r, sizeof r);
    }
    assert_null(manifest_find(&m, 3));
    manifest_free(&m);
    buf_free(&text);
}

static void test_torn_at_every_byte(void **state) {
    (void)state;
    buf text;
    put_three(&text);
    for (size_t size = 0; size < text.size; size++) {
        manifest m;
        parse(text.data, size, &m);
        size_t lines = 0;
        for (size_t i = 0; i < size; i++)
            lines += text.data[i] == '\n';
        assert_int_equal(m.n, lines);
        assert_true(m.valid_bytes <= size);
        manifest_free(&m);
    }
    buf_free(&text);
}

/* A changed byte gives a line that is refused or one that differs; never a crash, never more lines.
 */
static void test_flipped_at_every_byte(void **state) {
    (void)state;
    buf text;
    put_three(&text);
    for (size_t at = 0; at < text.size; at++) {
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            manifest m;
            text.data[at] = (char)((unsigned char)text.data[at] ^ flip);
            parse(text.data, text.size, &m);
            assert_true(m.n <= 3);
            manifest_free(&m);
            text.data[at] = (char)((unsigned char)text.data[at] ^ flip);
        }
    }
    buf_free(&text);
}

static void test_senseless_lines_end_it(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{}\n",
        "[]\n",
        "null\n",
        "{\"part\":-1}\n",
        "{\"part\":1e3}\n",
        /* rows + failed is not items */
        "{\"part\":0,\"first\":0,\"items\":3,\"rows\":1,\"failed\":1,\"size_bytes\":1,\"xxh128\":"
        "\"00000000000000000000000000000000\",\"errors_xxh128\":"
        "\"00000000000000000000000000000000\"}\n",
        /* failures without an error table */
        "{\"part\":0,\"first\":0,\"items\":1,\"rows\":0,\"failed\":1,\"size_bytes\":1,\"xxh128\":"
        "\"00000000000000000000000000000000\",\"errors_xxh128\":\"\"}\n",
        /* not a hash */
        "{\"part\":0,\"first\":0,\"items\":1,\"rows\":1,\"failed\":0,\"size_bytes\":1,\"xxh128\":"
        "\"../../../../../../../../etc/passw\",\"errors_xxh128\":\"\"}\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        manifest m;
        parse(lines[i], strlen(lines[i]), &m);
        assert_int_equal(m.n, 0);
        assert_int_equal(m.valid_bytes, 0);
        manifest_free(&m);
    }
}

static void test_later_line_counts(void **state) {
    (void)state;
    buf text;
    put_three(&text);
    part_record again = record(1, 0);
    again.size_bytes = 77;
    assert_true(manifest_put_line(&text, &again));
    manifest m;
    parse(text.data, text.size, &m);
    assert_int_equal(m.n, 3);
    assert_int_equal(manifest_find(&m, 1)->size_bytes, 77);
    manifest_free(&m);
    buf_free(&text);
}

static void test_names(void **state) {
    (void)state;
    buf name;
    buf_init(&name, 4096);
    assert_true(part_file_name(&name, "dir", 7));
    assert_string_equal(name.data, "dir/part-000007.parquet");
    assert_true(part_errors_name(&name, "dir/", 1234567));
    assert_string_equal(name.data, "dir/part-1234567.errors.csv");
    buf_free(&name);
}

static void test_missing_file_is_empty(void **state) {
    (void)state;
    manifest m;
    ken_error err;
    assert_int_equal(manifest_read("/nowhere/manifest.jsonl", &m, &err), KEN_OK);
    assert_int_equal(m.n, 0);
}

static void test_no_memory(void **state) {
    (void)state;
    buf text;
    put_three(&text);
    for (uint64_t n = 1; n < 10; n++) {
        manifest m;
        ken_error err;
        mem_fail_after(n, true);
        ken_status status = manifest_parse(text.data, text.size, &m, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_NO_MEMORY || status == KEN_OK);
        manifest_free(&m);
    }
    buf_free(&text);
}

static void test_id_set(void **state) {
    (void)state;
    id_set set = {0};
    ken_error err;
    bool fresh;
    char id[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(id, sizeof id, "photo-%d.jpg", i);
            assert_int_equal(id_set_add(&set, id, &fresh, &err), KEN_OK);
            assert_int_equal(fresh, round == 0);
        }
    }
    assert_int_equal(set.n, 5000);
    id_set_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_flipped_at_every_byte),
        cmocka_unit_test(test_senseless_lines_end_it),
        cmocka_unit_test(test_later_line_counts),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_missing_file_is_empty),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_id_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
