/* base/sys.h: questions to the operating system. All are thread safe. */
#ifndef KEN_BASE_SYS_H
#define KEN_BASE_SYS_H

#include "base/error.h"

/* CPUs this process may run on: the affinity mask, lowered by a cgroup v2 CPU quota. At least 1. */
int sys_cpu_count(void);
/* Bytes of memory this process may use: the machine's, lowered by a cgroup v2 limit. 0: unknown. */
uint64_t sys_memory_limit(void);
/* Peak resident set of this process so far, in bytes. 0: unknown. */
uint64_t sys_peak_rss(void);
/* Resident set of this process now. 0: unknown. */
uint64_t sys_rss(void);
/* Lets sys_peak_rss begin anew at what is resident now. False where that cannot be done. */
bool sys_reset_peak_rss(void);
/* Monotonic seconds. */
double sys_seconds(void);
/* CPU seconds, in user and kernel mode, of the calling thread and of all threads of this process.
 */
double sys_thread_cpu_seconds(void);
double sys_process_cpu_seconds(void);
void sys_yield(void);

/* Symbols of a shared library that is loaded when first needed (libduckdb, libvips). */
typedef struct sys_symbol {
    const char *name;
    void **address; /* where the symbol's address goes */
} sys_symbol;
/* Tries each path of the NULL-terminated list in turn. All symbols must be there. The library stays
 * loaded until the process ends. */
ken_status sys_load_library(const char *const *paths, const sys_symbol *symbols, size_t n_symbols,
                            ken_error *err);

#endif
