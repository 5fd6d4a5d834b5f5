#include "base/pool.h"

#include "base/mem.h"
#include "base/sys.h"

#include <pthread.h>
#include <stdatomic.h>

/* How often a worker looks for the next section before it sleeps, inside pool_begin/pool_end. About
 * 50 microseconds: longer than the serial part between two sections of an encoder, much shorter
 * than a scheduler's time slice. */
enum { spin_rounds = 2000 };

struct ken_pool {
    int n_threads;
    int n_started; /* workers, for ken_pool_free */
    pthread_t *workers;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    _Atomic unsigned generation; /* one more for every section */
    _Atomic int hot;             /* inside pool_begin/pool_end */
    _Atomic int n_sleeping;
    _Atomic int n_running; /* workers still in the current section */
    _Atomic bool stop;

    pool_fn *fn;
    void *context;
    size_t n_items;
    _Atomic size_t next_item;
};

typedef struct worker_start {
    ken_pool *pool;
    int thread;
} worker_start;

static inline void cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work(ken_pool *pool, int thread) {
    for (;;) {
        size_t item = atomic_fetch_add(&pool->next_item, 1);
        if (item >= pool->n_items)
            return;
        pool->fn(pool->context, item, thread);
    }
}

static void wait_for_section(ken_pool *pool, unsigned seen) {
    for (int i = 0; i < spin_rounds && atomic_load(&pool->hot); i++) {
        if (atomic_load(&pool->generation) != seen || atomic_load(&pool->stop))
            return;
        cpu_relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument) {
    worker_start start = *(worker_start *)argument;
    mem_free(argument);
    ken_pool *pool = start.pool;
    unsigned seen = 0;
    for (;;) {
        wait_for_section(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        seen++;
        work(pool, start.thread);
        atomic_fetch_sub(&pool->n_running, 1);
    }
}

static void wake_sleepers(ken_pool *pool) {
    if (!atomic_load(&pool->n_sleeping))
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_begin(ken_pool *pool) {
    if (pool)
        atomic_store(&pool->hot, 1);
}

void pool_end(ken_pool *pool) {
    if (pool)
        atomic_store(&pool->hot, 0);
}

void pool_run(ken_pool *pool, pool_fn *fn, void *context, size_t n_items) {
    if (!pool || pool->n_started == 0 || n_items <= 1) {
        for (size_t item = 0; item < n_items; item++)
            fn(context, item, 0);
        return;
    }
    pool->fn = fn;
    pool->context = context;
    pool->n_items = n_items;
    atomic_store(&pool->next_item, 0);
    atomic_store(&pool->n_running, pool->n_started);
    atomic_fetch_add(&pool->generation, 1);
    wake_sleepers(pool);
    work(pool, 0);
    /* Workers end within one item of the caller, so this wait is short; yield in case a worker was
     * moved off its CPU. */
    for (int i = 0; atomic_load(&pool->n_running) > 0; i++) {
        if (i < spin_rounds)
            cpu_relax();
        else
            sys_yield();
    }
}

static ken_status start_workers(ken_pool *pool, ken_error *err) {
    pool->workers = mem_zalloc((size_t)pool->n_threads, sizeof *pool->workers);
    if (!pool->workers)
        return error_no_memory(err, (size_t)pool->n_threads * sizeof *pool->workers);
    for (int i = 1; i < pool->n_threads; i++) {
        worker_start *start = mem_alloc(sizeof *start);
        if (!start)
            return error_no_memory(err, sizeof *start);
        *start = (worker_start){pool, i};
        int failed = pthread_create(&pool->workers[i - 1], NULL, worker_main, start);
        if (failed) {
            mem_free(start);
            return error_errno(err, failed, "could not start worker thread %d of %d", i,
                               pool->n_threads);
        }
        pool->n_started++;
    }
    return KEN_OK;
}

ken_status ken_pool_new(int n_threads, ken_pool **out, ken_error *err) {
    *out = NULL;
    if (n_threads < 0 || n_threads > 1024)
        return error_set(err, KEN_BAD_ARGUMENT, "threads must be 0 to 1024, not %d", n_threads);
    ken_pool *pool = mem_zalloc(1, sizeof *pool);
    if (!pool)
        return error_no_memory(err, sizeof *pool);
    pool->n_threads = n_threads ? n_threads : sys_cpu_count();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    ken_status status = start_workers(pool, err);
    if (status != KEN_OK) {
        ken_pool_free(pool);
        return status;
    }
    *out = pool;
    return KEN_OK;
}

void ken_pool_free(ken_pool *pool) {
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->n_started; i++)
        pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    mem_free(pool->workers);
    mem_free(pool);
}

int ken_pool_threads(const ken_pool *pool) {
    return pool ? pool->n_started + 1 : 1;
}
