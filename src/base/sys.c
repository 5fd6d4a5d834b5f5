#include "base/sys.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int affinity_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* Reads the first line of a small file under the cgroup v2 root. */
static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return ok;
}

int sys_cpu_count(void) {
    int n = affinity_count();
    char line[64];
    double quota, period;
    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof line) &&
        sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0) {
        int allowed = (int)((quota + period - 1) / period);
        if (allowed >= 1 && allowed < n)
            n = allowed;
    }
    return n < 1 ? 1 : n;
}

uint64_t sys_memory_limit(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t limit = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    char line[64];
    unsigned long long allowed;
    if (read_line("/sys/fs/cgroup/memory.max", line, sizeof line) &&
        sscanf(line, "%llu", &allowed) == 1 && (limit == 0 || allowed < limit))
        limit = allowed;
    return limit;
}

/* The bytes of a line of /proc/self/status, which counts in KiB. 0: there is no such line. */
static uint64_t read_status(const char *key) {
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    if (!status)
        return 0;
    while (fgets(line, sizeof line, status))
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &kib) == 1)
            break;
    fclose(status);
    return (uint64_t)kib * 1024;
}

/* Not from getrusage, whose figure begins with the memory of whoever started the program. */
uint64_t sys_peak_rss(void) {
    return read_status("VmHWM:");
}

uint64_t sys_rss(void) {
    return read_status("VmRSS:");
}

bool sys_reset_peak_rss(void) {
    FILE *file = fopen("/proc/self/clear_refs", "we");
    if (!file)
        return false;
    bool written = fputs("5", file) >= 0; /* 5: the high-water mark only, see proc(5) */
    return fclose(file) == 0 && written;
}

static double read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double sys_seconds(void) {
    return read_clock(CLOCK_MONOTONIC);
}

double sys_thread_cpu_seconds(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

double sys_process_cpu_seconds(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void sys_yield(void) {
    sched_yield();
}

/* The dynamic linker tells only in words why it could not. */
static bool is_lack_of_memory(const char *reason) {
    return strstr(reason, "failed to map segment") || strstr(reason, "Cannot allocate memory") ||
           strstr(reason, "cannot allocate memory");
}

ken_status sys_load_library(const char *const *paths, const sys_symbol *symbols, size_t n_symbols,
                            ken_error *err) {
    void *library = NULL;
    char first[256] = "unknown reason";
    const char *const *path = paths;
    for (; *path; path++) {
        library = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
        if (library)
            break;
        const char *reason = dlerror();
        if (path == paths && reason)
            snprintf(first, sizeof first, "%s", reason);
    }
    if (!library)
        return error_set(err, is_lack_of_memory(first) ? KEN_NO_MEMORY : KEN_UNAVAILABLE,
                         "could not load library '%s': %s", paths[0], first);
    for (size_t i = 0; i < n_symbols; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (!address)
            return error_set(err, KEN_UNAVAILABLE, "library '%s' has no function '%s'", *path,
                             symbols[i].name);
        *symbols[i].address = address;
    }
    return KEN_OK;
}
