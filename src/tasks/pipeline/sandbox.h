/* tasks/pipeline/sandbox.h: takes away what a decoder has no use for, so that a picture that takes
 * over the decoder gains nothing.
 *
 * Afterwards the process can read the system's library folders (libvips loads its modules from
 * there), allocate, start threads, and use the descriptors it has. It cannot open anything else,
 * open for writing, make sockets, start processes, signal or trace others. There is no way back. */
#ifndef KEN_TASKS_SANDBOX_H
#define KEN_TASKS_SANDBOX_H

#include "base/error.h"

/* *landlock_abi is 0 where the kernel has no Landlock: then files are guarded by seccomp alone,
 * which lets any file be opened for reading. Without seccomp it fails with KEN_UNAVAILABLE. */
KEN_MUST_CHECK ken_status sandbox_enter(int *landlock_abi, ken_error *err);

#endif
