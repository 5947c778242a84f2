/* A pool of threads for loops over independent items. Sources that include this define _GNU_SOURCE first. */
#ifndef SEPARABLE_THREADS_H
#define SEPARABLE_THREADS_H

#include <sched.h>
#include <stdint.h>

typedef struct separable_pool separable_pool;

/* Computes the items [begin, end). `worker` is below the pool's thread count and unique among concurrent calls. */
typedef void separable_task(void *context, int32_t worker, int32_t begin, int32_t end);

/*
 * A pool of `threads` >= 1 workers. The caller of separable_pool_run is worker 0 and runs wherever it may; threads - 1
 * are started, and keep to `cpus` as far as the system lets them.
 * Returns a status of separable.h; *pool is NULL unless it is SEPARABLE_OK.
 */
int32_t separable_pool_create(int32_t threads, const cpu_set_t *cpus, separable_pool **pool);

/* Ends the threads and frees the pool; NULL is allowed. */
void separable_pool_destroy(separable_pool *pool);

/*
 * Calls task for disjoint ranges that cover [0, extent) and returns when all of them are done. Only the first
 * `max_threads` workers take part, all if it is 0: as many as are worth waking, by the work there is. One call at a time; it allocates nothing. What the caller wrote
 * before is visible to the tasks, what they wrote is visible to the caller.
 */
void separable_pool_run(separable_pool *pool, separable_task *task, void *context, int32_t extent, int32_t max_threads);

#endif
