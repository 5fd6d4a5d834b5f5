/* cli/output_check.c: nobody means to write a result over what it is made from. */
#include "cli/output_check.h"

#include "cli/cli.h"

#include <string.h>
#include <sys/stat.h>

bool output_is_file(const char *output, const char *other) {
    struct stat a, b;
    if (strcmp(output, other) == 0)
        return true;
    return stat(output, &a) == 0 && stat(other, &b) == 0 && S_ISREG(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int output_check(const char *output, const char *const *inputs, size_t n) {
    for (size_t i = 0; output && i < n; i++)
        if (inputs[i] && output_is_file(output, inputs[i]))
            return cli_usage("output '%s' is also an input, and would be overwritten", output);
    return 0;
}
