/* Tables through DuckDB: what is written is what is read, and what is said of files that are wrong.
 * tests/formats/test_table.py reads the same files with other programs. */
#include "formats/table.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "formats/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { width = 3, n_columns = 9 };

static const table_column columns[n_columns] = {
    {"id", TABLE_TEXT, 0},     {"a \"b\" 'c'", TABLE_INT32, 0}, {"i64", TABLE_INT64, 0},
    {"flag", TABLE_BOOL, 0},   {"f", TABLE_FLOAT, 0},           {"d", TABLE_DOUBLE, 0},
    {"t", TABLE_TIMESTAMP, 0}, {"bytes", TABLE_BLOB, 0},        {"v", TABLE_VECTOR, width},
};
static const table_metadata metadata[] = {{"ken.z", "1"}, {"ken.a'\"", "it's \"x\""}};

/* Row `i`; every fifth has no value but its id. */
static void fill_row(size_t i, table_value row[n_columns], char id[32], float vector[width]) {
    int n = snprintf(id, 32, "id %zu \xc3\xa9", i);
    for (int k = 0; k < width; k++)
        vector[k] = (float)i + 0.25f * (float)k;
    bool null = i % 5 == 4;
    const table_value values[n_columns] = {
        {.bytes = id, .size = (size_t)n},
        {.is_null = null, .integer = (int32_t)i - 3},
        {.is_null = null, .integer = INT64_MAX - (int64_t)i},
        {.is_null = null, .integer = i % 2},
        {.is_null = null, .number = (double)(0.1f * (float)i)},
        {.is_null = null, .number = 0.1 * (double)i},
        {.is_null = null, .integer = -1000000 + (int64_t)i},
        {.is_null = null, .bytes = "\0\xff\x80", .size = i % 4},
        {.is_null = null, .vector = vector},
    };
    memcpy(row, values, sizeof values);
}

static void write_table(const char *path, size_t n_rows) {
    table_writer *w;
    ken_error err;
    assert_ok(table_writer_new(columns, n_columns, metadata, 2, &w, &err), err);
    for (size_t i = 0; i < n_rows; i++) {
        table_value row[n_columns];
        char id[32];
        float vector[width];
        fill_row(i, row, id, vector);
        assert_ok(table_writer_add(w, row, &err), err);
    }
    assert_ok(table_writer_finish(w, path, &err), err);
    table_writer_free(w);
}

static table_reader *open_table(const char *path) {
    table_reader *r;
    ken_error err;
    assert_ok(table_reader_open(&path, 1, NULL, 0, &r, &err), err);
    return r;
}

static void expect_row(const table_value *got, size_t i) {
    table_value row[n_columns];
    char id[32];
    float vector[width];
    fill_row(i, row, id, vector);
    for (int c = 0; c < n_columns; c++) {
        assert_int_equal(got[c].is_null, row[c].is_null);
        if (row[c].is_null)
            continue;
        if (columns[c].type == TABLE_TEXT || columns[c].type == TABLE_BLOB) {
            assert_int_equal(got[c].size, row[c].size);
            assert_memory_equal(got[c].bytes, row[c].bytes, row[c].size);
        } else if (columns[c].type == TABLE_VECTOR) {
            assert_int_equal(got[c].size, width);
            assert_memory_equal(got[c].vector, vector, sizeof vector);
        } else if (columns[c].type == TABLE_FLOAT || columns[c].type == TABLE_DOUBLE) {
            assert_true(got[c].number == row[c].number);
        } else {
            assert_int_equal(got[c].integer, row[c].integer);
        }
    }
}

static void expect_table(const char *path, size_t first_rows, size_t n_rows) {
    table_reader *r = open_table(path);
    assert_int_equal(table_reader_n_columns(r), n_columns);
    assert_int_equal(table_reader_n_rows(r), n_rows);
    assert_string_equal(table_reader_metadata(r, "ken.a'\""), "it's \"x\"");
    assert_string_equal(table_reader_metadata(r, "ken.z"), "1");
    assert_null(table_reader_metadata(r, "ken.b"));
    for (int c = 0; c < n_columns; c++) {
        int vector_width = -1;
        table_type type = table_reader_column_type(r, (size_t)c, &vector_width);
        assert_string_equal(table_reader_column_name(r, (size_t)c), columns[c].name);
        assert_int_equal(type, columns[c].type == TABLE_INT32 ? TABLE_INT64 : columns[c].type);
        assert_int_equal(vector_width, type == TABLE_VECTOR && n_rows ? width : 0);
    }
    ken_error err;
    bool more = true;
    table_value row[n_columns];
    for (size_t i = 0; i < n_rows; i++) {
        assert_ok(table_reader_next(r, row, &more, &err), err);
        assert_true(more);
        expect_row(row, i % first_rows);
    }
    assert_ok(table_reader_next(r, row, &more, &err), err);
    assert_false(more);
    table_reader_close(r);
}

static void assert_same_bytes(const char *a, const char *b) {
    file_map x, y;
    ken_error err;
    assert_ok(file_map_open(a, &x, &err), err);
    assert_ok(file_map_open(b, &y, &err), err);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    file_map_close(&x);
    file_map_close(&y);
}

static void test_round_trip(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 5, 2048, 2049, 25000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *a = scratch_path("it's a [1]*?.parquet"), *b = scratch_path("b.parquet");
        write_table(a, sizes[i]);
        write_table(b, sizes[i]);
        assert_same_bytes(a, b);
        expect_table(a, sizes[i] ? sizes[i] : 1, sizes[i]);
    }
}

static void test_join(void **state) {
    (void)state;
    const char *part = scratch_path("part[0].parquet");
    const char *a = scratch_path("a.parquet"), *b = scratch_path("b.parquet");
    write_table(part, 3000);
    const char *const parts[] = {part, part, part, part};
    ken_error err;
    assert_ok(table_join(parts, 4, metadata, 2, a, &err), err);
    assert_ok(table_join(parts, 4, metadata, 2, b, &err), err);
    assert_same_bytes(a, b);
    expect_table(a, 3000, 12000);
    assert_error(table_join(parts, 0, NULL, 0, a, &err), KEN_BAD_ARGUMENT, err, "nothing to join");
    const char *const wrong[] = {part, scratch_text("wrong.parquet", "PAR1 is not enough PAR1")};
    assert_error(table_join(wrong, 2, NULL, 0, a, &err), KEN_BAD_FORMAT, err, "wrong.parquet");
    assert_false(file_exists(a));
    const char *const absent[] = {part, scratch_path("absent.parquet")};
    assert_error(table_join(absent, 2, NULL, 0, b, &err), KEN_NOT_FOUND, err, "absent.parquet");
    assert_true(file_exists(b));
}

static void test_bad_rows(void **state) {
    (void)state;
    ken_error err;
    table_writer *w;
    const table_column pair[] = {{"t", TABLE_TEXT, 0}, {"i", TABLE_INT32, 0}};
    assert_error(table_writer_new(pair, 0, NULL, 0, &w, &err), KEN_BAD_ARGUMENT, err, "columns");
    const table_column nameless[] = {{"", TABLE_TEXT, 0}};
    assert_error(table_writer_new(nameless, 1, NULL, 0, &w, &err), KEN_BAD_ARGUMENT, err, "empty");
    const table_column flat[] = {{"v", TABLE_VECTOR, 0}};
    assert_error(table_writer_new(flat, 1, NULL, 0, &w, &err), KEN_BAD_ARGUMENT, err,
                 "1 to 100000 numbers, not 0");
    const table_column twice[] = {{"x", TABLE_TEXT, 0}, {"X", TABLE_TEXT, 0}};
    ken_status status = table_writer_new(twice, 2, NULL, 0, &w, &err);
    assert_int_not_equal(status, KEN_OK);
    assert_ok(table_writer_new(pair, 2, NULL, 0, &w, &err), err);
    const table_value bad_text[] = {{.bytes = "\xff", .size = 1}, {.integer = 1}};
    assert_error(table_writer_add(w, bad_text, &err), KEN_BAD_ARGUMENT, err,
                 "row 0: column 't' is not UTF-8");
    const table_value bad_integer[] = {{.bytes = "a", .size = 1}, {.integer = 2147483648}};
    assert_error(table_writer_add(w, bad_integer, &err), KEN_BAD_ARGUMENT, err,
                 "row 0: column 'i' does not fit 32 bits: 2147483648");
    assert_error(table_writer_finish(w, scratch_path("no/such/folder.parquet"), &err),
                 KEN_CANNOT_CREATE, err, "could not create");
    assert_ok(table_writer_finish(w, scratch_path("ok.parquet"), &err), err);
    assert_error(table_writer_add(w, bad_text, &err), KEN_BAD_ARGUMENT, err, "already written");
    table_writer_free(w);
}

/* A disk that is full, by a limit on the size of files. */
static void test_full_disk(void **state) {
    (void)state;
    const char *path = scratch_path("full.parquet");
    table_writer *w;
    ken_error err;
    assert_ok(table_writer_new(columns, n_columns, metadata, 2, &w, &err), err);
    for (size_t i = 0; i < 1000; i++) {
        table_value row[n_columns];
        char id[32];
        float vector[width];
        fill_row(i, row, id, vector);
        assert_ok(table_writer_add(w, row, &err), err);
    }
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 1000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ken_status status = table_writer_finish(w, path, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_error(status, KEN_IO, err, "could not write");
    assert_false(file_exists(path));
    /* The rows are still there: the same call may be made again. */
    assert_ok(table_writer_finish(w, path, &err), err);
    expect_table(path, 1000, 1000);
    assert_error(table_writer_finish(w, "/dev/null", &err), KEN_CANNOT_CREATE, err,
                 "it is not a regular file");
    table_writer_free(w);
    assert_true(file_exists("/dev/null"));
}

/* All rows as text: "types: value|value ...", values of a row joined by '|', rows by spaces. */
static ken_status describe(const char *path, const char *const *names, size_t n_names, buf *out,
                           ken_error *err) {
    static const char letters[] = "tiIbfdTvB"; /* in the order of table_type */
    table_reader *r;
    TRY(table_reader_open(&path, 1, names, n_names, &r, err));
    for (size_t c = 0; c < table_reader_n_columns(r); c++)
        buf_putc(out, letters[table_reader_column_type(r, c, NULL)]);
    buf_putc(out, ':');
    table_value row[16];
    bool more = true;
    ken_status status;
    while ((status = table_reader_next(r, row, &more, err)) == KEN_OK && more)
        for (size_t c = 0; c < table_reader_n_columns(r); c++) {
            table_type type = table_reader_column_type(r, c, NULL);
            buf_putc(out, c ? '|' : ' ');
            if (row[c].is_null)
                buf_puts(out, "null");
            else if (type == TABLE_TEXT || type == TABLE_BLOB)
                buf_append(out, row[c].bytes, row[c].size);
            else if (type == TABLE_VECTOR)
                for (size_t k = 0; k < row[c].size; k++)
                    buf_printf(out, "%s%g", k ? ";" : "", (double)row[c].vector[k]);
            else if (type == TABLE_FLOAT || type == TABLE_DOUBLE)
                buf_printf(out, "%g", row[c].number);
            else
                buf_printf(out, "%lld", (long long)row[c].integer);
        }
    table_reader_close(r);
    return status;
}

static void test_text_tables(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *expected;
    } cases[] = {
        {"a.csv", "id,path,n,x\n000001,a.jpg,1,1.5\n000002,\"b, \"\"c\"\".jpg\",-2,2\n",
         "ttIdX 000001|a.jpg|1|1.5 000002|b, \"c\".jpg|-2|2"},
        {"ints.csv", "a,b,c,d\n1,1.5,+1,1e3\n-20,2,2,5\n", "IdtdX 1|1.5|+1|1000 -20|2|2|5"},
        {"crlf.csv", "\xef\xbb\xbfid,t\r\n1,\"x\ny\"\r\n2,\r\n", "ItX 1|x\ny 2|null"},
        {"one.csv", "caption\na; b\tc\n\"q\"\n", "tX a; b\tc q"},
        {"header.csv", "id,path\n", "ttX"},
        {"nameless.csv", ",a\n0,x\n1,y\n", "ItX 0|x 1|y"},
        {"t.tsv", "id\tpath\n7\ta,b\n", "ItX 7|a,b"},
        {"big.csv", "n\n999999999999999999\n9999999999999999999\n", "dX 1e+18 1e+19"},
        {"l.jsonl",
         "{\"id\":\"007\",\"v\":[0.5,1],\"n\":3,\"b\":true,\"o\":{\"k\":[1]}}\n"
         "{\"id\":\"8\",\"v\":[2.5,4],\"n\":null,\"b\":false}\n",
         "tvIbtX 007|0.5;1|3|1|{'k': [1]} 8|2.5;4|null|0|null"},
        {"l.ndjson", "{\"a\":1}\n\n{\"a\":2,\"z\":\"x\"}\n", "ItX 1|null 2|x"},
    };
    buf got;
    buf_init(&got, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ken_error err;
        buf_clear(&got);
        assert_ok(describe(scratch_text(cases[i].name, cases[i].text), NULL, 0, &got, &err), err);
        char expected[256];
        const char *x = strchr(cases[i].expected, 'X');
        snprintf(expected, sizeof expected, "%.*s:%s", (int)(x - cases[i].expected),
                 cases[i].expected, x + 1);
        assert_string_equal(got.data, expected);
    }
    buf_free(&got);
}

static void test_choice_of_columns(void **state) {
    (void)state;
    const char *path = scratch_text("c.csv", "a,b,c\n1,2,3\n");
    const char *const names[] = {"c", "a", "c"};
    const char *const absent[] = {"a", "A b\""};
    buf got;
    buf_init(&got, 1 << 16);
    ken_error err;
    assert_ok(describe(path, names, 3, &got, &err), err);
    assert_string_equal(got.data, "III: 3|1|3");
    assert_error(describe(path, absent, 2, &got, &err), KEN_BAD_FORMAT, err,
                 "it has no column 'A b\"'");
    assert_string_equal(err.hint, "its columns are 'a', 'b', 'c'");
    buf_free(&got);
}

static void test_several_files(void **state) {
    (void)state;
    const char *a = scratch_text("1.csv", "id,x\nb,1\n"), *b = scratch_text("2.csv", "id,x\na,2\n");
    const char *other = scratch_text("3.csv", "id,y\na,2\n");
    const char *json = scratch_text("4.jsonl", "{}\n");
    const char *const good[] = {a, b, a}, *const bad[] = {a, other}, *const mixed[] = {a, json};
    table_reader *r;
    ken_error err;
    assert_ok(table_reader_open(good, 3, NULL, 0, &r, &err), err);
    assert_int_equal(table_reader_n_rows(r), 3);
    for (int i = 0; i < 3; i++) {
        table_value row[2];
        bool more;
        assert_ok(table_reader_next(r, row, &more, &err), err);
        assert_int_equal(row[0].bytes[0], i == 1 ? 'a' : 'b');
    }
    table_reader_close(r);
    assert_error(table_reader_open(bad, 2, NULL, 0, &r, &err), KEN_BAD_FORMAT, err,
                 "have different columns");
    assert_error(table_reader_open(mixed, 2, NULL, 0, &r, &err), KEN_BAD_ARGUMENT, err,
                 "tables of different kinds");
    assert_error(table_reader_open(good, 0, NULL, 0, &r, &err), KEN_BAD_ARGUMENT, err, "no table");
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        ken_status status;
        const char *message;
    } cases[] = {
        {"x.txt", "", KEN_UNSUPPORTED, "is not a table by its name"},
        {"e.parquet", "", KEN_BAD_FORMAT, "too small to be a Parquet file"},
        {"n.parquet", "this is no parquet file at all", KEN_BAD_FORMAT, "no magic bytes"},
        {"e.csv", "", KEN_BAD_FORMAT, "is empty, expected a header line"},
        {"w.csv", "a,b\n1,2\n1,2,3\n", KEN_BAD_FORMAT,
         "CSV Error on Line: 3, Expected Number of Columns: 2 Found: 3"},
        {"q.csv", "a,b\n1,\"2\n", KEN_BAD_FORMAT, "unterminated quote"},
        {"h.csv", "a,\"b\n", KEN_BAD_FORMAT, "a quote in the header line is not closed"},
        {"d.csv", "a,A\n", KEN_BAD_FORMAT, "names column 'A' twice"},
        {"u.csv", "a\n\xff\n", KEN_BAD_FORMAT, "not utf-8"},
        {"v.csv", "\xff\n", KEN_BAD_FORMAT, "header line is not UTF-8"},
        {"j.jsonl", "{\"a\":1}\n{\"a\":", KEN_BAD_FORMAT, "malformed JSON"},
        {"k.jsonl", "{\"v\":[0.5,1.5]}\n{\"v\":[0.5]}\n", KEN_OK, ""},
        {"m.jsonl", "{\"v\":[0.5,null]}\n", KEN_BAD_FORMAT,
         "row 0: column 'v' has a null among its numbers"},
    };
    buf got;
    buf_init(&got, 1 << 16);
    ken_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = scratch_text(cases[i].name, cases[i].text);
        ken_status status = describe(path, NULL, 0, &got, &err);
        if (cases[i].status == KEN_OK)
            assert_ok(status, err);
        else
            assert_error(status, cases[i].status, err, cases[i].message);
        if (cases[i].status != KEN_OK)
            assert_non_null(strstr(err.message, cases[i].name));
    }
    assert_error(describe(scratch_path("absent.csv"), NULL, 0, &got, &err), KEN_NOT_FOUND, err,
                 "could not open");
    assert_int_equal(mkfifo(scratch_path("fifo.csv"), 0666), 0);
    assert_error(describe(scratch_path("fifo.csv"), NULL, 0, &got, &err), KEN_UNSUPPORTED, err,
                 "is not a regular file");
    buf_free(&got);
}

/* Later vectors must be as wide as the first ones: 3000 rows are more than one chunk. */
static void test_varying_width(void **state) {
    (void)state;
    buf text, got;
    buf_init(&text, 1 << 20);
    buf_init(&got, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_puts(&text, i == 2999 ? "{\"v\":[1.5]}\n" : "{\"v\":[1.5,2.5]}\n");
    ken_error err;
    assert_error(describe(scratch_write("w.jsonl", text.data, text.size), NULL, 0, &got, &err),
                 KEN_BAD_FORMAT, err, "row 2999: column 'v' has 1 numbers, expected 2");
    buf_free(&text);
    buf_free(&got);
}

/* Our own file, cut off and with bytes changed: an error or rows, never a crash. */
static void test_damaged(void **state) {
    (void)state;
    const char *path = scratch_path("whole.parquet");
    write_table(path, 20);
    file_map map;
    ken_error err;
    assert_ok(file_map_open(path, &map, &err), err);
    char *copy = mem_alloc(map.size);
    memcpy(copy, map.data, map.size);
    buf got;
    buf_init(&got, 1 << 20);
    for (size_t n = 0; n < map.size; n += 1 + map.size / 12) {
        ken_status status = describe(scratch_write("cut.parquet", copy, n), NULL, 0, &got, &err);
        assert_error(status, KEN_BAD_FORMAT, err, "cut.parquet");
    }
    const char *every = getenv("KEN_TEST_EVERY_BYTE");
    size_t step = every ? 1 : map.size / 24;
    for (size_t i = 0; i < map.size; i += step) {
        copy[i] = (char)(copy[i] ^ 0x5a);
        const char *damaged = scratch_write("flip.parquet", copy, map.size);
        copy[i] = (char)(copy[i] ^ 0x5a);
        buf_clear(&got);
        if (describe(damaged, NULL, 0, &got, &err) != KEN_OK)
            assert_true(err.message[0] != '\0');
    }
    buf_free(&got);
    mem_free(copy);
    file_map_close(&map);
}

/* Files that other people found to break readers: tests/data/formats/parquet. */
static void test_hostile_parquet(void **state) {
    (void)state;
    static const struct {
        const char *name;
        ken_status status;
        const char *message;
    } cases[] = {
        {"ARROW-GH-41317", KEN_BAD_FORMAT, "Invalid data"},
        {"ARROW-GH-41321", KEN_BAD_FORMAT, "column 'int64': decode bit width too large"},
        {"ARROW-GH-45185", KEN_OK, ""}, /* a repetition level too many, which DuckDB passes over */
        {"ARROW-GH-47662", KEN_BAD_FORMAT, "column 'flba_field': out of buffer"},
        {"ARROW-RS-GH-6229-DICTHEADER", KEN_BAD_FORMAT, "column 'nation_key'"},
        {"ARROW-RS-GH-6229-LEVELS", KEN_OK, ""},
        {"PARQUET-1481", KEN_BAD_FORMAT, "Invalid data"},
        /* 4 KB that hold two texts of a gigabyte */
        {"large_string_map.brotli", KEN_TOO_LARGE, "failed to allocate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/formats/parquet/%s.parquet", KEN_TEST_DATA, cases[i].name);
        const char *one = path;
        table_reader *r;
        ken_error err;
        ken_status status = table_reader_open(&one, 1, NULL, 0, &r, &err);
        table_value row[64];
        bool more = status == KEN_OK && table_reader_n_columns(r) <= 64;
        while (more)
            if ((status = table_reader_next(r, row, &more, &err)) != KEN_OK)
                break;
        table_reader_close(r);
        if (cases[i].status == KEN_OK)
            assert_ok(status, err);
        else
            assert_error(status, cases[i].status, err, cases[i].message);
    }
    assert_true(sys_peak_rss() < (uint64_t)1 << 30);
}

static void test_out_of_memory(void **state) {
    (void)state;
    const char *path = scratch_path("oom.parquet");
    write_table(path, 10);
    for (int forever = 0; forever < 2; forever++) {
        ken_status status = KEN_NO_MEMORY;
        for (uint64_t n = 1; status != KEN_OK && n < 200; n++) {
            buf got;
            buf_init(&got, 1 << 16);
            mem_fail_after(n, forever);
            ken_error err;
            table_reader *r;
            status = table_reader_open(&path, 1, NULL, 0, &r, &err);
            mem_fail_after(0, false);
            table_reader_close(r);
            buf_free(&got);
        }
        assert_int_equal(status, KEN_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_join),
        cmocka_unit_test(test_bad_rows),        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_text_tables),     cmocka_unit_test(test_choice_of_columns),
        cmocka_unit_test(test_several_files),   cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_varying_width),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_hostile_parquet), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
