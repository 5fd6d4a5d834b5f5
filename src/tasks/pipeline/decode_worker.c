/* tasks/pipeline/decode_worker.c: the life of the keeper and of a worker. No threads exist here at
 * the start, nothing is printed, and both end by _exit. */
#include "base/sys.h"
#include "tasks/pipeline/decode_wire.h"
#include "tasks/pipeline/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { own_fd = 3, max_open_files = 64 };

/* A terminal's Ctrl-C reaches the whole process group, but it is for the caller to decide what
 * happens to the items in hand. */
static void set_signals(void) {
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP};
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGXFSZ};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
#ifndef KEN_SANITIZED
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
#else
    (void)fatal;
#endif
}

/* Dies with the process that forked it, which may have died already. */
static void follow_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

/* ---- worker ---------------------------------------------------------------------------------- */

static void set_limit(int resource, rlim_t value) {
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > value)
        limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    setrlimit((__rlimit_resource_t)resource, &limit);
}

static uint64_t address_space_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;
    if (!file)
        return 0;
    int n = fscanf(file, "%llu", &pages);
    fclose(file);
    return n == 1 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void set_limits(const decode_pool *pool) {
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, 0);
    set_limit(RLIMIT_NOFILE, max_open_files);
#ifndef KEN_SANITIZED /* the sanitizers reserve terabytes of addresses */
    uint64_t now = address_space_bytes();
    if (now)
        set_limit(RLIMIT_AS, now + decode_pool_worker_bytes(&pool->options.limits));
#else
    (void)pool;
    (void)address_space_bytes;
#endif
}

static void copy_text(char *to, size_t room, const char *from) {
    size_t n = strnlen(from, room - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void decode_one(const decode_pool *pool, decode_slot *slot, const wire_request *request,
                       wire_reply *reply) {
    const decode_pool_options *o = &pool->options;
    image_facts facts = {0};
    image_stage stage = IMAGE_STAGE_DECODE;
    ken_error err = {0};
    decode_fn *decode = o->decode ? o->decode : preprocess_bytes;
    double since = sys_seconds(), cpu_since = sys_process_cpu_seconds();
    ken_status status =
        decode(o->preprocess, o->kernels, slot->shared + pool->pixels_bytes, (size_t)request->size,
               &o->limits, slot->shared, &facts, &stage, &err);
    *reply = (wire_reply){.kind = WIRE_DONE,
                          .status = status,
                          .sequence = request->sequence,
                          .stage = (int32_t)stage,
                          .width = facts.width,
                          .height = facts.height,
                          .cpu_seconds = sys_process_cpu_seconds() - cpu_since,
                          .seconds = sys_seconds() - since,
                          .resize_seconds = facts.resize_seconds};
    if (status != KEN_OK)
        copy_text(reply->message, sizeof reply->message, err.message);
    if (facts.warned)
        copy_text(reply->warning, sizeof reply->warning,
                  facts.warning[0] ? facts.warning : "damaged");
}

static void say_hello(const decode_pool *pool) {
    ken_error err = {0};
    wire_reply hello = {.kind = WIRE_HELLO, .landlock_abi = -1};
    if (!pool->options.no_sandbox)
        hello.status = sandbox_enter(&hello.landlock_abi, &err);
    copy_text(hello.message, sizeof hello.message, err.message);
    copy_text(hello.hint, sizeof hello.hint, err.hint);
    if (write(own_fd, &hello, sizeof hello) != sizeof hello || hello.status != KEN_OK)
        _exit(1);
}

void decode_worker_main(decode_pool *pool, int worker) {
    decode_slot *slot = &pool->slots[worker];
    set_signals();
    if (slot->child_fd != own_fd && dup2(slot->child_fd, own_fd) < 0)
        _exit(1);
    close_range(own_fd + 1, ~0u, 0);
    /* A worker that is taken over must not see what the others decode. */
    for (int i = 0; i < pool->options.n_workers; i++)
        if (i != worker)
            munmap(pool->slots[i].shared, pool->shared_bytes);
    set_limits(pool);
    say_hello(pool);
    for (;;) {
        wire_request request;
        ssize_t got = read(own_fd, &request, sizeof request);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != sizeof request || request.size > pool->options.max_bytes)
            _exit(0);
        wire_reply reply;
        decode_one(pool, slot, &request, &reply);
        if (write(own_fd, &reply, sizeof reply) != sizeof reply)
            _exit(0);
    }
}

/* ---- keeper ---------------------------------------------------------------------------------- */

static void report_deaths(decode_pool *pool) {
    int wait_status;
    pid_t pid;
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        for (int i = 0; i < pool->options.n_workers; i++) {
            decode_slot *slot = &pool->slots[i];
            if (slot->pid != pid)
                continue;
            slot->pid = 0;
            wire_reply death = {.kind = WIRE_DEATH, .wait_status = wait_status};
            if (write(slot->child_fd, &death, sizeof death) != sizeof death)
                _exit(0);
        }
    }
}

static void spawn(decode_pool *pool, int worker) {
    decode_slot *slot = &pool->slots[worker];
    pid_t keeper = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        follow_parent(keeper);
        decode_worker_main(pool, worker);
    }
    if (pid > 0) {
        slot->pid = pid;
        return;
    }
    wire_reply hello = {.kind = WIRE_HELLO, .status = KEN_NO_MEMORY};
    snprintf(hello.message, sizeof hello.message, "could not start a decoder: %s", strerror(errno));
    if (write(slot->child_fd, &hello, sizeof hello) != sizeof hello)
        _exit(0);
}

static void obey(decode_pool *pool, int control_fd) {
    wire_order order;
    ssize_t got = read(control_fd, &order, sizeof order);
    if (got < 0 && errno == EINTR)
        return;
    if (got != sizeof order || order.worker >= (uint32_t)pool->options.n_workers)
        _exit(0); /* the caller is gone; the workers follow */
    decode_slot *slot = &pool->slots[order.worker];
    if (order.kind == WIRE_SPAWN && !slot->pid)
        spawn(pool, (int)order.worker);
    else if (order.kind == WIRE_KILL && slot->pid)
        kill(slot->pid, SIGKILL);
}

/* Nothing of the caller's stays open: above all not the lock of its output. */
static void close_others(const decode_pool *pool, int control_fd) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
#ifdef KEN_SANITIZED
        if (fd == STDERR_FILENO) /* where the sanitizers report */
            continue;
#endif
        int null = open("/dev/null", O_RDWR);
        if (null >= 0 && null != fd) {
            dup2(null, fd);
            close(null);
        }
    }
    long max = sysconf(_SC_OPEN_MAX);
    for (int fd = STDERR_FILENO + 1; fd < (max > 0 && max < 65536 ? max : 65536); fd++) {
        bool keep = fd == control_fd;
        for (int i = 0; i < pool->options.n_workers && !keep; i++)
            keep = fd == pool->slots[i].child_fd;
        if (!keep)
            close(fd);
    }
}

void decode_keeper_main(decode_pool *pool, int control_fd) {
    set_signals();
    signal(SIGCHLD, SIG_DFL);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    close_others(pool, control_fd);
    int signal_fd = signalfd(-1, &child, SFD_CLOEXEC);
    if (signal_fd < 0)
        _exit(1);
    for (;;) {
        struct pollfd events[2] = {{.fd = control_fd, .events = POLLIN},
                                   {.fd = signal_fd, .events = POLLIN}};
        if (poll(events, 2, -1) < 0)
            continue;
        if (events[1].revents) {
            struct signalfd_siginfo info;
            if (read(signal_fd, &info, sizeof info) > 0)
                report_deaths(pool);
        }
        if (events[0].revents)
            obey(pool, control_fd);
    }
}
