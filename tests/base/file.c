/* Files: whole or not at all, nothing but regular ones, nothing outside of a directory. */
#include "base/file.h"

#include "base/mem.h"
#include "formats/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_read(void **state) {
    (void)state;
    const char *path = scratch_text("a.txt", "hello");
    buf b;
    ken_error err;
    buf_init(&b, 10);
    assert_ok(file_read(path, &b, &err), err);
    assert_string_equal(b.data, "hello");
    assert_ok(file_read(path, &b, &err), err); /* appends */
    assert_string_equal(b.data, "hellohello");
    assert_error(file_read(path, &b, &err), KEN_TOO_LARGE, err, "is 5 bytes, the limit is 10");
    buf_free(&b);
    buf_init(&b, 10);
    assert_ok(file_read(scratch_text("empty", ""), &b, &err), err);
    assert_int_equal(b.size, 0);
    /* A file of /proc says that it has no bytes, and has some. */
    assert_error(file_read("/proc/self/status", &b, &err), KEN_TOO_LARGE, err,
                 "is larger than the limit of 10 bytes");
    buf_free(&b);
    buf_init(&b, 1 << 20);
    assert_ok(file_read("/proc/self/status", &b, &err), err);
    assert_non_null(strstr(b.data, "VmSize"));
    buf_free(&b);
}

static void test_map(void **state) {
    (void)state;
    file_map map;
    ken_error err;
    assert_ok(file_map_open(scratch_text("m.txt", "mapped"), &map, &err), err);
    assert_int_equal(map.size, 6);
    assert_memory_equal(map.data, "mapped", 6);
    file_map_close(&map);
    assert_int_equal(map.size, 0);
    assert_ok(file_map_open(scratch_text("m0.txt", ""), &map, &err), err);
    assert_non_null(map.data);
    assert_int_equal(map.size, 0);
    file_map_close(&map);
}

/* Neither call may wait for the other end of a FIFO. */
static void test_only_regular_files(void **state) {
    (void)state;
    assert_int_equal(mkfifo(scratch_path("fifo"), 0666), 0);
    static const struct {
        const char *path;
        ken_status status;
        const char *message;
    } cases[] = {
        {"fifo", KEN_UNSUPPORTED, "is not a regular file"},
        {".", KEN_UNSUPPORTED, "is not a regular file"},
        {"absent", KEN_NOT_FOUND, "No such file or directory"},
        {"absent/x", KEN_NOT_FOUND, "No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file_map map;
        ken_error err;
        buf b;
        buf_init(&b, 100);
        const char *path = scratch_path(cases[i].path);
        assert_error(file_map_open(path, &map, &err), cases[i].status, err, cases[i].message);
        assert_error(file_read(path, &b, &err), cases[i].status, err, cases[i].message);
        buf_free(&b);
    }
    file_map map;
    ken_error err;
    assert_error(file_map_open("/dev/zero", &map, &err), KEN_UNSUPPORTED, err,
                 "'/dev/zero' is not a regular file");
}

static void test_write_atomic(void **state) {
    (void)state;
    ken_error err;
    const char *path = scratch_text("w.txt", "old");
    assert_ok(file_write_atomic(path, "new content", 11, &err), err);
    buf b;
    buf_init(&b, 100);
    assert_ok(file_read(path, &b, &err), err);
    assert_string_equal(b.data, "new content");
    buf_free(&b);
    assert_error(file_write_atomic(scratch_path("no/folder"), "x", 1, &err), KEN_CANNOT_CREATE, err,
                 "could not create");
    /* The target is a directory: the rename fails, and nothing is left behind. */
    scratch_text("dir/x", "");
    assert_int_not_equal(file_write_atomic(scratch_path("dir"), "x", 1, &err), KEN_OK);
    char left[64];
    snprintf(left, sizeof left, "dir.tmp-%ld", (long)getpid());
    assert_false(file_exists(scratch_path(left)));
    /* A full disk. */
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    assert_error(file_write_all(full, "x", 1, "f", &err), KEN_IO, err, "No space left");
    close(full);
    assert_ok(file_sync_parent(path, &err), err);
    assert_ok(file_sync_parent("relative", &err), err);
    assert_ok(file_sync_parent("/tmp", &err), err);
    assert_error(file_sync_parent("/nowhere/x", &err), KEN_NOT_FOUND, err, "'/nowhere'");
}

static void test_names(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"a/b.JPG", "b.JPG", ".JPG"},
        {"b.tar.gz", "b.tar.gz", ".gz"},
        {"a.b/c", "c", ""},
        {".hidden", ".hidden", ""},
        {"/", "", ""},
        {"a.", "a.", "."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(file_name(cases[i][0]), cases[i][1]);
        assert_string_equal(file_extension(cases[i][0]), cases[i][2]);
    }
    buf b;
    buf_init(&b, 20);
    assert_true(file_join(&b, "a", "b"));
    assert_string_equal(b.data, "a/b");
    assert_true(file_join(&b, "a/", "b"));
    assert_string_equal(b.data, "a/b");
    assert_true(file_join(&b, "/", "b"));
    assert_string_equal(b.data, "/b");
    assert_false(file_join(&b, "aaaaaaaaaa", "bbbbbbbbbbbbb"));
    buf_free(&b);
    assert_true(file_is_directory("/tmp"));
    assert_false(file_is_directory("/dev/null"));
    assert_true(file_exists("/dev/null"));
    assert_false(file_exists("/nowhere"));
}

static void test_resolve_inside(void **state) {
    (void)state;
    scratch_text("model/w.bin", "w");
    scratch_text("model/sub/w.bin", "w");
    scratch_text("modelx/w.bin", "w");
    scratch_text("models--a--b/blobs/0", "w");
    scratch_text("models--a--b/snapshots/r/c.json", "w");
    scratch_text("models--a--b/blobsx/0", "w");
    char dir[4096], snapshot[4096];
    snprintf(dir, sizeof dir, "%s", scratch_path("model"));
    snprintf(snapshot, sizeof snapshot, "%s", scratch_path("models--a--b/snapshots/r"));
    assert_int_equal(symlink("sub/w.bin", scratch_path("model/in")), 0);
    assert_int_equal(symlink("../modelx/w.bin", scratch_path("model/out")), 0);
    assert_int_equal(symlink("..", scratch_path("model/up")), 0);
    assert_int_equal(symlink("loop", scratch_path("model/loop")), 0);
    assert_int_equal(symlink("../../blobs/0", scratch_path("models--a--b/snapshots/r/w")), 0);
    assert_int_equal(symlink("../../blobsx/0", scratch_path("models--a--b/snapshots/r/x")), 0);
    const struct {
        const char *dir, *name;
        ken_status status;
    } cases[] = {
        {dir, "w.bin", KEN_OK},
        {dir, "sub/w.bin", KEN_OK},
        {dir, "sub/../w.bin", KEN_OK},
        {dir, "in", KEN_OK},
        {dir, "out", KEN_REFUSED},
        {dir, "up/modelx/w.bin", KEN_REFUSED},
        {dir, "../modelx/w.bin", KEN_REFUSED},
        {dir, "../model/w.bin", KEN_OK},
        {dir, "/etc/passwd", KEN_REFUSED},
        {dir, "", KEN_REFUSED},
        {dir, "absent", KEN_NOT_FOUND},
        {dir, "loop", KEN_IO},
        {"/nowhere", "x", KEN_NOT_FOUND},
        {snapshot, "w", KEN_OK},
        {snapshot, "x", KEN_REFUSED},
        {snapshot, "../../blobs/0", KEN_OK},
        {snapshot, "../../../model/w.bin", KEN_REFUSED},
    };
    buf b;
    buf_init(&b, 8192);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ken_error err;
        ken_status status = file_resolve_inside(cases[i].dir, cases[i].name, &b, &err);
        if (status != cases[i].status)
            fail_msg("'%s': %s", cases[i].name, ken_status_name(status));
    }
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_only_regular_files),
        cmocka_unit_test(test_write_atomic),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_resolve_inside),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
