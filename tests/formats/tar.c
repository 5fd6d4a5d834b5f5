/* Samples of webdataset shards: grouping, hostile headers, cut-off files, brace ranges. */
#include "formats/tar.h"

#include "base/mem.h"
#include "base/sys.h"
#include "formats/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One 512-byte header of the ustar format, and the data padded to 512 bytes. */
static void put_entry(buf *tar, const char *name, char type, uint64_t declared, const void *data,
                      size_t size) {
    char header[512] = {0};
    memcpy(header, name, strlen(name));
    memcpy(header + 100, "0000644", 8);
    snprintf(header + 124, 12, "%011llo", (unsigned long long)(declared & 077777777777));
    memcpy(header + 136, "00000000000", 12);
    header[156] = type;
    memcpy(header + 257, "ustar\00000", 8);
    if (type == '1' || type == '2')
        memcpy(header + 157, "/etc/passwd", 11);
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof header; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    buf_append(tar, header, sizeof header);
    buf_append(tar, data, size);
    while (tar->size % 512)
        buf_putc(tar, '\0');
}

static void put_text(buf *tar, const char *name, const char *text) {
    put_entry(tar, name, '0', strlen(text), text, strlen(text));
}

static void put_end(buf *tar) {
    static const char zeros[1024];
    buf_append(tar, zeros, sizeof zeros);
}

/* All samples as "key{field=size,...}" joined by spaces, then the error. */
static void describe(const char *path, size_t max_field_bytes, buf *out) {
    tar_reader *r;
    ken_error err;
    ken_status status = tar_open(path, max_field_bytes, &r, &err);
    bool more = status == KEN_OK;
    buf_clear(out);
    while (more) {
        tar_sample sample;
        status = tar_next(r, &sample, &more, &err);
        if (more)
            buf_printf(out, "%s%s{", out->size ? " " : "", sample.key);
        for (size_t i = 0; i < sample.n_fields; i++)
            buf_printf(out, "%s%s=%zu", i ? "," : "", sample.fields[i].name, sample.fields[i].size);
        if (more)
            buf_puts(out, status == KEN_OK ? "}" : "!}");
    }
    if (status != KEN_OK)
        buf_printf(out, " %s: %s", ken_status_name(status), strstr(err.message, "' ") + 2);
    tar_close(r);
}

static void expect_samples(const buf *tar, const char *expected) {
    buf got;
    buf_init(&got, 1 << 20);
    describe(scratch_write("t.tar", tar->data, tar->size), 1000, &got);
    if (strcmp(got.data, expected) != 0)
        fail_msg("got '%s', expected '%s'", got.data, expected);
    buf_free(&got);
}

static void test_grouping(void **state) {
    (void)state;
    buf tar;
    buf_init(&tar, 1 << 20);
    put_entry(&tar, "dir.x/", '5', 0, NULL, 0);
    put_text(&tar, "dir.x/a.JPG", "123");
    put_text(&tar, "dir.x/a.seg.png", "4567");
    put_text(&tar, "dir.x/a.txt", "");
    put_text(&tar, "__index__.json", "meta");
    put_text(&tar, "no-dot", "passed over");
    put_text(&tar, ".hidden", "passed over");
    put_text(&tar, "trailing.", "passed over");
    put_text(&tar, "b.jpg", "x");
    put_entry(&tar, "b.link", '2', 0, NULL, 0);
    put_entry(&tar, "b.hard", '1', 0, NULL, 0);
    put_entry(&tar, "b.fifo", '6', 0, NULL, 0);
    put_text(&tar, "b.cls", "12");
    put_text(&tar, "../../etc/c.jpg", "x");
    put_text(&tar, "/abs.jpg", "x");
    put_text(&tar, "caf\xc3\xa9.jpg", "x");
    put_text(&tar, "bad\xff.jpg", "x");
    put_text(&tar, "b.jpg", "x");
    put_end(&tar);
    expect_samples(&tar, "dir.x/a{jpg=3,seg.png=4,txt=0} b{jpg=1,cls=2} ../../etc/c{jpg=1} "
                         "/abs{jpg=1} caf\xc3\xa9{jpg=1} bad\xff{jpg=1} b{jpg=1}");
    buf_free(&tar);
}

static void test_large_fields(void **state) {
    (void)state;
    char bytes[1001];
    memset(bytes, 'x', sizeof bytes);
    buf tar;
    buf_init(&tar, 1 << 20);
    put_entry(&tar, "a.jpg", '0', 1000, bytes, 1000);
    put_entry(&tar, "b.jpg", '0', 1001, bytes, 1001);
    put_text(&tar, "b.txt", "b");
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "c.f%d", i);
        put_entry(&tar, name, '0', 1000, bytes, 1000);
    }
    put_text(&tar, "d.txt", "d");
    put_end(&tar);
    expect_samples(&tar, "a{jpg=1000} b{!} c{!} d{txt=1}");
    buf_free(&tar);
}

/* 8 GB that the header promises and the file does not have. */
static void test_lying_size(void **state) {
    (void)state;
    buf tar, got;
    buf_init(&tar, 1 << 20);
    buf_init(&got, 1 << 20);
    put_text(&tar, "a.txt", "a");
    put_entry(&tar, "b.jpg", '0', (uint64_t)077777777777, "x", 1);
    describe(scratch_write("lying.tar", tar.data, tar.size), 1000, &got);
    assert_non_null(strstr(got.data, "a{txt=1} b{!}"));
    assert_true(sys_peak_rss() < (uint64_t)256 << 20);
    buf_free(&tar);
    buf_free(&got);
}

static void test_cut_off(void **state) {
    (void)state;
    buf tar, got;
    buf_init(&tar, 1 << 20);
    buf_init(&got, 1 << 20);
    put_text(&tar, "a.txt", "a");
    put_text(&tar, "b.txt", "b");
    char bytes[900] = "c";
    put_entry(&tar, "c.txt", '0', sizeof bytes, bytes, sizeof bytes);
    put_end(&tar);
    for (size_t n = 0; n < tar.size; n += 64) {
        describe(scratch_write("cut.tar", tar.data, n), 1000, &got);
        bool whole = n >= 4 * 512 + 512 + 1024;
        assert_true((strstr(got.data, "a{txt=1}") != NULL) == (n >= 2 * 512));
        assert_true((strstr(got.data, "b{txt=1}") != NULL) == (n >= 4 * 512));
        assert_true((strstr(got.data, "c{txt=900}") != NULL) == whole);
    }
    describe(scratch_write("cut.tar", tar.data, 4 * 512 + 700), 1000, &got);
    assert_non_null(strstr(got.data, "a{txt=1} b{txt=1} bad_format: cannot be read as a tar after "
                                     "2 samples"));
    buf_free(&tar);
    buf_free(&got);
}

static void test_not_a_tar(void **state) {
    (void)state;
    tar_reader *r;
    ken_error err;
    assert_error(tar_open(scratch_path("absent.tar"), 1000, &r, &err), KEN_NOT_FOUND, err,
                 "could not open");
    assert_error(tar_open(scratch_path("."), 1000, &r, &err), KEN_UNSUPPORTED, err,
                 "is not a regular file");
    mkfifo(scratch_path("fifo.tar"), 0666);
    assert_error(tar_open(scratch_path("fifo.tar"), 1000, &r, &err), KEN_UNSUPPORTED, err,
                 "is not a regular file");
    const char *path = scratch_text("text.tar", "this is no tar at all");
    tar_sample sample;
    bool more;
    ken_status status = tar_open(path, 1000, &r, &err);
    if (status == KEN_OK)
        status = tar_next(r, &sample, &more, &err);
    assert_error(status, KEN_BAD_FORMAT, err, "cannot be read as a tar");
    tar_close(r);
}

/* Every byte of the headers changed: never a crash, never a name outside of the sample's memory. */
static void test_every_byte_changed(void **state) {
    (void)state;
    buf tar, got;
    buf_init(&tar, 1 << 20);
    buf_init(&got, 1 << 20);
    put_text(&tar, "a.txt", "a");
    put_text(&tar, "b.txt", "b");
    put_end(&tar);
    for (size_t i = 0; i < 2 * 512; i++)
        for (int k = 0; k < 3; k++) {
            char saved = tar.data[i];
            tar.data[i] = (char)(saved ^ (k == 0 ? 1 : k == 1 ? 0x80 : 0xff));
            describe(scratch_write("flip.tar", tar.data, tar.size), 1000, &got);
            tar.data[i] = saved;
        }
    buf_free(&tar);
    buf_free(&got);
}

static void test_real_shards(void **state) {
    (void)state;
    buf got;
    buf_init(&got, 1 << 20);
    describe(KEN_TEST_DATA "/formats/webdataset/sample.tgz", 1 << 20, &got);
    int n = 0;
    for (const char *at = got.data; (at = strstr(at, "{cls=1,png=")); at++)
        n++;
    assert_int_equal(n, 90);
    assert_null(strstr(got.data, ":"));
    describe(KEN_TEST_DATA "/formats/webdataset/compressed.tar", 1 << 20, &got);
    assert_non_null(strstr(got.data, "compressed/0001{txt.gz="));
    assert_non_null(strstr(got.data, "compressed/0003{txt.gz="));
    buf_free(&got);
}

/* Names beyond ustar's 100 ASCII bytes, in both ways of writing them. */
static void test_names(void **state) {
    (void)state;
    static const char *const paths[] = {KEN_TEST_DATA "/formats/webdataset/names-pax.tgz",
                                        KEN_TEST_DATA "/formats/webdataset/names-gnu.tgz"};
    buf got;
    buf_init(&got, 1 << 20);
    for (int i = 0; i < 2; i++) {
        describe(paths[i], 1 << 20, &got);
        const char first[] = "caf\xc3\xa9/\xe5\x8c\x97\xe4\xba\xac{jpg=4} d/d/";
        assert_int_equal(strncmp(got.data, first, sizeof first - 1), 0);
        assert_int_equal(got.size, 19 + 1 + 160 + 120 + 7 + 1 + 12);
        assert_non_null(strstr(got.data, "nnn{jpg=4} plain{jpg=4}"));
    }
    buf_free(&got);
}

static ken_status join(void *context, const char *name, ken_error *err) {
    buf *names = context;
    buf_printf(names, "%s%s", names->size ? " " : "", name);
    return buf_check(names, err);
}

static void test_expand(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a.tar", "a.tar"},
        {"{8..11}.tar", "8.tar 9.tar 10.tar 11.tar"},
        {"d/{008..011}.tar", "d/008.tar d/009.tar d/010.tar d/011.tar"},
        {"{00..00}", "00"},
        {"{a..b}.tar", "{a..b}.tar"},
        {"{1..}.tar", "{1..}.tar"},
        {"{1,2}.tar", "{1,2}.tar"},
        {"{01..002}.tar", "{01..002}.tar"},
        {"x{1..2", "x{1..2"},
        {"{12345678901..12345678902}", "{12345678901..12345678902}"},
        {"%s{1..2}%d", "%s1%d %s2%d"},
    };
    buf names;
    buf_init(&names, 1 << 12);
    ken_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&names);
        assert_ok(tar_expand(cases[i][0], join, &names, &err), err);
        assert_string_equal(names.data, cases[i][1]);
    }
    assert_error(tar_expand("{2..1}", join, &names, &err), KEN_BAD_ARGUMENT, err,
                 "ends before it begins");
    assert_error(tar_expand("{0000000..9999999}", join, &names, &err), KEN_TOO_LARGE, err,
                 "more than 1000000 names");
    assert_error(tar_expand("{1000..3000}", join, &names, &err), KEN_TOO_LARGE, err, "limit");
    buf_free(&names);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const char path[] = KEN_TEST_DATA "/formats/webdataset/compressed.tar";
    for (uint64_t n = 1;; n++) {
        tar_reader *r;
        ken_error err;
        mem_fail_after(n, false);
        ken_status status = tar_open(path, 1 << 16, &r, &err);
        bool more = status == KEN_OK;
        while (more) {
            tar_sample sample;
            status = tar_next(r, &sample, &more, &err);
        }
        mem_fail_after(0, false);
        tar_close(r);
        if (status == KEN_OK)
            break;
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouping),    cmocka_unit_test(test_large_fields),
        cmocka_unit_test(test_lying_size),  cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_not_a_tar),   cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_real_shards), cmocka_unit_test(test_names),
        cmocka_unit_test(test_expand),      cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
