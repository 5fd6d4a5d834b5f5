/* cli/version.h: what `ken --version` and `ken doctor` say about the libraries and the CPU. */
#ifndef KEN_CLI_VERSION_H
#define KEN_CLI_VERSION_H

#include <stdio.h>

void version_print(FILE *to);

#endif
