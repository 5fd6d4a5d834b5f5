#include "tasks/pipeline/decode_pool.h"

#include "base/checked.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "tasks/pipeline/decode_wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker that does not say hello, or does not die when killed, for this long is a broken system.
 */
static const double patience_seconds = 60;
/* More than any item takes: times beyond it are made up. */
static const double most_seconds = 1e6;
/* Shared pages of a file larger than this go back to the system after it. */
static const size_t keep_bytes = (size_t)16 << 20;

enum { default_max_pixels = 178956970, wait_ms = 100 };

uint64_t decode_pool_worker_bytes(const image_limits *limits) {
    uint64_t pixels = limits->max_pixels ? limits->max_pixels : default_max_pixels;
    /* Decoded (4 channels), turned, as RGB, between the resize's two passes; then the libraries
     * with the stacks and heaps of their threads. */
    uint64_t most = UINT64_MAX / 32;
    return 16 * (pixels < most ? pixels : most) + ((uint64_t)1 << 30);
}

/* ---- starting -------------------------------------------------------------------------------- */

static ken_status make_slot(decode_pool *pool, decode_slot *slot, ken_error *err) {
    slot->shared = mmap(NULL, pool->shared_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slot->shared == MAP_FAILED) {
        slot->shared = NULL;
        return error_hint(err, error_no_memory(err, pool->shared_bytes),
                          "lower --max-file-size: each decoder reserves that much address space");
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_errno(err, errno, "could not make a socket for a decoder");
    slot->parent_fd = pair[0];
    slot->child_fd = pair[1];
    return KEN_OK;
}

static ken_status fork_keeper(decode_pool *pool, ken_error *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_errno(err, errno, "could not make a socket for the decoders");
    pid_t caller = getpid();
    pool->keeper = fork();
    if (pool->keeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != caller)
            _exit(0);
        decode_keeper_main(pool, pair[1]);
    }
    int reason = errno;
    close(pair[1]);
    pool->control_fd = pair[0];
    if (pool->keeper < 0)
        return error_errno(err, reason, "could not start the decoders");
    for (int i = 0; i < pool->options.n_workers; i++) {
        close(pool->slots[i].child_fd);
        pool->slots[i].child_fd = -1;
    }
    return KEN_OK;
}

static ken_status ensure_alive(decode_pool *pool, int worker, ken_error *err);

static ken_status start(decode_pool *pool, ken_error *err) {
    const decode_pool_options *o = &pool->options;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    pool->pixels_bytes = (preprocess_size(o->preprocess) + page - 1) / page * page;
    if (!checked_add(pool->pixels_bytes, o->max_bytes, &pool->shared_bytes))
        return error_no_memory(err, o->max_bytes);
    pool->slots = mem_zalloc((size_t)o->n_workers, sizeof *pool->slots);
    if (!pool->slots)
        return error_no_memory(err, (size_t)o->n_workers * sizeof *pool->slots);
    for (int i = 0; i < o->n_workers; i++)
        pool->slots[i].parent_fd = pool->slots[i].child_fd = -1;
    for (int i = 0; i < o->n_workers; i++)
        TRY(make_slot(pool, &pool->slots[i], err));
    TRY(fork_keeper(pool, err));
    /* One now, to learn whether the sandbox works; the others when they are needed. */
    TRY(ensure_alive(pool, 0, err));
    pool->started = true;
    return KEN_OK;
}

ken_status decode_pool_new(const decode_pool_options *options, decode_pool **out, ken_error *err) {
    *out = NULL;
    decode_pool *pool = mem_zalloc(1, sizeof *pool);
    if (!pool)
        return error_no_memory(err, sizeof *pool);
    pool->options = *options;
    pool->control_fd = -1;
    ken_status status = start(pool, err);
    if (status == KEN_OK)
        *out = pool;
    else
        decode_pool_free(pool);
    return status;
}

static void close_fd(int fd) {
    if (fd >= 0)
        close(fd);
}

void decode_pool_free(decode_pool *pool) {
    if (!pool)
        return;
    close_fd(pool->control_fd);
    if (pool->keeper > 0) {
        kill(pool->keeper, SIGKILL); /* its workers die with it */
        while (waitpid(pool->keeper, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    for (int i = 0; pool->slots && i < pool->options.n_workers; i++) {
        close_fd(pool->slots[i].parent_fd);
        close_fd(pool->slots[i].child_fd);
        if (pool->slots[i].shared)
            munmap(pool->slots[i].shared, pool->shared_bytes);
    }
    mem_free(pool->slots);
    mem_free(pool);
}

int decode_pool_landlock_abi(const decode_pool *pool) {
    return pool->landlock_abi;
}

uint8_t *decode_pool_buffer(decode_pool *pool, int worker) {
    return pool->slots[worker].shared + pool->pixels_bytes;
}

/* ---- talking --------------------------------------------------------------------------------- */

static bool stopped(const decode_pool *pool) {
    return pool->options.stop && __atomic_load_n(pool->options.stop, __ATOMIC_RELAXED);
}

/* Waits until the time is over for a packet; *got is false when none came. */
static ken_status receive(decode_pool *pool, int worker, double seconds, wire_reply *reply,
                          bool *got, ken_error *err) {
    double until = sys_seconds() + seconds;
    int fd = pool->slots[worker].parent_fd;
    *got = false;
    for (;;) {
        ssize_t n = recv(fd, reply, sizeof *reply, MSG_DONTWAIT);
        if (n == sizeof *reply) {
            reply->message[sizeof reply->message - 1] = '\0';
            reply->hint[sizeof reply->hint - 1] = '\0';
            reply->warning[sizeof reply->warning - 1] = '\0';
            *got = true;
            return KEN_OK;
        }
        if (n >= 0 || (errno != EAGAIN && errno != EINTR))
            return error_set(err, KEN_INTERNAL, "the decode processes have ended");
        double left = until - sys_seconds();
        if (left <= 0)
            return KEN_OK;
        if (stopped(pool))
            return error_set(err, KEN_CANCELLED, "interrupted");
        struct pollfd event = {.fd = fd, .events = POLLIN};
        /* Short waits, so that a signal that another thread took is seen. */
        poll(&event, 1, left * 1000 < wait_ms ? (int)(left * 1000) + 1 : wait_ms);
    }
}

static ken_status give_order(decode_pool *pool, wire_order_kind kind, int worker, ken_error *err) {
    wire_order order = {.kind = kind, .worker = (uint32_t)worker};
    if (send(pool->control_fd, &order, sizeof order, MSG_NOSIGNAL) != sizeof order)
        return error_set(err, KEN_INTERNAL, "the decode processes have ended");
    return KEN_OK;
}

static ken_status ensure_alive(decode_pool *pool, int worker, ken_error *err) {
    decode_slot *slot = &pool->slots[worker];
    wire_reply reply;
    bool got;
    if (slot->alive) {
        /* It may have died while it had nothing to do. */
        TRY(receive(pool, worker, 0, &reply, &got, err));
        slot->alive = !(got && reply.kind == WIRE_DEATH);
    }
    if (slot->alive)
        return KEN_OK;
    TRY(give_order(pool, WIRE_SPAWN, worker, err));
    TRY(receive(pool, worker, patience_seconds, &reply, &got, err));
    if (!got || reply.kind != WIRE_HELLO)
        return error_set(err, KEN_INTERNAL, "a decode process did not start");
    if (reply.status != KEN_OK) {
        error_set(err, (ken_status)reply.status, "%s", reply.message);
        return error_hint(err, (ken_status)reply.status, "%s", reply.hint);
    }
    if (!pool->started)
        pool->landlock_abi = reply.landlock_abi;
    slot->alive = true;
    return KEN_OK;
}

/* Kills a worker that takes too long, and waits until it is gone. */
static ken_status put_down(decode_pool *pool, int worker, ken_error *err) {
    TRY(give_order(pool, WIRE_KILL, worker, err));
    wire_reply reply;
    bool got;
    do {
        TRY(receive(pool, worker, patience_seconds, &reply, &got, err));
    } while (got && reply.kind != WIRE_DEATH);
    pool->slots[worker].alive = false;
    return got ? KEN_OK : error_set(err, KEN_INTERNAL, "a decode process could not be ended");
}

static const char *reason_of(ken_status status) {
    return status == KEN_NO_MEMORY ? "out_of_memory" : ken_status_name(status);
}

static void describe_death(decoded *out, int wait_status) {
    out->stage = "decode";
    out->reason = "crashed";
    if (WIFSIGNALED(wait_status))
        snprintf(out->detail, sizeof out->detail, "the decoder was ended by signal %d%s",
                 WTERMSIG(wait_status),
                 WTERMSIG(wait_status) == SIGKILL ? ", perhaps for want of memory" : "");
    else
        snprintf(out->detail, sizeof out->detail, "the decoder ended itself with code %d",
                 WEXITSTATUS(wait_status));
}

/* Libraries may use threads, so CPU time cannot be told apart: it is shared out by the clock. */
static void take_times(decoded *out, const wire_reply *reply) {
    double all = reply->seconds, cpu = reply->cpu_seconds, resize = reply->resize_seconds;
    if (!(all > 0 && all < most_seconds && cpu >= 0 && cpu < most_seconds))
        return;
    double share = resize >= 0 && resize <= all ? resize / all : 0;
    out->resize = (stage_time){share * all, share * cpu};
    out->decode = (stage_time){all - out->resize.seconds, cpu - out->resize.cpu_seconds};
}

/* The worker may have been taken over: nothing that it says is taken without a look. */
static void take_reply(decoded *out, const wire_reply *reply) {
    bool valid = reply->status <= KEN_CANNOT_CREATE && reply->stage >= 0 &&
                 reply->stage <= IMAGE_STAGE_RESIZE && reply->width >= 0 && reply->height >= 0 &&
                 utf8_valid(reply->message, strlen(reply->message)) &&
                 utf8_valid(reply->warning, strlen(reply->warning));
    if (!valid) {
        out->stage = "decode";
        out->reason = "crashed";
        snprintf(out->detail, sizeof out->detail, "the decoder gave an answer without sense");
        return;
    }
    take_times(out, reply);
    out->width = reply->width;
    out->height = reply->height;
    memcpy(out->warning, reply->warning, sizeof out->warning);
    if (reply->status == KEN_OK)
        return;
    out->stage = image_stage_name((image_stage)reply->stage);
    out->reason = reason_of((ken_status)reply->status);
    snprintf(out->detail, sizeof out->detail, "%s", reply->message);
}

static ken_status await(decode_pool *pool, int worker, decoded *out, ken_error *err) {
    decode_slot *slot = &pool->slots[worker];
    double until = sys_seconds() + pool->options.timeout_seconds;
    for (;;) {
        wire_reply reply;
        bool got;
        double left = until - sys_seconds();
        TRY(receive(pool, worker, left > 0 ? left : 0, &reply, &got, err));
        if (!got) {
            out->stage = "decode";
            out->reason = "timeout";
            snprintf(out->detail, sizeof out->detail, "decoding took longer than %g seconds",
                     pool->options.timeout_seconds);
            return put_down(pool, worker, err);
        }
        if (reply.kind == WIRE_DEATH) {
            slot->alive = false;
            describe_death(out, reply.wait_status);
            return KEN_OK;
        }
        if (reply.kind == WIRE_DONE && reply.sequence == slot->sequence) {
            take_reply(out, &reply);
            return KEN_OK;
        }
    }
}

ken_status decode_pool_run(decode_pool *pool, int worker, size_t size, decoded *out,
                           const uint8_t **pixels, ken_error *err) {
    decode_slot *slot = &pool->slots[worker];
    *out = (decoded){0};
    *pixels = slot->shared;
    TRY(ensure_alive(pool, worker, err));
    wire_request request = {.sequence = ++slot->sequence, .size = size};
    if (send(slot->parent_fd, &request, sizeof request, MSG_NOSIGNAL) != sizeof request)
        return error_set(err, KEN_INTERNAL, "the decode processes have ended");
    ken_status status = await(pool, worker, out, err);
    if (size > keep_bytes)
        madvise(slot->shared + pool->pixels_bytes, pool->options.max_bytes, MADV_REMOVE);
    return status;
}
