/* Collections read back: one file, a folder of parts, shards; what is not one, or not a whole one;
 * provenance that differs; and every failing allocation. */
#include "testing.h"

#include "base/mem.h"
#include "tasks/collection/collection.h"
#include "tasks/collection/manifest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { dim = 4 };

static char root[] = "/tmp/ken-test-collection-XXXXXX";

static const collection_meta usual = {.format_version = "1",
                                      .program_version = "0.1.0",
                                      .model_id = "m",
                                      .model_revision = "",
                                      .weights_sha256 = "aaaa",
                                      .preprocess = "{}",
                                      .preprocess_sha256 = "bbbb",
                                      .precision = "f32",
                                      .precision_cosine_min = "0.999999",
                                      .kind = "image",
                                      .dim = dim};

typedef struct row {
    const char *id;
    float value; /* of the embedding's first number; the others are 0 */
    bool no_embedding;
} row;

/* A Parquet file as `ken embed` writes it. */
static void write_rows(const char *path, const collection_meta *meta, const row *rows, size_t n) {
    static const table_column columns[] = {
        {"id", TABLE_TEXT, 0}, {"path", TABLE_TEXT, 0}, {"embedding", TABLE_VECTOR, dim}};
    table_metadata metadata[COLLECTION_META_ENTRIES];
    table_writer *w;
    ken_error err;
    char dim_text[16];
    snprintf(dim_text, sizeof dim_text, "%d", meta->dim);
    size_t n_metadata = collection_meta_entries(meta, dim_text, metadata);
    assert_int_equal(table_writer_new(columns, 3, metadata, n_metadata, &w, &err), KEN_OK);
    for (size_t i = 0; i < n; i++) {
        const float vector[dim] = {rows[i].value};
        const table_value values[] = {
            {.bytes = rows[i].id, .size = strlen(rows[i].id)},
            {.bytes = "p", .size = 1},
            {.vector = vector, .is_null = rows[i].no_embedding},
        };
        assert_int_equal(table_writer_add(w, values, &err), KEN_OK);
    }
    if (table_writer_finish(w, path, &err) != KEN_OK)
        fail_msg("%s", err.message);
    table_writer_free(w);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A finished folder of `n` parts with two rows each; ids count on from `first`. */
static void make_folder(const char *dir, const collection_meta *meta, size_t n, char first) {
    buf path, lines;
    buf_init(&path, 512);
    buf_init(&lines, 65536);
    assert_int_equal(mkdir(dir, 0777), 0);
    for (size_t i = 0; i < n; i++) {
        const char a[] = {(char)(first + 2 * (int)i), '\0'};
        const char b[] = {(char)(first + 2 * (int)i + 1), '\0'};
        const row rows[] = {{.id = a, .value = 1}, {.id = b, .value = -1}};
        part_file_name(&path, dir, i);
        write_rows(path.data, meta, rows, 2);
        part_record record = {.part = i, .first = 2 * i, .items = 2, .rows = 2, .size_bytes = 1};
        memset(record.hash, 'a', sizeof record.hash - 1);
        manifest_put_line(&lines, &record);
    }
    buf_clear(&path);
    buf_printf(&path, "%s/manifest.jsonl", dir);
    write_text(path.data, lines.data);
    buf_clear(&path);
    buf_printf(&path, "%s/ken.json", dir);
    write_text(path.data, "{}");
    buf_free(&path);
    buf_free(&lines);
}

static int set_up(void **state) {
    (void)state;
    return mkdtemp(root) && chdir(root) == 0 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void expect_ids(const char *path, const char *wanted) {
    collection *c;
    ken_error err;
    char found[64] = "";
    if (collection_open(path, &c, &err) != KEN_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < collection_n_rows(c); i++) {
        strncat(found, collection_id(c, i), sizeof found - strlen(found) - 1);
        assert_string_equal(collection_path(c, i), "p");
        assert_true(fabsf(collection_embeddings(c)[i * dim]) == 1);
    }
    assert_string_equal(found, wanted);
    assert_int_equal(collection_get_meta(c)->dim, dim);
    collection_close(c);
}

static void expect_error(const char *path, ken_status status, const char *said) {
    collection *c;
    ken_error err;
    assert_int_equal(collection_open(path, &c, &err), status);
    assert_null(c);
    if (!strstr(err.message, said))
        fail_msg("'%s' does not say '%s'", err.message, said);
}

static void test_file(void **state) {
    (void)state;
    const row rows[] = {{.id = "a", .value = 1}, {.id = "b", .value = -1}};
    write_rows("file.parquet", &usual, rows, 2);
    expect_ids("file.parquet", "ab");
    assert_true(collection_looks_like("file.parquet"));
    write_rows("none.parquet", &usual, rows, 0);
    expect_ids("none.parquet", "");
}

static void test_folder_and_shards(void **state) {
    (void)state;
    make_folder("parts", &usual, 2, 'a');
    expect_ids("parts", "abcd");
    assert_true(collection_looks_like("parts"));
    assert_int_equal(mkdir("big", 0777), 0);
    make_folder("big/shard-00001-of-00002", &usual, 1, 'e');
    expect_error("big", KEN_NOT_FOUND, "shard-00000-of-00002");
    make_folder("big/shard-00000-of-00002", &usual, 2, 'a');
    expect_ids("big", "abcdef");
}

static void test_shards_of_different_models(void **state) {
    (void)state;
    collection_meta other = usual;
    other.weights_sha256 = "cccc";
    assert_int_equal(mkdir("mixed", 0777), 0);
    make_folder("mixed/shard-00000-of-00002", &usual, 1, 'a');
    make_folder("mixed/shard-00001-of-00002", &other, 1, 'c');
    expect_error("mixed", KEN_BAD_FORMAT, "weights_sha256 is aaaa in one, cccc in the other");
    collection_meta texts = usual;
    texts.kind = "text";
    assert_int_equal(mkdir("kinds", 0777), 0);
    make_folder("kinds/shard-00000-of-00002", &usual, 1, 'a');
    make_folder("kinds/shard-00001-of-00002", &texts, 1, 'c');
    expect_error("kinds", KEN_BAD_FORMAT, "holds texts");
}

static void test_what_is_none(void **state) {
    (void)state;
    assert_int_equal(mkdir("nothing", 0777), 0);
    expect_error("nothing", KEN_NOT_FOUND, "'nothing' holds no collection");
    assert_false(collection_looks_like("nothing"));
    write_text("nothing/job.json", "{}");
    expect_error("nothing", KEN_UNAVAILABLE, "'nothing' is not finished");
    expect_error("gone.parquet", KEN_NOT_FOUND, "gone.parquet");
    assert_false(collection_looks_like("gone.parquet"));
    write_text("noise.parquet", "PAR1 noise");
    expect_error("noise.parquet", KEN_BAD_FORMAT, "noise.parquet");
    assert_false(collection_looks_like("noise.parquet"));
}

static void test_bad_metadata(void **state) {
    (void)state;
    const row rows[] = {{.id = "a", .value = 1}};
    collection_meta meta = usual;
    meta.format_version = "2";
    write_rows("meta.parquet", &meta, rows, 1);
    expect_error("meta.parquet", KEN_UNSUPPORTED, "format version '2', this program knows '1'");
    meta = usual;
    meta.kind = "sound";
    write_rows("meta.parquet", &meta, rows, 1);
    expect_error("meta.parquet", KEN_BAD_FORMAT, "ken.kind is 'sound'");
    static const int dims[] = {0, -1, 1 << 21};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        meta = usual;
        meta.dim = dims[i];
        write_rows("meta.parquet", &meta, rows, 1);
        expect_error("meta.parquet", KEN_BAD_FORMAT, "ken.dim is");
    }
    meta = usual;
    meta.dim = 5;
    write_rows("meta.parquet", &usual, rows, 1);
    expect_ids("meta.parquet", "a");
}

static void test_bad_rows(void **state) {
    (void)state;
    const row cases[] = {{.id = "b", .value = NAN},
                         {.id = "b", .value = INFINITY},
                         {.id = "b", .value = 0},
                         {.id = "b", .no_embedding = true}};
    static const char *const said[] = {"not finite", "not finite", "zero", "missing"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const row rows[] = {{.id = "a", .value = 1}, cases[i]};
        write_rows("bad.parquet", &usual, rows, 2);
        expect_error("bad.parquet", KEN_BAD_FORMAT, said[i]);
        expect_error("bad.parquet", KEN_BAD_FORMAT, "row 1 ('b')");
    }
}

/* Bad input, not a wrong option: exit code 65, the field and both values. */
static void test_match(void **state) {
    (void)state;
    ken_error err;
    collection_meta other = usual;
    assert_int_equal(collection_meta_match(&usual, "a", &other, "b", &err), KEN_OK);
    other.preprocess_sha256 = "dddd";
    assert_int_equal(collection_meta_match(&usual, "a", &other, "b", &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message, "'a' and 'b' cannot be mixed: preprocess_sha256 is bbbb in "
                                     "one, dddd in the other");
    assert_int_equal(ken_status_exit_code(KEN_BAD_FORMAT), 65);
    other.kind = "text"; /* the recipe of images says nothing of texts */
    assert_int_equal(collection_meta_match(&usual, "a", &other, "b", &err), KEN_OK);
    other.dim = 8;
    assert_int_equal(collection_meta_match(&usual, "a", &other, "b", &err), KEN_BAD_FORMAT);
    assert_non_null(strstr(err.message, "dim is 4 in one, 8 in the other"));
}

static bool fails_at(const char *path, uint64_t n, bool forever) {
    collection *c = NULL;
    ken_error err;
    uint64_t before = mem_count();
    mem_fail_after(n, forever);
    ken_status status = collection_open(path, &c, &err);
    mem_fail_after(0, false);
    bool met = mem_count() - before >= n;
    if (status == KEN_OK)
        assert_int_equal(collection_n_rows(c), 6);
    else if (status != KEN_NO_MEMORY)
        fail_msg("allocation %d: %s: %s", (int)n, ken_status_name(status), err.message);
    collection_close(c);
    return met;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    for (int forever = 0; forever < 2; forever++)
        for (uint64_t n = 1; fails_at("big", n, forever); n++)
            ;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_folder_and_shards),
        cmocka_unit_test(test_shards_of_different_models),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_bad_metadata),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
