/* The rules file: what it means, and that everything wrong in one is refused with its place. */
#include "testing.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tasks/classify/prompts.h"
#include "tasks/classify/rules.h"

#include <string.h>

static const char whole[] = "version: 1\n"
                            "templates: [\"a photo of a {}\", \"{c}, a kind of {label}\"]\n"
                            "neutral: [\"a photo\"]\n"
                            "neutral_margin: 0.01\n"
                            "threshold: 0.02\n"
                            "multiple: false\n"
                            "none_label: nothing\n"
                            "categories:\n"
                            "  dress:\n"
                            "    positive: [\"dress\", \"gown\"]\n"
                            "    negative: [\"skirt\"]\n"
                            "    threshold: 0.03\n"
                            "  apple pie:\n"
                            "    positive: [\"dress\"]\n"
                            "    examples: [\"pies/*.jpg\"]\n"
                            "    examples_weight: 0.25\n"
                            "    level: review\n"
                            "  zebra:\n"
                            "    examples: [\"/z.jpg\"]\n";

static rules *parse(const char *text) {
    rules *r;
    ken_error err;
    if (rules_parse(text, strlen(text), "r.yaml", "some/dir", &r, &err) != KEN_OK)
        fail_msg("%s", err.message);
    return r;
}

static void reads_every_key(void **state) {
    (void)state;
    rules *r = parse(whole);
    assert_int_equal(r->n_categories, 3);
    assert_string_equal(r->categories[0].name, "dress");
    assert_string_equal(r->categories[1].name, "apple pie");
    assert_string_equal(r->categories[2].name, "zebra");
    assert_string_equal(r->where, "r.yaml");
    assert_string_equal(r->dir, "some/dir");
    assert_string_equal(r->source, whole);
    assert_string_equal(r->none_label, "nothing");
    assert_false(r->multiple);
    assert_int_equal(r->categories[0].templates.n, 2);
    assert_true(r->categories[0].neutral_margin == 0.01f);
    assert_int_equal(r->n_neutral, 1);
    assert_ptr_equal(r->categories[0].neutral, r->categories[2].neutral);
    assert_string_equal(r->categories[0].neutral->texts.items[0], "a photo");
    assert_string_equal(r->categories[2].where, "r.yaml");
    assert_string_equal(r->categories[2].dir, "some/dir");
    assert_true(r->categories[0].threshold == 0.03f);
    assert_true(r->categories[1].threshold == 0.02f);
    assert_int_equal(r->categories[0].positive.n, 2);
    assert_string_equal(r->categories[0].positive.items[1], "gown");
    assert_string_equal(r->categories[0].negative.items[0], "skirt");
    assert_string_equal(r->categories[1].examples.items[0], "pies/*.jpg");
    assert_true(r->categories[0].examples_weight == 0);
    assert_true(r->categories[1].examples_weight == 0.25f);
    assert_true(r->categories[2].examples_weight == 1);
    assert_int_equal(r->categories[1].level, RULES_LEVEL_REVIEW);
    assert_int_equal(r->categories[2].line, 18);
    assert_int_equal(rules_find(r, "zebra"), 2);
    assert_int_equal(rules_find(r, "zebras"), 3);
    rules_free(r);
}

static void defaults_are_those_of_the_documentation(void **state) {
    (void)state;
    rules *r = parse("version: 1\ncategories: {a: {positive: [no, 1.5]}}\n");
    assert_int_equal(r->categories[0].templates.n, 0);
    assert_true(r->multiple);
    assert_string_equal(r->none_label, "none of these");
    assert_true(r->categories[0].threshold == 0);
    assert_true(r->categories[0].neutral_margin == 0);
    assert_null(r->categories[0].neutral);
    assert_int_equal(r->categories[0].negative.n, 0);
    assert_int_equal(r->categories[0].level, RULES_LEVEL_NONE);
    /* A plain word or number in a list of texts is a text. */
    assert_string_equal(r->categories[0].positive.items[0], "no");
    assert_string_equal(r->categories[0].positive.items[1], "1.5");
    rules_free(r);
}

static const char inheriting[] =
    "version: 1\n"
    "templates: [\"a {}\", \"the {}\"]\n"
    "neutral: [n1, n2]\n"
    "neutral_margin: 0.1\n"
    "negative: [others]\n"
    "threshold: 0.2\n"
    "examples_weight: 0.3\n"
    "level: review\n"
    "categories:\n"
    "  all of it: {positive: [x], examples: [e]}\n"
    "  nothing of it:\n"
    "    positive: [x]\n"
    "    examples: [e]\n"
    "    templates: [\"my {}\"]\n"
    "    neutral: [n3]\n"
    "    neutral_margin: -0.1\n"
    "    negative: [y, z]\n"
    "    threshold: 0.4\n"
    "    examples_weight: 0.5\n"
    "    level: block\n"
    "  none: {positive: [x], templates: [], neutral: [], negative: []}\n"
    "  sentences: {positive: [x], prompts_are: sentences}\n";

static void categories_inherit_what_they_do_not_say(void **state) {
    (void)state;
    rules *r = parse(inheriting);
    const rules_category *c = r->categories;
    assert_int_equal(c[0].templates.n, 2);
    assert_string_equal(c[0].neutral->texts.items[1], "n2");
    assert_true(c[0].neutral_margin == 0.1f && c[0].threshold == 0.2f);
    assert_true(c[0].examples_weight == 0.3f);
    assert_string_equal(c[0].negative.items[0], "others");
    assert_int_equal(c[0].level, RULES_LEVEL_REVIEW);

    assert_string_equal(c[1].templates.items[0], "my {}");
    assert_string_equal(c[1].neutral->texts.items[0], "n3");
    assert_true(c[1].neutral_margin == -0.1f && c[1].threshold == 0.4f);
    assert_true(c[1].examples_weight == 0.5f);
    assert_int_equal(c[1].negative.n, 2);
    assert_int_equal(c[1].level, RULES_LEVEL_BLOCK);

    assert_int_equal(c[2].templates.n, 0);
    assert_null(c[2].neutral);
    assert_int_equal(c[2].negative.n, 0);
    assert_int_equal(c[3].templates.n, 0);
    assert_ptr_equal(c[3].neutral, c[0].neutral);
    assert_int_equal(r->n_neutral, 2);
    rules_free(r);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

#define HEAD "version: 1\ncategories:\n"

static const struct refusal {
    const char *text, *message, *hint;
    ken_status status; /* 0: KEN_BAD_FORMAT */
} refusals[] = {
    {"", "r.yaml:1:1: expected a mapping of rules", "begin with version: 1 and categories:", 0},
    {"- a\n", "r.yaml:1:1: expected a mapping of rules", NULL, 0},
    {"categories: {a: {positive: [x]}}\n", "r.yaml:1:1: there is no 'version' key",
     "add the line version: 1", 0},
    {"version: 2\n", "r.yaml:1:10: rules have version 2, this ken reads version 1", NULL, 0},
    {"version: one\n", "r.yaml:1:10: expected a number from 1 to 1e+09 for 'version', found 'one'",
     NULL, 0},
    {"version: 1\n", "r.yaml:1:1: there is no 'categories' key", NULL, 0},
    {"version: 1\ncategories: {}\n",
     "r.yaml:2:13: expected a mapping of at least one category for 'categories'", NULL, 0},
    {"version: 1\ncategories: [a]\n",
     "r.yaml:2:13: expected a mapping of at least one category for 'categories'", NULL, 0},
    {"version: 1\ntreshold: 1\n", "r.yaml:2:1: unknown key 'treshold' in the rules",
     "did you mean 'threshold'?", 0},
    {"version: 1\nxyzzy: 1\n", "r.yaml:2:1: unknown key 'xyzzy' in the rules",
     "known keys: version, include, templates, prompts_are, neutral, neutral_margin, negative, "
     "threshold, multiple, none_label, examples_weight, level, categories",
     0},
    {HEAD "  a:\n    positve: [x]\n", "r.yaml:4:5: unknown key 'positve' in category 'a'",
     "did you mean 'positive'?", 0},
    {HEAD "  a:\n    positive: []\n", "r.yaml:4:15: the list 'positive' is empty", NULL, 0},
    {HEAD "  a:\n    positive: dress\n", "r.yaml:4:15: expected a list of texts for 'positive'",
     "write positive: [\"...\", \"...\"]", 0},
    {HEAD "  a:\n    positive: [x, ]\n    negative: [x, [y]]\n",
     "r.yaml:5:19: expected a text, found a list", NULL, 0},
    {HEAD "  a:\n    positive: [x, {y: z}]\n", "r.yaml:4:19: expected a text, found a mapping",
     NULL, 0},
    {HEAD "  a:\n    positive: [x, \"\"]\n", "r.yaml:4:19: expected a text, found ''", NULL, 0},
    {HEAD "  a:\n    positive: [null]\n", "r.yaml:4:16: expected a text, found nothing", NULL, 0},
    {HEAD "  a:\n    threshold: 0.1\n", "r.yaml:3:3: category 'a' has no 'positive' prompts",
     "add positive: [\"a\"]", 0},
    {HEAD "  a:\n", "r.yaml:3:5: expected a mapping with 'positive' for category 'a'", NULL, 0},
    {HEAD "  a: [x]\n", "r.yaml:3:6: expected a mapping with 'positive' for category 'a'", NULL, 0},
    {HEAD "  \"\": {positive: [x]}\n", "r.yaml:3:3: a category's name is empty", NULL, 0},
    {HEAD "  a: {positive: [x]}\n  a: {positive: [y]}\n",
     "r.yaml:4:3: duplicate key 'a', first given in line 3", NULL, 0},
    {HEAD "  a: {positive: [x], positive: [y]}\n",
     "r.yaml:3:22: duplicate key 'positive', first given in line 3", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: .nan}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '.nan'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: nan}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found 'nan'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: .inf}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '.inf'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: 3}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '3'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: 1e999}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '1e999'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: \"0.5\"}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '0.5'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: 0x1p-2}\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found '0x1p-2'", NULL, 0},
    {HEAD "  a: {positive: [x], threshold: }\n",
     "r.yaml:3:33: expected a number from -2 to 2 for 'threshold', found nothing", NULL, 0},
    {HEAD "  a: {positive: [x], examples_weight: 0.5}\n",
     "r.yaml:3:22: category 'a' has 'examples_weight' but no 'examples'", NULL, 0},
    {HEAD "  a: {positive: [x], examples: [y], examples_weight: 1.5}\n",
     "r.yaml:3:54: expected a number from 0 to 1 for 'examples_weight', found '1.5'", NULL, 0},
    {HEAD "  a: {positive: [x], level: nuke}\n",
     "r.yaml:3:29: expected review or block for 'level', found 'nuke'", NULL, 0},
    {HEAD "  none of these: {positive: [x]}\n",
     "r.yaml:3:3: category 'none of these' has the name of 'none_label'", NULL, 0},
    {"version: 1\nmultiple: yes\ncategories: {a: {positive: [x]}}\n",
     "r.yaml:2:11: expected true or false for 'multiple', found 'yes'", NULL, 0},
    {"version: 1\ntemplates: [\"a photo\"]\n",
     "r.yaml:2:13: template 'a photo' has no place for the name", "write {} where the name goes",
     0},
    {"version: 1\nprompts_are: words\n",
     "r.yaml:2:14: expected names or sentences for 'prompts_are', found 'words'", NULL, 0},
    {"version: 1\nprompts_are: names\n",
     "r.yaml:2:14: 'prompts_are' is names, but there are no 'templates'", NULL, 0},
    {"version: 1\nneutral_margin: 0.1\ncategories: {a: {positive: [x]}}\n",
     "r.yaml:2:1: the file has a 'neutral_margin' but no 'neutral' prompts", NULL, 0},
    {HEAD "  a: {positive: [x], neutral_margin: 0.1}\n",
     "r.yaml:3:22: category 'a' has a 'neutral_margin' but no 'neutral' prompts", NULL, 0},
    {"version: 1\nneutral: [n]\ncategories: {a: {positive: [x], neutral: [], neutral_margin: 0}}\n",
     "r.yaml:3:46: category 'a' has a 'neutral_margin' but no 'neutral' prompts", NULL, 0},
    /* [] takes away what is inherited, and there must be something. */
    {HEAD "  a: {positive: [x], negative: []}\n", "r.yaml:3:32: the list 'negative' is empty", NULL,
     0},
    {HEAD "  a: {positive: [x], neutral: []}\n", "r.yaml:3:31: the list 'neutral' is empty", NULL,
     0},
    {HEAD "  a: {positive: [x], templates: []}\n", "r.yaml:3:33: the list 'templates' is empty",
     NULL, 0},
    {HEAD "  a: {positive: [x], prompts_are: names}\n",
     "r.yaml:3:35: 'prompts_are' is names, but there are no 'templates'", NULL, 0},
    {HEAD "  a: {positive: [x], templates: [\"{}\", y]}\n",
     "r.yaml:3:40: template 'y' has no place for the name", "write {} where the name goes", 0},
    {HEAD "  a: {positive: [x], templates: openai-8}\n",
     "r.yaml:3:33: there are no templates with the name 'openai-8'", "did you mean 'openai-80'?",
     0},
    {"version: 1\ntemplates: t.txt\n",
     "r.yaml:2:12: templates cannot come from the file 't.txt': the rules come from none", NULL, 0},
    {"version: 1\ninclude: [a.yaml]\n",
     "r.yaml:2:1: rules that come from no file cannot include one", NULL, 0},
    {"version: &x 1\n", "r.yaml:1:10: anchors are not used here, found '&x'", NULL, 0},
    {"version: *x\n", "r.yaml:1:10: aliases are not used here, found '*x'", NULL, 0},
    {"version: !!int 1\n", "r.yaml:1:10: tags are not used here, found 'tag:yaml.org,2002:int'",
     NULL, 0},
    {"version: 1\n---\nversion: 1\n", "r.yaml:2:1: expected one YAML document, found a second one",
     NULL, 0},
    {"version: 1\n? [a]\n: b\n", "r.yaml:2:3: a key must be a text", NULL, 0},
    {HEAD "  a: {positive: [x\n",
     "r.yaml:4:1: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'",
     NULL, 0},
    {"version: 1\n\tcategories: 1\n",
     "r.yaml:2:1: not valid YAML: while scanning a plain scalar, found a tab character that "
     "violates indentation",
     NULL, 0},
    {"version: \xff\n", "r.yaml: not UTF-8 text at byte 9: invalid leading UTF-8 octet", NULL, 0},
    {HEAD "  a: {positive: [\"x\\0y\"]}\n", "r.yaml:3:18: a text may not hold a NUL character",
     NULL, 0},
};

static void refuses_with_place_and_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *c = &refusals[i];
        rules *r = (rules *)1;
        ken_error err = {0};
        ken_status status = rules_parse(c->text, strlen(c->text), "r.yaml", ".", &r, &err);
        assert_string_equal(err.message, c->message);
        assert_int_equal(status, c->status ? c->status : KEN_BAD_FORMAT);
        assert_int_equal(err.status, status);
        assert_null(r);
        if (c->hint)
            assert_string_equal(err.hint, c->hint);
    }
}

static void expect_refusal(const buf *text, ken_status status, const char *message) {
    rules *r;
    ken_error err = {0};
    assert_int_equal(rules_parse(text->data, text->size, "r.yaml", ".", &r, &err), status);
    assert_non_null(strstr(err.message, message));
    assert_null(r);
}

static void refuses_what_is_too_large(void **state) {
    (void)state;
    buf text;
    buf_init(&text, (size_t)4 << 20);
    while (text.size <= RULES_MAX_BYTES)
        buf_puts(&text, "# nothing but comments\n");
    expect_refusal(&text, KEN_TOO_LARGE, "bytes, the limit is 1048576");

    buf_clear(&text);
    buf_puts(&text, "version: 1\ncategories: ");
    for (int i = 0; i < 20000; i++)
        buf_putc(&text, '[');
    expect_refusal(&text, KEN_BAD_FORMAT, "nested deeper than 16 levels");

    buf_clear(&text);
    buf_puts(&text, HEAD);
    for (int i = 0; i < 4097; i++)
        buf_printf(&text, "  c%d: {positive: [x]}\n", i);
    expect_refusal(&text, KEN_BAD_FORMAT, "r.yaml:4099:3: more than 4096 keys in one mapping");

    buf_clear(&text);
    buf_puts(&text, "version: 1\ntemplates: [");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s\"%d {}\"", i ? ", " : "", i);
    buf_puts(&text, "]\ncategories: {a: {positive: [");
    for (int i = 0; i < 101; i++)
        buf_printf(&text, "%s%d", i ? ", " : "", i);
    buf_puts(&text, "]}}\n");
    expect_refusal(
        &text, KEN_TOO_LARGE,
        "r.yaml: the rules make 101000 prompts with their templates, the limit is 100000");
    buf_free(&text);
}

static void a_missing_file_is_not_found(void **state) {
    (void)state;
    rules *r;
    ken_error err;
    assert_int_equal(rules_load("/nonexistent/r.yaml", &r, &err), KEN_NOT_FOUND);
    assert_non_null(strstr(err.message, "'/nonexistent/r.yaml'"));
    assert_null(r);
}

/* ---- prompts ----------------------------------------------------------------------------------
 */

static void prompts_are_expanded_and_distinct(void **state) {
    (void)state;
    rules *r = parse(whole);
    prompts *p;
    assert_int_equal(prompts_new(r, &p, NULL), KEN_OK);
    static const char *const expected[] = {
        "a photo of a dress", "dress, a kind of dress", "a photo of a gown", "gown, a kind of gown",
        "a photo of a skirt", "skirt, a kind of skirt", "a photo",
    };
    assert_int_equal(p->n_texts, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < p->n_texts; i++)
        assert_string_equal(p->texts[i], expected[i]);
    assert_int_equal(p->positive[0].n, 4);
    assert_int_equal(p->negative[0].n, 2);
    /* The second category's prompts are the first one's: no new texts. */
    assert_int_equal(p->positive[1].n, 2);
    assert_int_equal(p->positive[1].texts[0], 0);
    assert_int_equal(p->positive[1].texts[1], 1);
    assert_int_equal(p->negative[1].n, 0);
    assert_int_equal(p->positive[2].n, 0);
    assert_int_equal(p->n_neutral, 1);
    assert_int_equal(p->neutral[0].n, 1);
    prompts_free(p);
    rules_free(r);
}

static void sentences_are_taken_whole(void **state) {
    (void)state;
    rules *r = parse("version: 1\ntemplates: [\"a {}\"]\nprompts_are: sentences\n"
                     "categories: {a: {positive: [\"{c} as it is\", x, x]}}\n");
    prompts *p;
    assert_int_equal(prompts_new(r, &p, NULL), KEN_OK);
    assert_int_equal(p->n_texts, 2);
    assert_string_equal(p->texts[0], "{c} as it is");
    assert_int_equal(p->positive[0].n, 3); /* twice in the list counts twice */
    prompts_free(p);
    rules_free(r);
}

static void classes_become_rules(void **state) {
    (void)state;
    static const char *const names[] = {"cat", "dog"};
    static const char *photo[] = {"This is a photo of {}."}, *plain[] = {"{}"},
                      *no_place[] = {"a cat"};
    rules *r;
    prompts *p;
    assert_int_equal(rules_from_classes(names, 2, &(rules_texts){photo, 1}, &r, NULL), KEN_OK);
    assert_int_equal(prompts_new(r, &p, NULL), KEN_OK);
    assert_string_equal(p->texts[1], "This is a photo of dog.");
    prompts_free(p);
    rules_free(r);

    static const char *const twice[] = {"cat", "cat"}, *const empty[] = {"cat", ""};
    ken_error err;
    assert_int_equal(rules_from_classes(twice, 2, &(rules_texts){plain, 1}, &r, &err),
                     KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, "class 'cat' is given twice");
    assert_int_equal(rules_from_classes(empty, 2, &(rules_texts){plain, 1}, &r, &err),
                     KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, "class 2 of --classes is empty");
    assert_int_equal(rules_from_classes(names, 2, &(rules_texts){no_place, 1}, &r, &err),
                     KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, "template 'a cat' has no place for the name");
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static void every_failed_allocation_is_an_error(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        rules *r = NULL;
        prompts *p = NULL;
        ken_error err = {0};
        mem_fail_after(n, false);
        ken_status status = rules_parse(whole, strlen(whole), "r.yaml", ".", &r, &err);
        if (status == KEN_OK)
            status = prompts_new(r, &p, &err);
        mem_fail_after(0, false);
        prompts_free(p);
        rules_free(r);
        if (status == KEN_OK) {
            assert_true(n > 5);
            return;
        }
        /* A buffer that could not grow does not know why. */
        assert_true(status == KEN_NO_MEMORY || status == KEN_TOO_LARGE);
        assert_int_equal(err.status, status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(defaults_are_those_of_the_documentation),
        cmocka_unit_test(categories_inherit_what_they_do_not_say),
        cmocka_unit_test(refuses_with_place_and_reason),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(prompts_are_expanded_and_distinct),
        cmocka_unit_test(sentences_are_taken_whole),
        cmocka_unit_test(classes_become_rules),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
