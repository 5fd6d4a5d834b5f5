/* Every file of the corpora in the folder that KEN_CORPUS names: an answer, never a crash, a hang
 * or much memory. The verdicts expected are counted; docs/internals/formats.md lists the files
 * refused. */
#include "base/buf.h"
#include "formats/scratch.h"
#include "formats/table.h"
#include "formats/tar.h"
#include "formats/weights.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { max_columns = 200 };

static ken_status read_table(const char *path, ken_error *err) {
    table_reader *r;
    TRY(table_reader_open(&path, 1, NULL, 0, &r, err));
    static table_value row[max_columns];
    assert_true(table_reader_n_columns(r) <= max_columns);
    ken_status status = KEN_OK;
    uint64_t n_rows = 0;
    for (bool more = true; more && status == KEN_OK; n_rows += more)
        status = table_reader_next(r, row, &more, err);
    if (status == KEN_OK)
        assert_int_equal(n_rows, table_reader_n_rows(r));
    table_reader_close(r);
    return status;
}

static ken_status read_shard(const char *path, ken_error *err) {
    tar_reader *r;
    TRY(tar_open(path, (size_t)64 << 20, &r, err));
    ken_status status = KEN_OK;
    tar_sample sample;
    for (bool more = true; more && status == KEN_OK;)
        status = tar_next(r, &sample, &more, err);
    tar_close(r);
    return status;
}

static ken_status read_weights(const char *path, ken_error *err) {
    weights *w;
    ken_status status = weights_open_file(path, &w, err);
    weights_close(w);
    return status;
}

static ken_status (*reader)(const char *, ken_error *);
static const char *endings[3];
static int n_accepted, n_refused;

static int read_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)walk;
    const char *dot = strrchr(path, '.');
    bool wanted = false;
    for (int i = 0; i < 3 && endings[i]; i++)
        wanted = wanted || (dot && strcmp(dot, endings[i]) == 0);
    if (type != FTW_F || !wanted)
        return 0;
    ken_error err = {0};
    clock_t begin = clock();
    ken_status status = reader(path, &err);
    if (status == KEN_OK)
        n_accepted++;
    else
        n_refused++;
    if (status != KEN_OK)
        print_message("%s: %s\n", ken_status_name(status), err.message);
    assert_true(status == KEN_OK || status == KEN_BAD_FORMAT || status == KEN_UNSUPPORTED ||
                status == KEN_TOO_LARGE);
    /* Processor time, so that a busy machine does not fail the test; a hang meets ctest's limit. */
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 10);
    return 0;
}

static void read_folder(const char *folder, const char *ending, const char *other,
                        ken_status (*read)(const char *, ken_error *), int accepted, int refused) {
    const char *corpus = getenv("KEN_CORPUS");
    if (!corpus)
        skip();
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", corpus, folder);
    reader = read;
    endings[0] = ending;
    endings[1] = other;
    n_accepted = n_refused = 0;
    assert_int_equal(nftw(path, read_one, 16, FTW_PHYS), 0);
    print_message("%s: %d accepted, %d refused\n", folder, n_accepted, n_refused);
    assert_int_equal(n_accepted, accepted);
    assert_int_equal(n_refused, refused);
}

static void test_parquet(void **state) {
    (void)state;
    read_folder("parquet-testing", ".parquet", NULL, read_table, 71, 11);
}

static void test_tar(void **state) {
    (void)state;
    read_folder("webdataset-tar", ".tar", ".tgz", read_shard, 4, 0);
}

static void test_safetensors(void **state) {
    (void)state;
    read_folder("safetensors-vectors", ".safetensors", NULL, read_weights, 7, 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet),
        cmocka_unit_test(test_tar),
        cmocka_unit_test(test_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
