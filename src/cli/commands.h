/* cli/commands.h: the subcommands; each is defined in cmd_NAME.c. */
#ifndef KEN_CLI_COMMANDS_H
#define KEN_CLI_COMMANDS_H

#include "cli/command.h"

extern const command cmd_embed;
extern const command cmd_export;
extern const command cmd_classify;
extern const command cmd_calibrate;
extern const command cmd_probe;
extern const command cmd_compare;
extern const command cmd_tokenize;
extern const command cmd_preprocess;
extern const command cmd_verify;
extern const command cmd_bench;
extern const command cmd_doctor;
extern const command cmd_help;
extern const command cmd_completion;

#endif
