/* The cache's folder: private, limited, whole files only, and never needed. */
#include "base/cache.h"

#include "formats/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static cache *open_cache(const char *name, uint64_t limit_bytes) {
    cache *c;
    ken_error err;
    assert_ok(cache_open(scratch_path(name), limit_bytes, &c, &err), err);
    return c;
}

static void write_text(const cache *c, const char *name, const char *text) {
    ken_error err;
    cache_piece piece = {text, strlen(text)};
    assert_ok(cache_write(c, name, &piece, 1, &err), err);
}

/* When the file was last used, `seconds` ago. */
static void set_age(const cache *c, const char *name, time_t seconds) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", cache_path(c), name);
    struct timespec then = {.tv_sec = time(NULL) - seconds};
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){then, then}, 0), 0);
}

static void test_files(void **state) {
    (void)state;
    cache *c = open_cache("above/files", 0);
    struct stat info;
    assert_int_equal(stat(cache_path(c), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    file_map map;
    ken_error err;
    assert_error(cache_map(c, "pack-a", &map, &err), KEN_NOT_FOUND, err, "pack-a");
    assert_false(cache_has(c, "pack-a"));
    const cache_piece pieces[] = {{"one ", 4}, {"", 0}, {"two", 3}};
    assert_ok(cache_write(c, "pack-a", pieces, 3, &err), err);
    assert_true(cache_has(c, "pack-a"));
    assert_ok(cache_map(c, "pack-a", &map, &err), err);
    assert_int_equal(map.size, 7);
    assert_memory_equal(map.data, "one two", 7);
    /* What is mapped stays, whatever becomes of the name. */
    write_text(c, "pack-a", "another");
    cache_remove(c, "pack-a");
    assert_memory_equal(map.data, "one two", 7);
    file_map_close(&map);
    cache_close(c);
}

static void test_facts(void **state) {
    (void)state;
    cache *c = open_cache("facts", 0);
    char value[CACHE_FACT_BYTES];
    ken_error err;
    assert_false(cache_fact(c, "digest of 1", value));
    assert_ok(cache_remember(c, "digest of 1", "abc", &err), err);
    assert_ok(cache_remember(c, "digest of 2", "two\nlines", &err), err);
    assert_true(cache_fact(c, "digest of 1", value));
    assert_string_equal(value, "abc");
    assert_true(cache_fact(c, "digest of 2", value));
    assert_string_equal(value, "two\nlines");
    assert_ok(cache_remember(c, "digest of 1", "new", &err), err);
    assert_true(cache_fact(c, "digest of 1", value));
    assert_string_equal(value, "new");
    char large[CACHE_FACT_BYTES + 1];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_error(cache_remember(c, "k", large, &err), KEN_BAD_ARGUMENT, err, "limit is 4095");
    large[sizeof large - 2] = '\0';
    assert_ok(cache_remember(c, "k", large, &err), err);
    assert_true(cache_fact(c, "k", value));
    assert_string_equal(value, large);
    cache_close(c);
}

/* Path of the only file in the cache. */
static void only_file(const cache *c, char *path, size_t size) {
    char command[700];
    snprintf(command, sizeof command, "ls -A '%s'", cache_path(c));
    FILE *ls = popen(command, "r");
    char name[200];
    assert_non_null(fgets(name, sizeof name, ls));
    name[strcspn(name, "\n")] = '\0';
    snprintf(path, size, "%s/%s", cache_path(c), name);
    assert_null(fgets(name, sizeof name, ls));
    pclose(ls);
}

/* Every changed byte and every length of a fact's file: unknown, and gone. */
static void test_damaged_fact(void **state) {
    (void)state;
    cache *c = open_cache("damaged", 0);
    char value[CACHE_FACT_BYTES], path[700];
    ken_error err;
    const size_t size = 32 + strlen("\nkey\nvalue\n");
    for (size_t i = 0; i < size; i++) {
        assert_ok(cache_remember(c, "key", "value", &err), err);
        only_file(c, path, sizeof path);
        FILE *file = fopen(path, "r+");
        fseek(file, (long)i, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, (long)i, SEEK_SET);
        fputc(byte ^ 1, file);
        fclose(file);
        assert_false(cache_fact(c, "key", value));
        assert_int_equal(access(path, F_OK), -1);
        assert_ok(cache_remember(c, "key", "value", &err), err);
        assert_int_equal(truncate(path, (off_t)i), 0);
        assert_false(cache_fact(c, "key", value));
    }
    cache_close(c);
}

static void test_refused_folders(void **state) {
    (void)state;
    cache *c;
    ken_error err;
    const char *loose = scratch_path("loose");
    assert_int_equal(mkdir(loose, 0700), 0);
    assert_int_equal(chmod(loose, 0770), 0);
    assert_error(cache_open(loose, 0, &c, &err), KEN_REFUSED, err, "has mode 0770");
    assert_null(c);
    assert_int_equal(chmod(loose, 0755), 0); /* others may read it */
    assert_ok(cache_open(loose, 0, &c, &err), err);
    cache_close(c);
    const char *link = scratch_path("link");
    assert_int_equal(symlink(scratch_path("loose"), link), 0);
    assert_error(cache_open(link, 0, &c, &err), KEN_REFUSED, err, "is a link or no folder");
    const char *file = scratch_text("plain", "");
    assert_error(cache_open(file, 0, &c, &err), KEN_REFUSED, err, "is a link or no folder");
    assert_error(cache_open("", 0, &c, &err), KEN_BAD_ARGUMENT, err, "0 bytes");
    assert_error(cache_open("/proc/ken-cache", 0, &c, &err), KEN_NOT_FOUND, err, "/proc/ken-cache");
    if (geteuid() != 0)
        skip();
    const char *foreign = scratch_path("foreign");
    assert_int_equal(mkdir(foreign, 0700), 0);
    assert_int_equal(chown(foreign, 65534, 65534), 0);
    assert_error(cache_open(foreign, 0, &c, &err), KEN_REFUSED, err, "belongs to user 65534");
}

static void test_refused_files(void **state) {
    (void)state;
    cache *c = open_cache("private", 0);
    char path[600], value[CACHE_FACT_BYTES];
    file_map map;
    ken_error err;
    snprintf(path, sizeof path, "%s/pack-x", cache_path(c));
    assert_int_equal(symlink(scratch_text("target", "text"), path), 0);
    assert_error(cache_map(c, "pack-x", &map, &err), KEN_REFUSED, err, "is a link");
    cache_remove(c, "pack-x");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_error(cache_map(c, "pack-x", &map, &err), KEN_REFUSED, err, "not a file of ours");
    cache_remove(c, "pack-x");
    write_text(c, "pack-x", "text");
    assert_int_equal(chmod(path, 0666), 0);
    assert_error(cache_map(c, "pack-x", &map, &err), KEN_REFUSED, err, "not a file of ours");
    assert_int_equal(chmod(path, 0600), 0);
    assert_ok(cache_map(c, "pack-x", &map, &err), err);
    file_map_close(&map);
    assert_ok(cache_remember(c, "key", "value", &err), err);
    assert_true(cache_fact(c, "key", value));
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_error(cache_map(c, "pack-x", &map, &err), KEN_REFUSED, err, "not a file of ours");
    }
    cache_close(c);
}

/* What was used last stays; other people's files are not counted, and stay too. */
static void test_limit(void **state) {
    (void)state;
    cache *c = open_cache("limit", 100);
    char forty[41];
    memset(forty, 'f', 40);
    forty[40] = '\0';
    scratch_text("limit/readme.txt",
                 "not of the cache, and large: 1234567890 1234567890 1234567890");
    write_text(c, "pack-a", forty);
    set_age(c, "pack-a", 300);
    write_text(c, "pack-b", forty);
    set_age(c, "pack-b", 200);
    cache_usage usage;
    ken_error err;
    assert_ok(cache_measure(c, &usage, &err), err);
    assert_int_equal(usage.n_files, 2);
    assert_int_equal(usage.used_bytes, 80);
    assert_int_equal(usage.limit_bytes, 100);
    file_map map;
    assert_ok(cache_map(c, "pack-a", &map, &err), err); /* used now */
    file_map_close(&map);
    write_text(c, "pack-c", forty);
    assert_true(cache_has(c, "pack-a"));
    assert_false(cache_has(c, "pack-b"));
    assert_true(cache_has(c, "pack-c"));
    assert_true(cache_has(c, "readme.txt"));
    char large[102];
    memset(large, 'l', 101);
    cache_piece piece = {large, 101};
    assert_error(cache_write(c, "pack-d", &piece, 1, &err), KEN_TOO_LARGE, err, "limit is 100");
    assert_true(cache_has(c, "pack-a"));
    cache_close(c);
}

/* The temporary files of dead processes go when there is something to write. */
static void test_abandoned(void **state) {
    (void)state;
    cache *c = open_cache("abandoned", 0);
    write_text(c, "tmp-1-1", "half of a file");
    write_text(c, "tmp-1-2", "being written");
    set_age(c, "tmp-1-1", 7200);
    write_text(c, "pack-a", "a");
    assert_false(cache_has(c, "tmp-1-1"));
    assert_true(cache_has(c, "tmp-1-2"));
    cache_usage usage;
    ken_error err;
    assert_ok(cache_measure(c, &usage, &err), err);
    assert_true(usage.limit_bytes > 0 && usage.limit_bytes <= (uint64_t)8 << 30);
    cache_close(c);
}

/* A write that fails leaves what was there, and nothing else. */
static void test_full_disk(void **state) {
    (void)state;
    cache *c = open_cache("full", 0);
    write_text(c, "pack-a", "old");
    struct rlimit old, small = {.rlim_cur = 1000};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char large[4000] = {0};
    const cache_piece pieces[] = {{"begin", 5}, {large, sizeof large}};
    ken_error err;
    assert_error(cache_write(c, "pack-a", pieces, 2, &err), KEN_IO, err, "could not write");
    setrlimit(RLIMIT_FSIZE, &old);
    cache_usage usage;
    assert_ok(cache_measure(c, &usage, &err), err);
    assert_int_equal(usage.n_files, 1);
    assert_int_equal(usage.used_bytes, 3);
    cache_close(c);
}

static void *write_many(void *context) {
    const cache *c = context;
    for (int i = 0; i < 200; i++) {
        char text[2000];
        memset(text, 'a' + i % 20, sizeof text);
        cache_piece piece = {text, sizeof text};
        ken_error err;
        if (cache_write(c, "pack-shared", &piece, 1, &err) != KEN_OK)
            return (void *)"failed";
    }
    return NULL;
}

/* A reader sees one of the writers' files, whole. */
static void test_concurrent(void **state) {
    (void)state;
    cache *c = open_cache("shared", 0);
    write_text(c, "pack-shared", "");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, c), 0);
    for (int i = 0; i < 500; i++) {
        file_map map;
        ken_error err;
        assert_ok(cache_map(c, "pack-shared", &map, &err), err);
        assert_true(map.size == 2000 || map.size == 0);
        for (size_t k = 1; k < map.size; k++)
            assert_int_equal(map.data[k], map.data[0]);
        file_map_close(&map);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    cache_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),         cmocka_unit_test(test_facts),
        cmocka_unit_test(test_damaged_fact),  cmocka_unit_test(test_refused_folders),
        cmocka_unit_test(test_refused_files), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_abandoned),     cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_concurrent),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
