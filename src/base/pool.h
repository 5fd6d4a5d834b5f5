/* base/pool.h: the thread pool behind ken_pool.
 *
 * pool_run splits work into numbered items and returns when all are done. Items must not depend on
 * each other: that, and not the schedule, is why results are the same for any number of threads.
 * Between pool_begin and pool_end workers wait for the next pool_run by spinning shortly, because
 * an encoder runs dozens of short sections in a row; outside of it they sleep. A NULL pool runs
 * everything on the calling thread. One caller at a time. */
#ifndef KEN_BASE_POOL_H
#define KEN_BASE_POOL_H

#include "base/error.h"

/* Called once for each item in [0, n_items). `thread` is in [0, pool threads): the index of a
 * private scratch area. */
typedef void pool_fn(void *context, size_t item, int thread);

void pool_begin(ken_pool *pool);
void pool_end(ken_pool *pool);
void pool_run(ken_pool *pool, pool_fn *fn, void *context, size_t n_items);

#endif
