/* JSON: the verdicts of JSONTestSuite, depth, and what getters say of a wrong value. */
#include "base/doc.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "testing.h"

#include <stdlib.h>
#include <string.h>

static ken_status parse(const char *text, size_t size, ken_error *err) {
    json_t *doc;
    char *copy = malloc(size ? size : 1); /* so that ASan sees reading past the end */
    memcpy(copy, text, size);
    ken_status status = doc_parse(copy, size, "x.json", &doc, err);
    free(copy);
    assert_true((status == KEN_OK) == (doc != NULL));
    json_decref(doc);
    return status;
}

/* Valid JSON that ken refuses on purpose: duplicate keys, and NUL in a key. */
static bool is_stricter(const char *name) {
    return strncmp(name, "y_object_duplicated_key", 23) == 0 ||
           strncmp(name, "y_object_escaped_null_in_key", 28) == 0;
}

/* A line of jsontestsuite.txt: name, tab, bytes as utf8_escape writes them. */
static void check_line(const char *line, size_t n, int counts[3]) {
    const char *tab = memchr(line, '\t', n);
    assert_non_null(tab);
    buf bytes;
    buf_init(&bytes, 1 << 16);
    assert_true(utf8_unescape(&bytes, tab + 1, n - (size_t)(tab + 1 - line)));
    ken_error err;
    ken_status status = parse(bytes.data ? bytes.data : "", bytes.size, &err);
    bool accept = line[0] == 'y' && !is_stricter(line);
    if (line[0] == 'i')
        counts[2]++;
    else if ((status == KEN_OK) != accept)
        fail_msg("%.*s: %s", (int)(tab - line), line, ken_status_name(status));
    else
        counts[accept]++;
    if (status != KEN_OK) {
        assert_int_equal(status, KEN_BAD_FORMAT);
        assert_non_null(strstr(err.message, "'x.json' "));
    }
    buf_free(&bytes);
}

static void test_json_suite(void **state) {
    (void)state;
    buf suite;
    buf_init(&suite, 1 << 20);
    assert_int_equal(file_read(KEN_TEST_DATA "/base/jsontestsuite.txt", &suite, NULL), KEN_OK);
    int counts[3] = {0};
    for (const char *line = suite.data; *line;) {
        size_t n = strcspn(line, "\n");
        check_line(line, n, counts);
        line += n + 1;
    }
    assert_int_equal(counts[1], 92);
    assert_int_equal(counts[0], 186 + 3);
    assert_int_equal(counts[2], 35);
    buf_free(&suite);
}

static void test_depth(void **state) {
    (void)state;
    enum { n = 1000000 };
    char *text = malloc(n);
    ken_error err;
    memset(text, '[', n);
    assert_int_equal(parse(text, n, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'x.json' nests deeper than 1024 levels at byte 1024");
    assert_int_equal(err.offset, 1024);
    for (size_t i = 0; i + 5 <= n; i += 5)
        memcpy(text + i, "[{\"\":", 5);
    assert_int_equal(parse(text, n, &err), KEN_BAD_FORMAT);
    memset(text, '[', 1024);
    memset(text + 1024, ']', 1024);
    assert_int_equal(parse(text, 2048, &err), KEN_OK);
    /* Brackets in strings are no depth. */
    memset(text, '[', n);
    memcpy(text, "\"\\\"", 3);
    text[n - 1] = '"';
    assert_int_equal(parse(text, n, &err), KEN_OK);
    free(text);
}

static json_t *example(void) {
    static const char text[] =
        "{\"i\":7,\"big\":9007199254740993,\"d\":0.5,\"b\":true,\"s\":\"x\",\"nul\":\"a\\u0000b\","
        "\"o\":{},\"a\":[1],\"z\":null}";
    json_t *doc;
    assert_int_equal(doc_parse(text, sizeof text - 1, "c.json", &doc, NULL), KEN_OK);
    return doc;
}

static void test_getters(void **state) {
    (void)state;
    json_t *doc = example();
    ken_error err;
    int64_t i = -1;
    double d = -1;
    bool b = false;
    const char *s = NULL;
    const json_t *v = NULL;
    assert_int_equal(doc_get_int(doc, "i", "c", 7, 7, &i, &err), KEN_OK);
    assert_int_equal(i, 7);
    assert_int_equal(doc_get_int(doc, "big", "c", 0, INT64_MAX, &i, &err), KEN_OK);
    assert_int_equal(i, 9007199254740993);
    assert_int_equal(doc_get_double(doc, "d", "c", 0, 1, &d, &err), KEN_OK);
    assert_true(d == 0.5);
    assert_int_equal(doc_get_double(doc, "i", "c", 0, 9, &d, &err), KEN_OK);
    assert_true(d == 7);
    assert_int_equal(doc_get_bool(doc, "b", "c", &b, &err), KEN_OK);
    assert_true(b);
    assert_int_equal(doc_get_string(doc, "s", "c", &s, &err), KEN_OK);
    assert_string_equal(s, "x");
    assert_int_equal(doc_get_object(doc, "o", "c", &v, &err), KEN_OK);
    assert_true(json_is_object(v));
    assert_int_equal(doc_get_array(doc, "a", "c", &v, &err), KEN_OK);
    assert_int_equal(json_array_size(v), 1);
    /* Absent and null leave the default. */
    i = 3;
    assert_int_equal(doc_get_int(doc, "none", "c", 0, 9, &i, &err), KEN_OK);
    assert_int_equal(doc_get_int(doc, "z", "c", 0, 9, &i, &err), KEN_OK);
    assert_int_equal(i, 3);
    json_decref(doc);
}

static void test_getter_errors(void **state) {
    (void)state;
    json_t *doc = example();
    ken_error err;
    int64_t i = -1;
    double d = -1;
    bool b = false;
    const char *s = NULL;
    const json_t *v = NULL;
    assert_int_equal(doc_get_int(doc, "i", "c", 8, 9, &i, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'i' is 7, expected 8 to 9");
    assert_int_equal(doc_get_int(doc, "d", "c", 8, 9, &i, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'd' is a number, expected an integer");
    assert_int_equal(doc_get_double(doc, "d", "c", 1, 2, &d, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'd' is 0.5, expected 1 to 2");
    assert_int_equal(doc_get_double(doc, "s", "c", 1, 2, &d, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 's' is a string, expected a number");
    assert_int_equal(doc_get_bool(doc, "a", "c", &b, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'a' is an array, expected a boolean");
    assert_int_equal(doc_get_string(doc, "o", "c", &s, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'o' is an object, expected a string");
    assert_int_equal(doc_get_string(doc, "nul", "c", &s, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'nul' holds a NUL character");
    assert_int_equal(doc_get_object(doc, "b", "c", &v, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'b' is a boolean, expected an object");
    assert_int_equal(doc_get_array(doc, "i", "c", &v, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'c': 'i' is an integer, expected an array");
    assert_int_equal(i, -1);
    assert_null(s);
    json_decref(doc);
}

static void test_reals(void **state) {
    (void)state;
    static const char text[] = "{\"n\":1000000000000000019884624838656}";
    json_t *doc;
    ken_error err;
    assert_int_equal(doc_parse(text, sizeof text - 1, "x", &doc, &err), KEN_BAD_FORMAT);
    assert_int_equal(doc_parse_reals(text, sizeof text - 1, "x", &doc, &err), KEN_OK);
    assert_true(json_number_value(json_object_get(doc, "n")) == 1e30);
    json_decref(doc);
}

static void test_read(void **state) {
    (void)state;
    json_t *doc;
    ken_error err;
    assert_int_equal(doc_read("/nowhere/x.json", 100, &doc, &err), KEN_NOT_FOUND);
    assert_non_null(strstr(err.message, "could not open '/nowhere/x.json'"));
    assert_int_equal(doc_read(KEN_TEST_DATA "/base/jsontestsuite.txt", 100, &doc, &err),
                     KEN_TOO_LARGE);
    assert_non_null(strstr(err.message, "the limit is 100"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_suite), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_getters),    cmocka_unit_test(test_getter_errors),
        cmocka_unit_test(test_reals),      cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
