/* The rules of the safetensors format, one by one. */
#include "formats/safetensors.h"

#include "base/mem.h"
#include "base/sys.h"
#include "formats/scratch.h"
#include "formats/weights.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of our message for the reference's error names. */
static const char *words_for(const char *upstream) {
    static const char *const words[][2] = {
        {"HeaderTooSmall", "header too small"},
        {"HeaderTooLarge", "header too large"},
        {"InvalidHeaderLength", "invalid header length"},
        {"InvalidHeaderDeserialization", "invalid header"},
        {"InvalidHeader", "invalid header"},
        {"TensorInvalidInfo", "invalid info"},
        {"ValidationOverflow", "validation overflow"},
        {"MetadataIncompleteBuffer", "incomplete buffer"},
        {"reject", ""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(upstream, words[i][0]) == 0)
            return words[i][1];
    fail_msg("no words for '%s'", upstream);
    return NULL;
}

/* tests/data/formats/safetensors/NAME__VERDICT.safetensors, made by the reference's own tests. */
static void test_upstream_vectors(void **state) {
    (void)state;
    DIR *dir = opendir(KEN_TEST_DATA "/formats/safetensors");
    assert_non_null(dir);
    int n_files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *verdict = strstr(entry->d_name, "__");
        if (!verdict || !strstr(verdict, ".safetensors"))
            continue;
        n_files++;
        char expected[64], path[512];
        snprintf(expected, sizeof expected, "%.*s", (int)strcspn(verdict + 2, "."), verdict + 2);
        snprintf(path, sizeof path, "%s/formats/safetensors/%s", KEN_TEST_DATA, entry->d_name);
        weights *w;
        ken_error err;
        ken_status status = weights_open_file(path, &w, &err);
        if (strcmp(expected, "ok") == 0)
            assert_ok(status, err);
        else
            assert_error(status, KEN_BAD_FORMAT, err, words_for(expected));
        weights_close(w);
    }
    closedir(dir);
    assert_int_equal(n_files, 18);
}

typedef struct header_case {
    const char *header;
    size_t data_bytes;
    ken_status status;
    const char *message;
} header_case;

#define F32(name, shape, offsets)                                                                  \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const header_case cases[] = {
    /* accepted */
    {"{}", 0, KEN_OK, NULL},
    {" \n\t{}  ", 0, KEN_OK, NULL},
    {"{\"__metadata__\":null}", 0, KEN_OK, NULL},
    {"{\"__metadata__\":{}}", 0, KEN_OK, NULL},
    {"{" F32("b", "[1]", "[4,8]") "," F32("a", "[1]", "[0,4]") "}", 8, KEN_OK, NULL},
    {"{" F32("a", "[]", "[0,4]") "," F32("z", "[0,9]", "[4,4]") "}", 4, KEN_OK, NULL},
    {"{" F32("z", "[0]", "[0,0]") "," F32("a", "[]", "[0,4]") "}", 4, KEN_OK, NULL},
    {"{\"a\":{\"data_offsets\":[0,4],\"extra\":[{\"x\":[1,-2.5e+3,null,true]},\"\\u00e9\"],"
     "\"shape\":[1],\"dtype\":\"F32\"}}",
     4, KEN_OK, NULL},
    {"{" F32("\\ud83d\\ude00\\n", "[1]", "[0,4]") "}", 4, KEN_OK, NULL},
    /* the reference's mistakes to refuse, and the stricter rule about duplicates */
    {"{" F32("a", "[4194305,4194305,211106198978564]", "[0,16]") "}", 16, KEN_BAD_FORMAT,
     "validation overflow"},
    {"{" F32("a", "[18446744073709551615,0]", "[0,0]") "}", 0, KEN_BAD_FORMAT,
     "validation overflow"},
    {"{" F32("a", "[18446744073709551616]", "[0,0]") "}", 0, KEN_BAD_FORMAT, "larger than 64 bits"},
    {"{" F32("w", "[1]", "[0,4]") ",\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     4, KEN_BAD_FORMAT, "overlap"},
    {"{" F32("w", "[1]", "[0,4]") "," F32("w", "[1]", "[4,8]") "}", 8, KEN_BAD_FORMAT,
     "duplicate tensor name 'w'"},
    {"{" F32("w", "[1]", "[0,4]") "," F32("\\u0077", "[1]", "[4,8]") "}", 8, KEN_BAD_FORMAT,
     "duplicate tensor name 'w'"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     KEN_BAD_FORMAT, "duplicate key 'dtype'"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, KEN_BAD_FORMAT,
     "duplicate key '__metadata__'"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, KEN_BAD_FORMAT,
     "duplicate key 'k' in '__metadata__'"},
    /* where tensors lie */
    {"{" F32("a", "[1]", "[0,4]") "," F32("b", "[1]", "[8,12]") "}", 12, KEN_BAD_FORMAT,
     "a hole or an overlap: tensor 'a' ends at byte 4"},
    {"{" F32("a", "[2]", "[0,8]") "," F32("b", "[2]", "[4,12]") "}", 12, KEN_BAD_FORMAT,
     "a hole or an overlap: tensor 'a' ends at byte 8"},
    {"{" F32("a", "[2]", "[0,8]") "," F32("b", "[1]", "[4,8]") "}", 8, KEN_BAD_FORMAT,
     "a hole or an overlap"},
    {"{" F32("a", "[1]", "[4,8]") "}", 8, KEN_BAD_FORMAT, "no tensor begins at byte 0"},
    {"{" F32("a", "[1]", "[0,4]") "}", 5, KEN_BAD_FORMAT, "incomplete buffer"},
    {"{" F32("a", "[1]", "[0,4]") "}", 3, KEN_BAD_FORMAT, "incomplete buffer"},
    {"{}", 1, KEN_BAD_FORMAT, "incomplete buffer"},
    {"{" F32("a", "[1]", "[4,0]") "}", 4, KEN_BAD_FORMAT, "begins at 4 and ends at 0"},
    {"{" F32("a", "[2]", "[0,4]") "}", 4, KEN_BAD_FORMAT,
     "F32 [2] takes 8 bytes, data_offsets say 4"},
    {"{" F32("a", "[2]", "[0,8]") "," F32("z", "[0]", "[4,4]") "}", 8, KEN_BAD_FORMAT,
     "tensor 'z' lies inside another"},
    /* what an entry may say */
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, KEN_BAD_FORMAT, "'dtype' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, KEN_BAD_FORMAT, "'shape' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, KEN_BAD_FORMAT, "'data_offsets' is missing"},
    {"{\"a\":{}}", 4, KEN_BAD_FORMAT, "'dtype' is missing"},
    {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, KEN_BAD_FORMAT,
     "unknown dtype 'F33'"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, KEN_UNSUPPORTED,
     "dtype 'F4' is not supported"},
    {"{" F32("a", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, KEN_UNSUPPORTED,
     "more than 8 dimensions"},
    {"{" F32("a", "[-1]", "[0,4]") "}", 4, KEN_BAD_FORMAT, "without sign"},
    {"{" F32("a", "[1.0]", "[0,4]") "}", 4, KEN_BAD_FORMAT, "without sign"},
    {"{" F32("a", "[1e0]", "[0,4]") "}", 4, KEN_BAD_FORMAT, "without sign"},
    {"{" F32("a", "[01]", "[0,4]") "}", 4, KEN_BAD_FORMAT, "begins with 0"},
    {"{" F32("a", "[1]", "[0]") "}", 4, KEN_BAD_FORMAT, "two numbers"},
    {"{" F32("a", "[1]", "[0,4,4]") "}", 4, KEN_BAD_FORMAT, "two numbers"},
    {"{" F32("a", "[\\\"1\\\"]", "[0,4]") "}", 4, KEN_BAD_FORMAT, "invalid header"},
    {"{\"a\":[]}", 4, KEN_BAD_FORMAT, "expected the object of a tensor"},
    {"{\"__metadata__\":{\"k\":1}}", 0, KEN_BAD_FORMAT, "expected a string"},
    {"{\"__metadata__\":[]}", 0, KEN_BAD_FORMAT, "expected an object of strings"},
    /* JSON */
    {"", 0, KEN_BAD_FORMAT, "expected '{'"},
    {"[]", 0, KEN_BAD_FORMAT, "expected '{'"},
    {"{", 0, KEN_BAD_FORMAT, "expected a string"},
    {"{}x", 0, KEN_BAD_FORMAT, "bytes follow"},
    {"{\"a\"}", 0, KEN_BAD_FORMAT, "expected ':'"},
    {"{\"a", 0, KEN_BAD_FORMAT, "ends inside a string"},
    {"{\"a\\", 0, KEN_BAD_FORMAT, "ends inside a string"},
    {"{\"\\x\":1}", 0, KEN_BAD_FORMAT, "unknown escape"},
    {"{\"\\u12\":1}", 0, KEN_BAD_FORMAT, "four hexadecimal digits"},
    {"{\"\\u0000\":1}", 0, KEN_BAD_FORMAT, "NUL character"},
    {"{\"\\ud800\":1}", 0, KEN_BAD_FORMAT, "half of a surrogate pair"},
    {"{\"\\udc00\\ud800\":1}", 0, KEN_BAD_FORMAT, "half of a surrogate pair"},
    {"{\"\xc3\":1}", 0, KEN_BAD_FORMAT, "not UTF-8 at byte 10"},
    {"{\"\xed\xa0\x80\":1}", 0, KEN_BAD_FORMAT, "not UTF-8"},
    {"{\"\n\":1}", 0, KEN_BAD_FORMAT, "control character"},
    {"{" F32("a", "[1]", "[0,4]") ",}", 4, KEN_BAD_FORMAT, "expected a string"},
    {"{\"a\":{\"x\":01}}", 0, KEN_BAD_FORMAT, "begins with 0"},
    {"{\"a\":{\"x\":-}}", 0, KEN_BAD_FORMAT, "expected a digit"},
    {"{\"a\":{\"x\":1.}}", 0, KEN_BAD_FORMAT, "expected a digit"},
    {"{\"a\":{\"x\":1e}}", 0, KEN_BAD_FORMAT, "expected a digit"},
    {"{\"a\":{\"x\":[1,]}}", 0, KEN_BAD_FORMAT, "expected a value"},
    {"{\"a\":{\"x\":[1}}}", 0, KEN_BAD_FORMAT, "expected ',' or ']'"},
    {"{\"a\":{\"x\":{\"y\":1]}}", 0, KEN_BAD_FORMAT, "expected ',' or '}'"},
    {"{\"a\":{\"x\":nul}}", 0, KEN_BAD_FORMAT, "expected a value"},
    {"{\"a\":{\"x\":", 0, KEN_BAD_FORMAT, "ends where a value was expected"},
};

static void test_headers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const header_case *c = &cases[i];
        weights *w;
        ken_error err = {0};
        ken_status status = weights_open_file(
            scratch_safetensors("h.safetensors", c->header, c->data_bytes), &w, &err);
        if (c->status == KEN_OK)
            assert_ok(status, err);
        else
            assert_error(status, c->status, err, c->message);
        weights_close(w);
    }
}

static void test_values(void **state) {
    (void)state;
    const char *path = scratch_safetensors(
        "v.safetensors",
        "{\"__metadata__\":{\"format\":\"pt\",\"k\\u00e9y\":\"\\\"v\\\"\"}," F32(
            "b.\\ud83d\\ude00", "[1,2]",
            "[3,11]") ",\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}",
        11);
    weights *w;
    ken_error err;
    assert_ok(weights_open_file(path, &w, &err), err);
    assert_int_equal(weights_count(w), 2);
    assert_string_equal(weights_name(w, 0), "b.\xf0\x9f\x98\x80");
    assert_string_equal(weights_name(w, 1), "a");
    const tensor *b = weights_find(w, "b.\xf0\x9f\x98\x80");
    assert_ptr_equal(b, weights_at(w, 0));
    assert_int_equal(b->dtype, KEN_DTYPE_F32);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 2);
    assert_int_equal(b->size_bytes, 8);
    assert_int_equal(((const uint8_t *)b->data)[0], 3);
    assert_null(weights_find(w, "c"));
    assert_string_equal(weights_metadata(w, "k\xc3\xa9y"), "\"v\"");
    assert_string_equal(weights_metadata(w, "format"), "pt");
    assert_null(weights_metadata(w, "pt"));
    assert_string_equal(weights_path(w), path);
    weights_close(w);
}

/* Is every answer about an accepted file inside the file? */
static void use_all(const file_map *map, const safetensors *s) {
    for (size_t i = 0; i < s->n_entries; i++) {
        const tensor *t = &s->entries[i].value;
        const uint8_t *begin = t->data;
        assert_true(begin >= map->data && begin + t->size_bytes <= map->data + map->size);
        assert_int_equal(tensor_count(t) * dtype_size(t->dtype), t->size_bytes);
        assert_ptr_equal(safetensors_find(s, safetensors_name(s, i)), &s->entries[i]);
    }
}

static const char small_header[] = "{\"__metadata__\":{\"a\":\"b\",\"c\":\"\\u0041\"}," F32(
    "x", "[2,1]", "[0,8]") ","
                           "\"y\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}";

/* Parses bytes that end exactly at the end of a heap block, so that ASan sees any overrun. */
static ken_status parse_bytes(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    file_map map = {.data = copy, .size = size};
    safetensors s;
    ken_status status = safetensors_parse(&map, "x", &s, NULL);
    if (status == KEN_OK)
        use_all(&map, &s);
    safetensors_reset(&s);
    free(copy);
    return status;
}

static uint8_t *small_file(size_t *size) {
    const char *path = scratch_safetensors("small.safetensors", small_header, 10);
    buf bytes;
    buf_init(&bytes, 1 << 20);
    ken_error err;
    assert_ok(file_read(path, &bytes, &err), err);
    *size = bytes.size;
    return (uint8_t *)bytes.data;
}

static void test_every_prefix(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = small_file(&size);
    assert_int_equal(parse_bytes(bytes, size), KEN_OK);
    for (size_t n = 0; n < size; n++)
        assert_int_equal(parse_bytes(bytes, n), KEN_BAD_FORMAT);
    mem_free(bytes);
}

static void test_every_byte_changed(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = small_file(&size);
    int n_accepted = 0;
    for (size_t i = 0; i < size - 10; i++) {
        uint8_t saved = bytes[i];
        for (int value = 0; value < 256; value++) {
            bytes[i] = (uint8_t)value;
            n_accepted += value != saved && parse_bytes(bytes, size) == KEN_OK;
        }
        bytes[i] = saved;
    }
    mem_free(bytes);
    /* Other letters in a name or a metadata string are other, valid files; little else is. */
    assert_in_range(n_accepted, 100, 2000);
}

static void test_declared_lengths(void **state) {
    (void)state;
    uint8_t bytes[16] = {0};
    ken_error err;
    weights *w;
    const struct {
        uint64_t length;
        const char *message;
    } lengths[] = {{100000001, "header too large: 100000001 bytes, the limit is 100000000"},
                   {100000000, "invalid header length"},
                   {9, "invalid header length"},
                   {UINT64_MAX, "header too large"}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(lengths[i].length >> 8 * k);
        const char *path = scratch_write("l.safetensors", bytes, sizeof bytes);
        assert_error(weights_open_file(path, &w, &err), KEN_BAD_FORMAT, err, lengths[i].message);
        assert_null(w);
    }
}

/* A million levels in a key that nobody asked for must not use the stack. */
static void test_depth(void **state) {
    (void)state;
    enum { depth = 1000000 };
    char *header = mem_zalloc(depth + 32, 1);
    int n = sprintf(header, "{\"a\":{\"x\":");
    memset(header + n, '[', depth);
    weights *w;
    ken_error err;
    const char *path = scratch_safetensors("depth.safetensors", header, 0);
    assert_error(weights_open_file(path, &w, &err), KEN_BAD_FORMAT, err, "deeper than 128");
    assert_int_equal(err.offset, 8 + n + 128);
    mem_free(header);
}

/* Every allocation fails in turn: an error or success, never a leak or a crash. */
static void test_out_of_memory(void **state) {
    (void)state;
    const char *path = scratch_safetensors("oom.safetensors", small_header, 10);
    for (int forever = 0; forever < 2; forever++) {
        ken_status status = KEN_NO_MEMORY;
        for (uint64_t n = 1; status != KEN_OK; n++) {
            weights *w;
            ken_error err;
            mem_fail_after(n, forever);
            status = weights_open_file(path, &w, &err);
            mem_fail_after(0, false);
            if (status != KEN_OK)
                assert_error(status, KEN_NO_MEMORY, err, "out of memory");
            weights_close(w);
            assert_true(n < 100);
        }
    }
}

/* The shortest entries there are, until the header is full, in data order or against it. */
static const char *large_file(bool reversed, size_t *n_entries, size_t *header_bytes) {
    enum { entry_bytes = 80, n = 1400000 };
    char *header = mem_zalloc(SAFETENSORS_MAX_HEADER + 1, 1);
    assert_non_null(header);
    size_t used = 0;
    header[used++] = '{';
    for (size_t i = 0; i < n; i++) {
        size_t at = reversed ? n - 1 - i : i;
        used += (size_t)snprintf(
            header + used, entry_bytes,
            "\"%zx\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[%zu,%zu]},", at, at, at + 1);
        assert_true(used < SAFETENSORS_MAX_HEADER - entry_bytes);
    }
    header[used - 1] = '}';
    *n_entries = n;
    *header_bytes = used;
    const char *path = scratch_safetensors("large.safetensors", header, n);
    mem_free(header);
    return path;
}

static void test_largest_header(void **state) {
    (void)state;
    if (!getenv("KEN_TEST_LARGE"))
        skip();
    for (int reversed = 0; reversed < 2; reversed++) {
        size_t n_entries, header_bytes;
        const char *path = large_file(reversed, &n_entries, &header_bytes);
        file_map map;
        ken_error err;
        assert_ok(file_map_open(path, &map, &err), err);
        safetensors s;
        double begin = sys_seconds();
        assert_ok(safetensors_parse(&map, path, &s, &err), err);
        double seconds = sys_seconds() - begin;
        assert_int_equal(s.n_entries, n_entries);
        print_message("header of %zu bytes: %.3f s, peak %zu MB\n", header_bytes, seconds,
                      (size_t)(sys_peak_rss() >> 20));
        safetensors_reset(&s);
        file_map_close(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upstream_vectors),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_declared_lengths),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_largest_header),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
