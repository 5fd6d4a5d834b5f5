/* UTF-8 against Python's decoder, and names that survive any byte. */
#include "base/utf8.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

static void put_replaced(buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = utf8_decode(text + i, n - i, &code);
        assert_in_range(length, 1, 4);
        if (code == UTF8_INVALID)
            buf_puts(out, "\xef\xbf\xbd");
        else
            buf_append(out, text + i, length);
        i += length;
    }
}

static void test_all_code_points(void **state) {
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        char text[4];
        size_t n = utf8_encode(code, text);
        uint32_t back;
        if (utf8_decode(text, n, &back) != n || back != code || !utf8_valid(text, n))
            fail_msg("U+%04X does not come back", code);
        /* Cut short, it is one invalid part. */
        if (n > 1 && (utf8_decode(text, n - 1, &back) != n - 1 || back != UTF8_INVALID))
            fail_msg("U+%04X cut short is not one invalid part", code);
    }
}

static size_t from_hex(const char *hex, size_t n_hex, char *out) {
    for (size_t i = 0; i < n_hex / 2; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (char)strtoul(digits, NULL, 16);
    }
    return n_hex / 2;
}

/* Lines of "bytes replaced", made by Python; the last is the digest of all combinations. */
static void check_listed(const buf *goldens, char digest[65]) {
    buf got;
    buf_init(&got, 256);
    int n_lines = 0;
    for (const char *line = goldens->data; *line; line = strchr(line, '\n') + 1) {
        const char *space = strchr(line, ' '), *end = strchr(line, '\n');
        if (strncmp(line, "sha256 ", 7) == 0) {
            memcpy(digest, space + 1, 64);
            break;
        }
        char bytes[16], expected[64];
        size_t n = from_hex(line, (size_t)(space - line), bytes);
        size_t n_expected = from_hex(space + 1, (size_t)(end - space - 1), expected);
        buf_clear(&got);
        put_replaced(&got, bytes, n);
        assert_int_equal(got.size, n_expected);
        assert_memory_equal(got.data, expected, n_expected);
        assert_int_equal(utf8_valid(bytes, n), n == n_expected && memcmp(bytes, expected, n) == 0);
        n_lines++;
    }
    assert_int_equal(n_lines, 400);
    buf_free(&got);
}

static void put_combinations(buf *out) {
    static const uint8_t leads[] = {0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1,
                                    0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                    0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    static const uint8_t followers[] = {0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xF0};
    for (size_t count = 0, total = 1; count < 4; count++, total *= sizeof followers)
        for (size_t lead = 0; lead < sizeof leads; lead++)
            for (size_t k = 0; k < total; k++) {
                char bytes[4] = {(char)leads[lead]};
                for (size_t i = count, rest = k; i > 0; i--, rest /= sizeof followers)
                    bytes[i] = (char)followers[rest % sizeof followers];
                put_replaced(out, bytes, count + 1);
            }
}

static void test_replacement_as_python(void **state) {
    (void)state;
    buf goldens, all;
    buf_init(&goldens, 1 << 20);
    buf_init(&all, 1 << 20);
    assert_int_equal(file_read(KEN_TEST_DATA "/base/utf8_replace.txt", &goldens, NULL), KEN_OK);
    char digest[65] = "", got[HASH_SHA256_HEX];
    check_listed(&goldens, digest);
    put_combinations(&all);
    assert_int_equal(hash_sha256(all.data, all.size, got, NULL), KEN_OK);
    assert_string_equal(got, digest);
    buf_free(&goldens);
    buf_free(&all);
}

static void test_escape_any_bytes(void **state) {
    (void)state;
    buf escaped, back;
    buf_init(&escaped, 1 << 12);
    buf_init(&back, 1 << 12);
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            const char bytes[] = {'x', (char)a, (char)b, (char)0x80};
            buf_clear(&escaped);
            buf_clear(&back);
            assert_true(utf8_escape(&escaped, bytes, sizeof bytes));
            assert_true(utf8_valid(escaped.data, escaped.size));
            assert_true(utf8_unescape(&back, escaped.data, escaped.size));
            assert_int_equal(back.size, sizeof bytes);
            assert_memory_equal(back.data, bytes, sizeof bytes);
        }
    buf_clear(&escaped);
    utf8_escape(&escaped, "caf\xc3\xa9 100%\n\x7f\xc2\x85\xff/\xed\xa0\x80", 19);
    assert_string_equal(escaped.data, "caf\xc3\xa9 100%25%0A%7F%C2%85%FF/%ED%A0%80");
    buf_free(&escaped);
    buf_free(&back);
}

static void test_unescape_errors(void **state) {
    (void)state;
    static const char *const bad[] = {"%", "a%4", "%4g", "%g4", "%%41", "% 1"};
    buf out;
    buf_init(&out, 64);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&out);
        assert_false(utf8_unescape(&out, bad[i], strlen(bad[i])));
    }
    buf_clear(&out);
    assert_true(utf8_unescape(&out, "%41%4a%4A", 9));
    assert_string_equal(out.data, "AJJ");
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_replacement_as_python),
        cmocka_unit_test(test_escape_any_bytes),
        cmocka_unit_test(test_unescape_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
