/* cli/doctor_speed.h: what `ken doctor` says of the machine's speed. */
#ifndef KEN_CLI_DOCTOR_SPEED_H
#define KEN_CLI_DOCTOR_SPEED_H

#include "tasks/bench/machine.h"

#include "base/buf.h"

/* Lines. */
void doctor_put_speed(buf *out, const machine_speed *speed);
/* An object. */
void doctor_put_speed_json(buf *out, const machine_speed *speed);

#endif
