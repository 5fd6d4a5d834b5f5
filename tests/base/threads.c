/* The thread pool, and questions to the operating system. */
#include "base/mem.h"
#include "base/pool.h"
#include "base/sys.h"
#include "testing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum { max_items = 5000 };

typedef struct work {
    _Atomic int done[max_items];
    _Atomic int wrong_thread;
    int n_threads;
} work;

static void count_item(void *context, size_t item, int thread) {
    work *w = context;
    atomic_fetch_add(&w->done[item], 1);
    if (thread < 0 || thread >= w->n_threads)
        atomic_fetch_add(&w->wrong_thread, 1);
}

static void check_once(ken_pool *pool, size_t n_items) {
    static work w;
    memset(&w, 0, sizeof w);
    w.n_threads = ken_pool_threads(pool);
    pool_run(pool, count_item, &w, n_items);
    for (size_t i = 0; i < max_items; i++)
        if (w.done[i] != (i < n_items))
            fail_msg("%zu items, %d threads: item %zu was done %d times", n_items, w.n_threads, i,
                     w.done[i]);
    assert_int_equal(w.wrong_thread, 0);
}

static void test_pool(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, 1000, max_items};
    for (int n_threads = 1; n_threads <= 9; n_threads += 2) {
        ken_pool *pool;
        ken_error err;
        assert_int_equal(ken_pool_new(n_threads, &pool, &err), KEN_OK);
        assert_int_equal(ken_pool_threads(pool), n_threads);
        for (int hot = 0; hot < 2; hot++) {
            if (hot)
                pool_begin(pool);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                check_once(pool, sizes[i]);
            if (hot)
                pool_end(pool);
        }
        ken_pool_free(pool);
    }
    check_once(NULL, 100);
    pool_begin(NULL);
    pool_end(NULL);
    ken_pool_free(NULL);
}

/* Many short sections, hot and cold in turn: no lost wake-up, no item of a past section. */
static void test_short_sections(void **state) {
    (void)state;
    ken_pool *pool;
    assert_int_equal(ken_pool_new(3, &pool, NULL), KEN_OK);
    static work w;
    w.n_threads = 3;
    int n_runs = 0;
    for (int i = 0; i < 200; i++) {
        pool_begin(pool);
        for (int k = 0; k < 10; k++, n_runs++)
            pool_run(pool, count_item, &w, 5);
        pool_end(pool);
        pool_run(pool, count_item, &w, 5);
        n_runs++;
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(w.done[i], n_runs);
    assert_int_equal(w.wrong_thread, 0);
    ken_pool_free(pool);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void test_no_spinning(void **state) {
    (void)state;
    ken_pool *pool;
    assert_int_equal(ken_pool_new(4, &pool, NULL), KEN_OK);
    check_once(pool, 100);
    double wall = sys_seconds(), cpu = cpu_seconds();
    while (sys_seconds() - wall < 0.1) {
        struct timespec nap = {.tv_nsec = 20000000};
        nanosleep(&nap, NULL);
    }
    assert_true(cpu_seconds() - cpu < 0.05);
    ken_pool_free(pool);
}

static void test_pool_errors(void **state) {
    (void)state;
    ken_pool *pool;
    ken_error err;
    assert_int_equal(ken_pool_new(-1, &pool, &err), KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, "threads must be 0 to 1024, not -1");
    assert_int_equal(ken_pool_new(1025, &pool, &err), KEN_BAD_ARGUMENT);
    assert_null(pool);
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status != KEN_OK; n++) {
        mem_fail_after(n, false);
        status = ken_pool_new(3, &pool, &err);
        mem_fail_after(0, false);
        assert_true(n < 10 && (status == KEN_OK || status == KEN_NO_MEMORY));
        ken_pool_free(pool);
    }
    assert_int_equal(ken_pool_new(0, &pool, &err), KEN_OK);
    assert_int_equal(ken_pool_threads(pool), sys_cpu_count());
    ken_pool_free(pool);
}

static void test_sys(void **state) {
    (void)state;
    assert_in_range(sys_cpu_count(), 1, 100000);
    assert_true(sys_memory_limit() > 100 << 20);
    uint64_t before = sys_peak_rss();
    /* Not by mem_alloc: the address sanitizer keeps freed blocks for a while. */
    const size_t size = 64 << 20;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    memset(block, 1, size);
    assert_int_equal(munmap(block, size), 0);
    assert_true(sys_peak_rss() >= before + (48 << 20));
    assert_true(sys_rss() > 1 << 20);
    if (sys_reset_peak_rss())
        assert_true(sys_peak_rss() < before + (48 << 20));
    double begin = sys_seconds();
    sys_yield();
    assert_true(sys_seconds() >= begin);
}

static void test_load_library(void **state) {
    (void)state;
    double (*cosine)(double) = NULL;
    void *nothing = NULL;
    const sys_symbol good[] = {{"cos", (void **)&cosine}};
    const sys_symbol bad[] = {{"ken_no_such_function", &nothing}};
    static const char *const paths[] = {"/nowhere/libm.so.6", "libm.so.6", NULL};
    static const char *const absent[] = {"/nowhere/libm.so.6", NULL};
    ken_error err;
    assert_int_equal(sys_load_library(paths, good, 1, &err), KEN_OK);
    assert_true(cosine(0) == 1);
    assert_int_equal(sys_load_library(paths, bad, 1, &err), KEN_UNAVAILABLE);
    assert_string_equal(err.message, "library 'libm.so.6' has no function 'ken_no_such_function'");
    assert_int_equal(sys_load_library(absent, good, 1, &err), KEN_UNAVAILABLE);
    assert_non_null(strstr(err.message, "could not load library '/nowhere/libm.so.6'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool),        cmocka_unit_test(test_short_sections),
        cmocka_unit_test(test_no_spinning), cmocka_unit_test(test_pool_errors),
        cmocka_unit_test(test_sys),         cmocka_unit_test(test_load_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
