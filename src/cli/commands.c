/* cli/commands.c: every subcommand, in the order of `ken help`. Groups stand together. */
#include "cli/commands.h"

const command *const commands[] = {
    &cmd_embed,   &cmd_export,   &cmd_classify,   &cmd_calibrate, &cmd_probe,
    &cmd_compare, &cmd_tokenize, &cmd_preprocess, &cmd_verify,    &cmd_bench,
    &cmd_doctor,  &cmd_help,     &cmd_completion, NULL,
};
