/* Decoders in their sandbox: what they may not do, and what becomes of the item when they
 * misbehave. The decode function is replaced by one that does what the file's first byte says. */
#include "testing.h"

#include "base/mem.h"
#include "base/sys.h"
#include "tasks/pipeline/decode_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { side = 4, n_pixels = side * side * 3 };

/* What a picture that took over its decoder might try. Each gives the errno of the refusal, or 0
 * when it was let through. */
static int try_open(const char *path, int flags) {
    int fd = open(path, flags, 0600);
    return fd < 0 ? errno : 0;
}

static int try_connect(void) {
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int try_fork(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static int try_exec(void) {
    char *const args[] = {(char *)(uintptr_t) "/bin/true", NULL};
    execve("/bin/true", args, args + 1);
    return errno;
}

static int try_others_memory(void) {
    char byte;
    struct iovec_like {
        void *base;
        size_t size;
    } local = {&byte, 1}, remote = {&byte, 1};
    return syscall(SYS_process_vm_readv, getppid(), &local, 1, &remote, 1, 0) < 0 ? errno : 0;
}

static int attempt(char what) {
    switch (what) {
    case 'p':
        return try_open("/etc/passwd", O_RDONLY);
    case 'h':
        return try_open("/", O_RDONLY | O_DIRECTORY);
    case 'w':
        return try_open("/tmp/ken-escaped", O_WRONLY | O_CREAT);
    case 'W':
        return try_open("/usr/lib/ken-escaped", O_RDWR | O_CREAT);
    case 's':
        return try_open("/proc/self/mem", O_RDWR);
    case 'c':
        return try_connect();
    case 'f':
        return try_fork();
    case 'e':
        return try_exec();
    case 'k':
        return kill(getppid(), 0) < 0 ? errno : 0;
    case 't':
        return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? errno : 0;
    case 'm':
        return try_others_memory();
    case 'u':
        return unlink("/tmp/ken-not-there") < 0 ? errno : 0;
    default:
        return chmod("/tmp", 0777) < 0 ? errno : 0;
    }
}

static const char attempts[] = "phwWscfektmu!";

/* 'G' a good picture, 'B' a bad one, 'C' crashes, 'L' never ends, 'M' wants memory without end, 'A'
 * aborts, 'X' exits, 'Z' answers nonsense, '?' tries what the second byte says. */
static ken_status act(const preprocess *p, const kernels *k, const uint8_t *bytes, size_t size,
                      const image_limits *limits, uint8_t *out, image_facts *facts,
                      image_stage *stage, ken_error *err) {
    (void)p, (void)k, (void)limits;
    volatile int *nowhere = NULL;
    switch (bytes[0]) {
    case 'B':
        *stage = IMAGE_STAGE_SNIFF;
        return error_set(err, KEN_BAD_FORMAT, "not a picture");
    case 'C':
        signal(SIGSEGV, SIG_DFL);
        *nowhere = 1;
        break;
    case 'L':
        for (;;)
            usleep(1000);
    case 'M': {
        volatile char *last = NULL;
        for (size_t n = 0; n < 1000; n++) {
            last = malloc((size_t)64 << 20);
            if (!last)
                return error_no_memory(err, (size_t)64 << 20);
            last[0] = 1;
        }
        break;
    }
    case 'A':
        signal(SIGABRT, SIG_DFL);
        abort();
    case 'X':
        _exit(7);
    case 'Z':
        return error_set(err, (ken_status)99, "\xff\xfe");
    case '?': {
        int reason = attempt((char)bytes[1]);
        return reason == EPERM || reason == EACCES
                   ? error_set(err, KEN_REFUSED, "denied")
                   : error_set(err, KEN_INTERNAL, "let through: %d", reason);
    }
    default:
        break;
    }
    facts->width = (int)size;
    facts->height = 2;
    facts->warned = bytes[0] == 'D';
    snprintf(facts->warning, sizeof facts->warning, "%s", facts->warned ? "cut short" : "");
    memset(out, bytes[1], n_pixels);
    return KEN_OK;
}

static decode_pool *make_pool(int n_workers, double timeout_seconds) {
    static const preprocess recipe = {.crop_size = {side, side}, .resize_size = {side, side}};
    decode_pool_options options = {.n_workers = n_workers,
                                   .max_bytes = 1 << 20,
                                   .preprocess = &recipe,
                                   .limits = {.max_pixels = 1000000},
                                   .timeout_seconds = timeout_seconds,
                                   .decode = act};
    decode_pool *pool;
    ken_error err;
    if (decode_pool_new(&options, &pool, &err) != KEN_OK)
        fail_msg("%s", err.message);
    return pool;
}

static decoded run(decode_pool *pool, int worker, const char *file) {
    decoded out;
    const uint8_t *pixels;
    ken_error err;
    memcpy(decode_pool_buffer(pool, worker), file, strlen(file));
    if (decode_pool_run(pool, worker, strlen(file), &out, &pixels, &err) != KEN_OK)
        fail_msg("%s", err.message);
    if (!out.stage)
        for (int i = 0; i < n_pixels; i++)
            assert_int_equal(pixels[i], (uint8_t)file[1]);
    return out;
}

static void assert_good(decode_pool *pool, int worker, const char *file) {
    decoded out = run(pool, worker, file);
    assert_null(out.stage);
    assert_int_equal(out.width, (int)strlen(file));
    assert_string_equal(out.warning, "");
    assert_true(out.decode.seconds > 0 && out.decode.cpu_seconds > 0);
    assert_true(out.resize.seconds == 0); /* this decoder has no such step */
}

static void test_good_and_bad(void **state) {
    (void)state;
    decode_pool *pool = make_pool(2, 10);
    assert_int_not_equal(decode_pool_landlock_abi(pool), -1);
    for (int i = 0; i < 20; i++)
        assert_good(pool, i % 2, i % 3 ? "Ga" : "Gbcdef");
    decoded out = run(pool, 0, "Ba");
    assert_string_equal(out.stage, "sniff");
    assert_string_equal(out.reason, "bad_format");
    assert_string_equal(out.detail, "not a picture");
    out = run(pool, 0, "Dx");
    assert_null(out.stage);
    assert_string_equal(out.warning, "cut short");
    decode_pool_free(pool);
}

static void test_sandbox_denies(void **state) {
    (void)state;
    decode_pool *pool = make_pool(1, 10);
    for (const char *what = attempts; *what; what++) {
        char file[3] = {'?', *what, '\0'};
        decoded out = run(pool, 0, file);
        if (!out.reason || strcmp(out.reason, "refused") != 0)
            fail_msg("attempt '%c': %s", *what, out.detail);
        assert_good(pool, 0, "Gz");
    }
    assert_int_not_equal(access("/tmp/ken-escaped", F_OK), 0);
    decode_pool_free(pool);
}

/* The denials above mean something only if the same attempts succeed outside. */
static void test_attempts_work_without_sandbox(void **state) {
    (void)state;
    assert_int_equal(attempt('p'), 0);
    assert_int_equal(attempt('c'), 0);
    assert_int_equal(attempt('f'), 0);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    assert_int_equal(attempt('k'), 0);
    assert_int_equal(attempt('u'), ENOENT);
}

static void assert_fails(decode_pool *pool, const char *file, const char *reason,
                         const char *detail) {
    decoded out = run(pool, 0, file);
    assert_non_null(out.stage);
    assert_string_equal(out.stage, "decode");
    assert_string_equal(out.reason, reason);
    if (!strstr(out.detail, detail))
        fail_msg("'%s' does not say '%s'", out.detail, detail);
    assert_good(pool, 0, "Gagain");
}

static void test_misbehaviour_costs_one_item(void **state) {
    (void)state;
    decode_pool *pool = make_pool(2, 10);
    for (int i = 0; i < 2; i++) {
#ifndef KEN_SANITIZED
        assert_fails(pool, "Ca", "crashed", "signal 11");
        assert_fails(pool, "Aa", "crashed", "signal 6");
#endif
        assert_fails(pool, "Xa", "crashed", "code 7");
        assert_fails(pool, "Za", "crashed", "without sense");
        assert_good(pool, 1, "Gb");
    }
    decode_pool_free(pool);
}

static void test_memory_is_limited(void **state) {
    (void)state;
#ifndef KEN_SANITIZED
    decode_pool *pool = make_pool(1, 20);
    assert_fails(pool, "Ma", "out_of_memory", "out of memory");
    decode_pool_free(pool);
#endif
}

static void test_timeout(void **state) {
    (void)state;
    decode_pool *pool = make_pool(1, 0.2);
    double started = sys_seconds();
    assert_fails(pool, "La", "timeout", "longer than 0.2 seconds");
    assert_true(sys_seconds() - started < 5);
    assert_true(sys_seconds() - started >= 0.2);
    decode_pool_free(pool);
}

static volatile sig_atomic_t stop;

static void on_alarm(int number) {
    (void)number;
    stop = 1;
}

static void test_stop_ends_a_wait(void **state) {
    (void)state;
    static const preprocess recipe = {.crop_size = {side, side}};
    decode_pool_options options = {.n_workers = 1,
                                   .max_bytes = 4096,
                                   .preprocess = &recipe,
                                   .timeout_seconds = 60,
                                   .stop = &stop,
                                   .decode = act};
    decode_pool *pool;
    ken_error err;
    assert_int_equal(decode_pool_new(&options, &pool, &err), KEN_OK);
    signal(SIGALRM, on_alarm);
    alarm(1);
    decoded out;
    const uint8_t *pixels;
    memcpy(decode_pool_buffer(pool, 0), "La", 2);
    double started = sys_seconds();
    assert_int_equal(decode_pool_run(pool, 0, 2, &out, &pixels, &err), KEN_CANCELLED);
    assert_true(sys_seconds() - started < 5);
    decode_pool_free(pool);
    stop = 0;
}

static void test_no_memory(void **state) {
    (void)state;
    static const preprocess recipe = {.crop_size = {side, side}};
    decode_pool_options options = {.n_workers = 1,
                                   .max_bytes = 4096,
                                   .preprocess = &recipe,
                                   .timeout_seconds = 5,
                                   .decode = act};
    decode_pool *pool = NULL;
    ken_error err;
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status != KEN_OK && n < 100; n++) {
        mem_fail_after(n, false);
        status = decode_pool_new(&options, &pool, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || (status == KEN_NO_MEMORY && !pool));
    }
    assert_int_equal(status, KEN_OK);
    decode_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_and_bad),
        cmocka_unit_test(test_sandbox_denies),
        cmocka_unit_test(test_attempts_work_without_sandbox),
        cmocka_unit_test(test_misbehaviour_costs_one_item),
        cmocka_unit_test(test_memory_is_limited),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_stop_ends_a_wait),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
