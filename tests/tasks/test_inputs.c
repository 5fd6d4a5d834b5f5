/* What INPUT arguments become: order, ids, repeated and unreadable names, globs, lists, shards,
 * limits, shuffling, fingerprints; and that every failing allocation is an error, never a crash or
 * an item lost. */
#include "testing.h"

#include "base/file.h"
#include "base/mem.h"
#include "tasks/inputs/inputs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ken-test-inputs-XXXXXX";

static void put_file(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_folder(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0777), 0);
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(root) || chdir(root) != 0)
        return -1;
    put_folder("in");
    put_folder("in/a-b");
    put_folder("in/a");
    put_folder("in/.hidden");
    put_folder("two");
    put_folder("empty");
    put_file("in/b.jpg", "1");
    put_file("in/B.PNG", "2");
    put_file("in/a/x.jpg", "3");
    put_file("in/a-b/x.webp", "4");
    put_file("in/.hidden/x.jpg", "5");
    put_file("in/.x.jpg", "6");
    put_file("in/notes.txt", "7");
    put_file("in/b.txt", "a shirt");
    put_file("in/b.json", "{\"tag\": \"x\"}");
    put_file("two/b.jpg", "8");
    put_file("two/100%\n\xff.jpg", "9");
    put_file("names", "two/b.jpg\r\nin/b.jpg\n\ntwo/b.jpg");
    put_file("lines", "one\r\n\nthree");
    put_file("rows.csv", "path,id,n\nin/b.jpg,k,1\ntwo/b.jpg,k,2\n,m,3\n");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* The ids of the items, each followed by a space; a failed one as id!reason. */
static ken_status read_ids(const inputs_options *options, buf *out, ken_error *err) {
    inputs *in;
    TRY(inputs_open(options, &in, err));
    input_item item;
    bool more = true;
    ken_status status;
    uint64_t n = 0;
    while ((status = inputs_next(in, &item, &more, err)) == KEN_OK && more) {
        assert_int_equal(item.index, n++);
        buf_puts(out, item.id);
        if (item.stage)
            buf_printf(out, "!%s", item.reason);
        buf_putc(out, ' ');
    }
    if (status == KEN_OK && inputs_total(in))
        assert_int_equal(inputs_total(in), n);
    inputs_close(in);
    return status;
}

static void expect_ids(const inputs_options *options, const char *wanted) {
    buf found;
    ken_error err;
    buf_init(&found, 65536);
    if (read_ids(options, &found, &err) != KEN_OK)
        fail_msg("%s", err.message);
    assert_string_equal(found.data ? found.data : "", wanted);
    buf_free(&found);
}

static void expect_error(const inputs_options *options, ken_status status, const char *said) {
    inputs *in;
    ken_error err;
    assert_int_equal(inputs_open(options, &in, &err), status);
    assert_null(in);
    if (!strstr(err.message, said))
        fail_msg("'%s' does not say '%s'", err.message, said);
}

#define ARGS(...)                                                                                  \
    .args = (const char *const[]){__VA_ARGS__},                                                    \
    .n_args = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define OPTIONS(...) (&(inputs_options){__VA_ARGS__})

static void test_folders(void **state) {
    (void)state;
    /* Path order by bytes, not walking order: '-' comes before '/'. */
    expect_ids(OPTIONS(ARGS("in")), "B.PNG a-b/x.webp a/x.jpg b.jpg ");
    expect_ids(OPTIONS(ARGS("./in/")), "B.PNG a-b/x.webp a/x.jpg b.jpg ");
    expect_ids(OPTIONS(ARGS("in/a", "./two/")), "in/a/x.jpg two/100%25%0A%FF.jpg two/b.jpg ");
    expect_ids(OPTIONS(ARGS("in/../in/a/")), "x.jpg ");
    expect_error(OPTIONS(ARGS("empty")), KEN_NOT_FOUND, "no image was found in 'empty'");
    expect_error(OPTIONS(ARGS("nowhere")), KEN_NOT_FOUND, "input 'nowhere' does not exist");
}

static void test_links(void **state) {
    (void)state;
    assert_int_equal(symlink("../two/b.jpg", "in/out.jpg"), 0);
    assert_int_equal(symlink("..", "in/a/up"), 0);
    assert_int_equal(symlink("b.jpg", "in/same.jpg"), 0);
    assert_int_equal(symlink("nothing", "in/dangling.jpg"), 0);
    inputs *in;
    ken_error err;
    assert_int_equal(inputs_open(OPTIONS(ARGS("in")), &in, &err), KEN_OK);
    assert_non_null(strstr(inputs_note(in), "1 symbolic links that lead out"));
    inputs_close(in);
    expect_ids(OPTIONS(ARGS("in")), "B.PNG a-b/x.webp a/x.jpg b.jpg dangling.jpg same.jpg ");
    assert_int_equal(unlink("in/out.jpg") | unlink("in/a/up") | unlink("in/same.jpg") |
                         unlink("in/dangling.jpg"),
                     0);
}

static void test_files_and_globs(void **state) {
    (void)state;
    expect_ids(OPTIONS(ARGS("two/b.jpg", "./in/b.jpg", "in/notes.txt")),
               "two/b.jpg in/b.jpg in/notes.txt ");
    expect_ids(OPTIONS(ARGS("*/[ab].jpg")), "in/b.jpg two/b.jpg ");
    expect_error(OPTIONS(ARGS("*/z*.jpg")), KEN_NOT_FOUND, "'*/z*.jpg' does not exist");
    expect_error(OPTIONS(.n_args = 0), KEN_BAD_ARGUMENT, "no input was given");
}

static void test_repeated_names(void **state) {
    (void)state;
    expect_ids(OPTIONS(ARGS("in/b.jpg", "two/b.jpg", "in/b.jpg", "in/?.jpg")),
               "in/b.jpg two/b.jpg ");
    expect_error(OPTIONS(ARGS("in/b.jpg", "two/b.jpg", "./two/b.jpg")), KEN_BAD_ARGUMENT,
                 "inputs 'two/b.jpg' and './two/b.jpg' would have the same id 'two/b.jpg'");
}

static inputs_options list_of(const char *name, bool null_separated) {
    static const char *const dash[] = {"-"};
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    return (inputs_options){
        .args = dash, .n_args = 1, .stdin_fd = fd, .null_separated = null_separated};
}

static void test_names_on_standard_input(void **state) {
    (void)state;
    inputs_options options = list_of("names", false);
    expect_ids(&options, "two/b.jpg in/b.jpg ");
    close(options.stdin_fd);
    options = list_of("names", true); /* one name, with line ends in it */
    expect_ids(&options, "two/b.jpg%0D%0Ain/b.jpg%0A%0Atwo/b.jpg ");
    close(options.stdin_fd);
    options = list_of("/dev/null", false);
    expect_error(&options, KEN_NOT_FOUND, "the list on standard input names no file");
    close(options.stdin_fd);
    options = list_of("/dev/zero", false);
    close(options.stdin_fd);
    expect_error(&options, KEN_IO, "could not read the list on standard input");
}

static void test_limit_shards_shuffle(void **state) {
    (void)state;
    expect_ids(OPTIONS(ARGS("in"), .limit = 2), "B.PNG a-b/x.webp ");
    expect_ids(OPTIONS(ARGS("in"), .limit = 99), "B.PNG a-b/x.webp a/x.jpg b.jpg ");
    expect_ids(OPTIONS(ARGS("in"), .shard_count = 3), "B.PNG b.jpg ");
    expect_ids(OPTIONS(ARGS("in"), .shard_count = 3, .shard_index = 2), "a/x.jpg ");
    expect_ids(OPTIONS(ARGS("in"), .shard_count = 9, .shard_index = 8), "");
    expect_ids(OPTIONS(ARGS("in"), .limit = 3, .shard_count = 2), "B.PNG a/x.jpg ");
    expect_error(OPTIONS(ARGS("in"), .shard_count = 2, .shard_index = 2), KEN_BAD_ARGUMENT,
                 "shard 2 of 2 does not exist");
    /* Fixed for ever: an order that changed would refuse to resume, and change results. */
    expect_ids(OPTIONS(ARGS("in"), .shuffle = true, .seed = 1), "a/x.jpg B.PNG b.jpg a-b/x.webp ");
    expect_ids(OPTIONS(ARGS("in"), .shuffle = true, .seed = 2), "B.PNG a-b/x.webp b.jpg a/x.jpg ");
    expect_error(OPTIONS(ARGS("rows.csv"), .shuffle = true), KEN_UNSUPPORTED, "--shuffle");
}

static void test_texts(void **state) {
    (void)state;
    static const char *const texts[] = {"a cat", "a cat"};
    expect_ids(OPTIONS(.texts = texts, .n_texts = 2), "0 1 ");
    expect_ids(OPTIONS(.texts_file = "lines"), "0 1 2 ");
    expect_error(OPTIONS(.texts_file = "/dev/null"), KEN_UNSUPPORTED, "/dev/null");
    expect_error(OPTIONS(.texts = texts, .n_texts = 2, ARGS("in")), KEN_BAD_ARGUMENT,
                 "cannot be embedded in one run");
    expect_error(OPTIONS(.texts = texts, .n_texts = 2, .texts_file = "lines"), KEN_BAD_ARGUMENT,
                 "--text and --texts");
}

static void test_tables(void **state) {
    (void)state;
    expect_ids(OPTIONS(ARGS("rows.csv")), "in/b.jpg two/b.jpg 2!no_image ");
    expect_ids(OPTIONS(ARGS("rows.csv"), .id_col = "id"), "k k!duplicate_id m!no_image ");
    expect_error(OPTIONS(ARGS("rows.csv"), .path_col = "nope"), KEN_BAD_FORMAT, "nope");
    expect_error(OPTIONS(ARGS("rows.csv"), .path_col = "n"), KEN_BAD_ARGUMENT,
                 "column 'n' of 'rows.csv' does not hold text");
}

static void test_sidecars(void **state) {
    (void)state;
    static const char *const keep[] = {"tag"};
    inputs *in;
    ken_error err;
    input_item item;
    bool more = true;
    assert_int_equal(inputs_open(OPTIONS(ARGS("in"), .keep = keep, .n_keep = 1), &in, &err),
                     KEN_OK);
    assert_true(inputs_have_captions(in));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(inputs_next(in, &item, &more, &err), KEN_OK);
        assert_true(more && item.n_extra == 1);
        bool has = strcmp(item.id, "b.jpg") == 0;
        assert_true(item.extra[0].value.is_null == !has);
        if (has) {
            assert_string_equal(item.caption, "a shirt");
            assert_string_equal(item.extra[0].value.bytes, "x");
        } else {
            assert_null(item.caption);
        }
    }
    inputs_close(in);
}

/* A file beside a picture that nobody will ever write to must not hold the job up. */
static void test_sidecar_that_is_a_pipe(void **state) {
    (void)state;
    assert_int_equal(mkfifo("two/b.txt", 0666), 0);
    expect_ids(OPTIONS(ARGS("two")), "100%25%0A%FF.jpg b.jpg ");
    assert_int_equal(unlink("two/b.txt"), 0);
}

static void take_fingerprint(const inputs_options *options, char out[33]) {
    inputs *in;
    ken_error err;
    assert_int_equal(inputs_open(options, &in, &err), KEN_OK);
    inputs_fingerprint(in, out);
    inputs_close(in);
}

static void test_fingerprint(void **state) {
    (void)state;
    char first[33], other[33];
    take_fingerprint(OPTIONS(ARGS("in")), first);
    take_fingerprint(OPTIONS(ARGS("in")), other);
    assert_string_equal(first, other);
    take_fingerprint(OPTIONS(ARGS("in"), .limit = 3), other);
    assert_string_not_equal(first, other);
    take_fingerprint(OPTIONS(ARGS("in"), .shuffle = true, .seed = 1), other);
    assert_string_not_equal(first, other);
    put_file("in/b.jpg", "changed");
    take_fingerprint(OPTIONS(ARGS("in")), other);
    assert_string_not_equal(first, other);
    put_file("in/c.jpg", "new");
    take_fingerprint(OPTIONS(ARGS("in")), first);
    assert_string_not_equal(first, other);
    assert_int_equal(unlink("in/c.jpg"), 0);
}

static bool fails_at(const inputs_options *options, uint64_t n, bool forever, const char *wanted) {
    buf found;
    ken_error err;
    buf_init(&found, 65536);
    assert_non_null(buf_reserve(&found, 1024));
    uint64_t before = mem_count();
    mem_fail_after(n, forever);
    ken_status status = read_ids(options, &found, &err);
    mem_fail_after(0, false);
    bool met = mem_count() - before >= n;
    if (status == KEN_OK)
        assert_string_equal(found.data, wanted);
    else if (status != KEN_NO_MEMORY)
        fail_msg("allocation %d: %s: %s", (int)n, ken_status_name(status), err.message);
    buf_free(&found);
    return met;
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    static const char *const keep[] = {"tag"};
    const inputs_options folder = {ARGS("in"), .keep = keep, .n_keep = 1, .shard_count = 1};
    const inputs_options names = {ARGS("two", "in/b.?[!x]?", "in/b.jpg")};
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t n = 1; fails_at(&folder, n, forever, "B.PNG a-b/x.webp a/x.jpg b.jpg "); n++)
            ;
        for (uint64_t n = 1;
             fails_at(&names, n, forever, "two/100%25%0A%FF.jpg two/b.jpg in/b.jpg "); n++)
            ;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_files_and_globs),
        cmocka_unit_test(test_repeated_names),
        cmocka_unit_test(test_names_on_standard_input),
        cmocka_unit_test(test_limit_shards_shuffle),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_sidecars),
        cmocka_unit_test(test_sidecar_that_is_a_pipe),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
