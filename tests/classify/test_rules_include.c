/* Rules files that include others: what is merged, what is inherited, and what is refused. */
#include "testing.h"

#include "base/file.h"
#include "base/mem.h"
#include "tasks/classify/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text) {
    assert_int_equal(file_write_atomic(path_of(name), text, strlen(text), NULL), KEN_OK);
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ken-include-XXXXXX");
    return mkdtemp(folder) && mkdir(path_of("sub"), 0700) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static rules *load(const char *name) {
    rules *r;
    ken_error err;
    if (rules_load(path_of(name), &r, &err) != KEN_OK)
        fail_msg("%s", err.message);
    return r;
}

/* The message names files by their whole path; `message` is what follows the folder. */
static void refused(const char *name, ken_status expected, const char *message) {
    rules *r = (rules *)1;
    ken_error err = {0};
    ken_status status = rules_load(path_of(name), &r, &err);
    assert_null(r);
    assert_memory_equal(err.message, folder, strlen(folder));
    assert_string_equal(err.message + strlen(folder) + 1, message);
    assert_int_equal(status, expected);
    assert_int_equal(err.status, status);
}

static void put_tree(void) {
    put("main.yaml", "version: 1\n"
                     "include: [sub/a.yaml, b.yaml]\n"
                     "templates: [\"a {}\"]\n"
                     "neutral: [n]\n"
                     "neutral_margin: 0.1\n"
                     "threshold: 0.2\n"
                     "multiple: false\n"
                     "none_label: nothing\n"
                     "categories:\n"
                     "  own: {positive: [x]}\n");
    put("sub/a.yaml", "version: 1\n"
                      "include: [deep.yaml]\n"
                      "threshold: 0.3\n"
                      "multiple: true\n"
                      "none_label: not used\n"
                      "categories:\n"
                      "  a: {positive: [x], examples: [e.jpg]}\n");
    put("sub/deep.yaml", "version: 1\nneutral: [deep]\ncategories:\n  deep: {positive: [x]}\n");
    put("b.yaml", "version: 1\nprompts_are: sentences\ncategories:\n  b: {positive: [x]}\n");
}

static void files_are_merged_in_order(void **state) {
    (void)state;
    put_tree();
    rules *r = load("main.yaml");
    static const char *const names[] = {"deep", "a", "b", "own"};
    assert_int_equal(r->n_categories, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(r->categories[i].name, names[i]);
    /* The outermost file speaks for all. */
    assert_false(r->multiple);
    assert_string_equal(r->none_label, "nothing");
    rules_free(r);
}

static void an_included_file_inherits_and_has_its_own_say(void **state) {
    (void)state;
    put_tree();
    rules *r = load("main.yaml");
    const rules_category *deep = &r->categories[0], *a = deep + 1, *b = deep + 2, *own = deep + 3;
    assert_true(own->threshold == 0.2f && a->threshold == 0.3f);
    assert_true(deep->threshold == 0.3f && b->threshold == 0.2f);
    assert_string_equal(deep->templates.items[0], "a {}");
    assert_int_equal(b->templates.n, 0);
    assert_ptr_equal(a->neutral, own->neutral);
    assert_string_equal(deep->neutral->texts.items[0], "deep");
    assert_true(deep->neutral_margin == 0.1f);
    rules_free(r);
}

static void paths_are_relative_to_the_file_that_names_them(void **state) {
    (void)state;
    put_tree();
    rules *r = load("main.yaml");
    assert_string_equal(r->categories[1].dir, path_of("sub"));
    assert_string_equal(r->categories[1].where, path_of("sub/a.yaml"));
    assert_int_equal(r->categories[1].line, 7);
    assert_string_equal(r->categories[3].dir, folder);
    /* Every file's text is kept, for whoever wants to repeat this. */
    assert_string_equal(r->included->where, path_of("sub/a.yaml"));
    assert_non_null(strstr(r->included->source, "threshold: 0.3"));
    assert_string_equal(r->included->next->where, path_of("sub/deep.yaml"));
    assert_string_equal(r->included->next->next->where, path_of("b.yaml"));
    assert_null(r->included->next->next->next);
    assert_memory_equal(r->all_text, r->source, strlen(r->source));
    assert_non_null(strstr(r->all_text, "\n# ---- included: "));
    assert_non_null(strstr(r->all_text, "deep: {positive: [x]}"));
    rules_free(r);
}

static void a_file_may_only_include(void **state) {
    (void)state;
    put("one.yaml", "version: 1\ncategories:\n  one: {positive: [x]}\n");
    put("only.yaml", "version: 1\ninclude: [one.yaml]\n");
    rules *r = load("only.yaml");
    assert_int_equal(r->n_categories, 1);
    rules_free(r);
}

static void a_category_that_two_files_have_is_refused(void **state) {
    (void)state;
    char expected[512];
    put("one.yaml", "version: 1\ncategories:\n  one: {positive: [x]}\n");
    put("two.yaml", "version: 1\ninclude: [one.yaml]\ncategories:\n"
                    "  two: {positive: [x]}\n  one: {positive: [x]}\n");
    snprintf(expected, sizeof expected,
             "two.yaml:5:3: duplicate category 'one', first given in %s:3", path_of("one.yaml"));
    refused("two.yaml", KEN_BAD_FORMAT, expected);
    put("twice.yaml", "version: 1\ninclude: [one.yaml, one.yaml]\n");
    snprintf(expected, sizeof expected,
             "one.yaml:3:3: duplicate category 'one', first given in %s:3", path_of("one.yaml"));
    refused("twice.yaml", KEN_BAD_FORMAT, expected);
}

static void cycles_are_refused(void **state) {
    (void)state;
    char expected[512];
    put("self.yaml", "version: 1\ninclude: [sub/../self.yaml]\n");
    snprintf(expected, sizeof expected, "self.yaml:2:11: '%s' includes itself",
             path_of("sub/../self.yaml"));
    refused("self.yaml", KEN_BAD_FORMAT, expected);
    put("ping.yaml", "version: 1\ninclude:\n  - pong.yaml\n");
    put("pong.yaml", "version: 1\ninclude: [ping.yaml]\n");
    snprintf(expected, sizeof expected, "pong.yaml:2:11: '%s' includes itself",
             path_of("ping.yaml"));
    refused("ping.yaml", KEN_BAD_FORMAT, expected);
}

static void depth_has_a_limit(void **state) {
    (void)state;
    for (int i = 0; i <= RULES_MAX_DEPTH + 1; i++) {
        char name[32], text[128];
        snprintf(name, sizeof name, "d%d.yaml", i);
        snprintf(text, sizeof text, "version: 1\n%s%d.yaml]\ncategories: {c%d: {positive: [x]}}\n",
                 i > RULES_MAX_DEPTH ? "# [" : "include: [d", i + 1, i);
        put(name, text);
    }
    refused("d0.yaml", KEN_BAD_FORMAT, "d8.yaml:2:11: files include files more than 8 levels deep");
    rules *r = load("d1.yaml");
    assert_int_equal(r->n_categories, RULES_MAX_DEPTH + 1);
    rules_free(r);
}

static void bad_files_are_named(void **state) {
    (void)state;
    char expected[512];
    put("main.yaml", "version: 1\ninclude: [sub, ]\n");
    snprintf(expected, sizeof expected, "main.yaml:2:11: '%s' is not a regular file",
             path_of("sub"));
    refused("main.yaml", KEN_UNSUPPORTED, expected);
    put("main.yaml", "version: 1\ninclude: [nowhere.yaml]\n");
    snprintf(expected, sizeof expected,
             "main.yaml:2:11: could not open '%s': No such file or directory",
             path_of("nowhere.yaml"));
    refused("main.yaml", KEN_NOT_FOUND, expected);
    put("main.yaml", "version: 1\ninclude: []\n");
    refused("main.yaml", KEN_BAD_FORMAT, "main.yaml:2:10: the list 'include' is empty");
    put("main.yaml", "version: 1\ninclude: sub/a.yaml\n");
    refused("main.yaml", KEN_BAD_FORMAT, "main.yaml:2:10: expected a list of texts for 'include'");
    put("main.yaml", "version: 1\ninclude: [wrong.yaml]\n");
    put("wrong.yaml", "version: 1\ncategories:\n  a: {positve: [x]}\n");
    refused("main.yaml", KEN_BAD_FORMAT, "wrong.yaml:3:7: unknown key 'positve' in category 'a'");
    put("wrong.yaml", "version: 1\ncategories:\n  none of these: {positive: [x]}\n");
    refused("main.yaml", KEN_BAD_FORMAT,
            "wrong.yaml:3:3: category 'none of these' has the name of 'none_label'");
    put("wrong.yaml", "version: 1\n");
    refused("main.yaml", KEN_BAD_FORMAT, "wrong.yaml:1:1: there is no 'categories' key");
    char *large = calloc(1, RULES_MAX_BYTES + 2);
    assert_non_null(large);
    memset(large, '#', RULES_MAX_BYTES + 1);
    put("wrong.yaml", large);
    free(large);
    snprintf(expected, sizeof expected,
             "main.yaml:2:11: '%s' is 1048577 bytes, the limit is 1048576", path_of("wrong.yaml"));
    refused("main.yaml", KEN_TOO_LARGE, expected);
}

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    put_tree();
    for (uint64_t n = 1;; n++) {
        rules *r = NULL;
        ken_error err = {0};
        mem_fail_after(n, false);
        ken_status status = rules_load(path_of("main.yaml"), &r, &err);
        mem_fail_after(0, false);
        rules_free(r);
        if (status == KEN_OK) {
            assert_true(n > 10);
            return;
        }
        assert_int_equal(err.status, status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_merged_in_order),
        cmocka_unit_test(an_included_file_inherits_and_has_its_own_say),
        cmocka_unit_test(paths_are_relative_to_the_file_that_names_them),
        cmocka_unit_test(a_file_may_only_include),
        cmocka_unit_test(a_category_that_two_files_have_is_refused),
        cmocka_unit_test(cycles_are_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
