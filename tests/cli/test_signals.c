/* Ctrl-C: noted once, the end at the second; and the end within five seconds when the program is in
 * something that cannot be told to stop. */
#include "testing.h"

#include "base/sys.h"
#include "cli/cli.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that gets `n` interrupts and goes on regardless. Gives what it said on standard error.
 */
static int interrupt(int n, double *seconds, char *said, size_t room) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    double since = sys_seconds();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(0);
        dup2(ends[1], STDERR_FILENO);
        cli_catch_signals();
        for (int i = 0; i < n; i++)
            raise(SIGINT);
        while (cli_cancelled)
            pause();
        _exit(1);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], said, room - 1);
    said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    *seconds = sys_seconds() - since;
    return WEXITSTATUS(status);
}

static void test_what_does_not_stop_is_left(void **state) {
    (void)state;
    char said[256];
    double seconds;
    assert_int_equal(interrupt(1, &seconds, said, sizeof said), 75);
    assert_true(seconds > 4 && seconds < 5);
    assert_non_null(strstr(said, "interrupted: what was in hand took too long"));
}

static void test_second_ends_at_once(void **state) {
    (void)state;
    char said[256];
    double seconds;
    assert_int_equal(interrupt(2, &seconds, said, sizeof said), 75);
    assert_true(seconds < 2);
    assert_string_equal(said, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_ends_at_once),
        cmocka_unit_test(test_what_does_not_stop_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
