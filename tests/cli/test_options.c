/* Arguments -> targets of an option table, and every way in which arguments can be wrong. */
#include "testing.h"

#include "cli/cli.h"

#include <string.h>

const command *const commands[] = {NULL};

/* What the program defines elsewhere. */
const char *cli_command_name = "";

static bool flag;
static const char *text, *choice;
static option_list list, commas;
static int64_t integer;
static double number;

static const option table[] = {
    {.type = OPTION_GROUP, .help = "A heading"},
    {"flag", 'f', OPTION_FLAG, &flag, NULL, "", NULL, 0, 0},
    {"text", 't', OPTION_TEXT, &text, "T", "", NULL, 0, 0},
    {"item", 'i', OPTION_LIST, &list, "T", "", NULL, 0, 0},
    {"names", 0, OPTION_COMMAS, &commas, "A,B", "", NULL, 0, 0},
    {"count", 'n', OPTION_INT, &integer, "N", "", NULL, 1, 100},
    {"ratio", 0, OPTION_NUMBER, &number, "X", "", NULL, -1, 1},
    {"mode", 0, OPTION_CHOICE, &choice, NULL, "", "fast|exact", 0, 0},
    OPTIONS_END,
};

enum { MAX_ARGUMENTS = 16 };

/* Parses a copy of NULL-terminated arguments; the first stands for the command's name. */
static ken_status parse(const char *const *arguments, char **args, int *n, ken_error *err) {
    static char storage[MAX_ARGUMENTS][64];
    int count = 0;
    for (; arguments[count]; count++) {
        assert_true(count < MAX_ARGUMENTS);
        snprintf(storage[count], sizeof storage[count], "%s", arguments[count]);
        args[count] = storage[count];
    }
    args[count] = NULL;
    return options_parse(table, count, args, n, err);
}

#define PARSE(...)                                                                                 \
    char *args[MAX_ARGUMENTS + 1];                                                                 \
    int n = -1;                                                                                    \
    ken_error err;                                                                                 \
    const char *const arguments[] = {"command", __VA_ARGS__, NULL};                                \
    ken_status status = parse(arguments, args, &n, &err)

static int reset(void **state) {
    (void)state;
    options_free(table);
    flag = false;
    text = choice = NULL;
    integer = 0;
    number = 0;
    return 0;
}

static void fills_every_type(void **state) {
    (void)state;
    PARSE("a.jpg", "-f", "--text=x y", "-i", "one", "--item", "two", "--names", "a, b,c", "-n7",
          "--ratio", "-0.5", "--mode", "exact", "b.jpg");
    assert_int_equal(status, KEN_OK);
    assert_true(flag);
    assert_string_equal(text, "x y");
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[1], "two");
    assert_int_equal(commas.n, 3);
    assert_string_equal(commas.items[1], "b");
    assert_int_equal(integer, 7);
    assert_true(number == -0.5);
    assert_string_equal(choice, "exact");
    assert_int_equal(n, 2);
    assert_string_equal(args[0], "a.jpg");
    assert_string_equal(args[1], "b.jpg");
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    PARSE("-f", "--", "--text", "-x");
    assert_int_equal(status, KEN_OK);
    assert_int_equal(n, 2);
    assert_string_equal(args[0], "--text");
}

static void expect(const char *first, const char *second, const char *message, const char *hint) {
    PARSE(first, second);
    assert_int_equal(status, KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, message);
    assert_string_equal(err.hint, hint);
    reset(NULL);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    cli_command_name = "embed";
    expect("--flga", NULL, "unknown option '--flga'", "did you mean '--flag'?");
    expect("--zzzzzzzz", NULL, "unknown option '--zzzzzzzz'", "'ken help embed' lists the options");
    expect("-z", NULL, "unknown option '-z'", "");
    expect("--text", NULL, "option '--text' needs an argument", "");
    expect("-t", NULL, "option '--text' needs an argument", "");
    expect("--count", "x", "option '--count' needs an integer, not 'x'", "");
    expect("--count", "7.5", "option '--count' needs an integer, not '7.5'", "");
    expect("--count", "101", "option '--count' is 101, expected 1 to 100", "");
    expect("--count", "0", "option '--count' is 0, expected 1 to 100", "");
    expect("--ratio", "nan", "option '--ratio' needs a number, not 'nan'", "");
    expect("--ratio", "2", "option '--ratio' is 2, expected -1 to 1", "");
    expect("--mode", "slow", "option '--mode' is 'slow', expected fast|exact", "");
    expect("--mode", "fas", "option '--mode' is 'fas', expected fast|exact", "");
    expect("--mode", "", "option '--mode' is '', expected fast|exact", "");
}

static void measures_typing_errors(void **state) {
    (void)state;
    assert_int_equal(edit_distance("embed", "embed"), 0);
    assert_int_equal(edit_distance("embed", "emebd"), 1);
    assert_int_equal(edit_distance("embed", "emed"), 1);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fills_every_type, reset),
        cmocka_unit_test_teardown(two_dashes_end_the_options, reset),
        cmocka_unit_test_teardown(says_what_is_wrong, reset),
        cmocka_unit_test(measures_typing_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
