/* Decodes real files that nobody in this project wrote and compares each one's verdict, size, mode,
 * orientation and pixels with a table. The tables are made by tools/make_image_goldens.py: the
 * digests are Pillow's wherever the pixels must be Pillow's.
 *
 * With KEN_CORPUS set the whole corpus in that directory is replayed too.
 * `test_image_corpus --list DIR` prints the outcomes of the files named on stdin, for that tool. */
#include "testing.h"

#include "image/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { PATH, VERDICT, SIZE, MODE, ORIENTATION, DIGEST, STRICT, N_COLUMNS };

typedef struct replay {
    const char *root;
    int n_wrong;
} replay;

static bool differs(const char *expected, const char *found) {
    return strcmp(expected, "-") != 0 && strcmp(expected, found) != 0;
}

static void check_file(char *fields[MAX_FIELDS], int n_fields, void *context) {
    replay *r = context;
    assert_true(n_fields >= N_COLUMNS);
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", r->root, fields[PATH]);
    file_map map = {0};
    ken_error err = {0};
    if (file_map_open(path, &map, &err) != KEN_OK)
        fail_msg("%s", err.message);
    outcome found;
    decode_outcome(map.data, map.size, &found);
    file_map_close(&map);
    bool decoded = strcmp(found.digest, "-") != 0;
    if (strcmp(fields[VERDICT], found.verdict) != 0 || differs(fields[SIZE], found.size) ||
        differs(fields[MODE], found.mode) || differs(fields[DIGEST], found.digest) ||
        (decoded && atol(fields[ORIENTATION]) != found.orientation) ||
        strcmp(fields[STRICT], found.strict) != 0) {
        print_error("%s: expected %s %s %s %s %s %s, found %s %s %s %d %s %s\n", fields[PATH],
                    fields[VERDICT], fields[SIZE], fields[MODE], fields[ORIENTATION],
                    fields[DIGEST], fields[STRICT], found.verdict, found.size, found.mode,
                    found.orientation, found.digest, found.strict);
        r->n_wrong++;
    }
}

static void check_table(const char *table, const char *root, int at_least) {
    replay r = {.root = root};
    int n_files = each_row(table, check_file, &r);
    assert_true(n_files >= at_least);
    if (r.n_wrong > 0)
        fail_msg("%d of %d files decode differently", r.n_wrong, n_files);
}

static void test_selection(void **state) {
    (void)state;
    check_table(IMAGE_DATA "/verdicts.tsv", IMAGE_DATA, 400);
}

static void test_whole_corpus(void **state) {
    (void)state;
    const char *root = getenv("KEN_CORPUS");
    if (!root)
        skip();
    check_table(IMAGE_DATA "/corpus-verdicts.tsv", root, 1000);
}

static int list(const char *root) {
    char name[1024], path[2200];
    while (fgets(name, sizeof name, stdin)) {
        name[strcspn(name, "\n")] = '\0';
        snprintf(path, sizeof path, "%s/%s", root, name);
        file_map map = {0};
        if (file_map_open(path, &map, NULL) != KEN_OK)
            return 1;
        outcome o;
        decode_outcome(map.data, map.size, &o);
        file_map_close(&map);
        printf("%s\t%s\t%s\t%s\t%d\t%s\t%s\n", name, o.verdict, o.size, o.mode, o.orientation,
               o.digest, o.strict);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--list") == 0)
        return list(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_whole_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
