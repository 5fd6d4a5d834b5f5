/* cli/output_check.h: nobody means to write a result over what it is made from. */
#ifndef KEN_OUTPUT_CHECK_H
#define KEN_OUTPUT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Are these one file, by any name? Files that do not exist are compared by name. */
bool output_is_file(const char *output, const char *other);

/* 0, or 2 with a usage error when `output` is one of the n inputs; NULLs are passed over. */
int output_check(const char *output, const char *const *inputs, size_t n);

#endif
