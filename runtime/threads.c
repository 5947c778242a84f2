/*
 * How a loop is shared out. Each worker that takes part owns a contiguous share of the items, so that in consecutive
 * steps it meets the data it has in its cache. A worker takes half of what is left of its own share at a time, then
 * helps the others by taking a quarter of what is left of theirs: large pieces first, small ones to even out the end,
 * and a worker on a slow CPU holds little that others could do. To take a piece costs as well: where half of what is
 * left would be over in a few microseconds, it is three quarters.
 *
 * Nobody waits for a thread that has not begun: a step is over when all items are done, whoever did them. A worker that
 * sleeps, or that the system keeps off the CPU, loses its share to the others instead of delaying them.
 *
 * What makes this safe is that a share carries the number of its step. A worker that comes late finds another number
 * and takes nothing; a worker that took a piece keeps its step from ending, hence the step's data from changing. A new
 * number in its own share is also what a worker waits for: one that has no part in a step notices nothing of it.
 */
#define _GNU_SOURCE /* cpu_set_t, sched_getcpu, sched_setaffinity, syscall */

#include "threads.h"

#include "clock.h"
#include "separable.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Two cache lines: x86 prefetches lines in pairs, and some arm64 cores have lines of 128 bytes. */
#define CACHE_LINE 128

/* How long a worker waits for the next step before it sleeps: longer than most steps, shorter than anyone notices. */
#define SPIN_NANOSECONDS 100000

/* How often the caller looks for the last pieces before it offers its CPU to whoever holds them. */
#define SPINS_BEFORE_YIELD 2000

/* A piece is worth taking by itself if so many threads would be worth waking for it: see max_threads. */
#define THREADS_PER_PIECE 16

typedef struct worker {
    _Alignas(CACHE_LINE) _Atomic uint64_t share; /* step number << 32 | items left */
    /* Set by the worker before it sleeps, cleared by the caller; also the futex that the worker sleeps on. */
    _Alignas(CACHE_LINE) _Atomic uint32_t asleep;
    pid_t id;          /* of the kernel's thread; set before the first sleep */
    int cpu_left_free; /* the CPU that the caller keeps it off, -1 for none */
    int32_t index;
    separable_pool *pool;
    pthread_t thread;
} worker;

struct separable_pool {
    /* Written by the caller between steps; read by a worker only while it holds a piece of the step. */
    separable_task *task;
    void *context;
    int32_t extent;
    int32_t shares; /* number of workers that take part, from the first */

    int32_t threads, started; /* number of workers, and of those that run, the caller included */
    pid_t process;            /* that they run in: a forked child has none but the caller */
    uint32_t step;            /* number of the latest step */
    /* Items that are worth a piece of their own. Read at any time: that of another step makes a piece no less right. */
    _Atomic int32_t worth;
    atomic_bool stopping;
    cpu_set_t cpus; /* where the others may run */
    _Alignas(CACHE_LINE) _Atomic int32_t pending; /* items of the step that are not done */
    worker workers[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("isb"); /* yield is a no-op on most cores; isb waits for about as long as pause does */
#endif
}

/* The first item of a share; that of the next is where it ends. */
static int32_t share_begin(const separable_pool *pool, int32_t index)
{
    return (int32_t)((int64_t)pool->extent * index / pool->shares);
}

/*
 * Takes a piece of a share of `step`. Returns its length, 0 if there is none, and the items left before in *left. An
 * owner takes half of what is left while that is worth it, then three quarters; others take a quarter.
 */
static int32_t take(worker *owner, uint32_t step, bool own, int32_t *left)
{
    /* Relaxed: a share only deals out items. What they need became visible with the worker's own share. */
    uint64_t share = atomic_load_explicit(&owner->share, memory_order_relaxed);
    for (;;) {
        *left = (int32_t)(uint32_t)share;
        if (share >> 32 != step || *left == 0)
            return 0;
        const int32_t half = (*left + 1) / 2, quarter = (*left + 1) / 4;
        const int32_t of_own = half >= owner->pool->worth ? half : *left - quarter;
        const int32_t length = own ? of_own : quarter + (quarter == 0);
        if (atomic_compare_exchange_weak_explicit(&owner->share, &share, share - (uint64_t)length,
                                                  memory_order_relaxed, memory_order_relaxed))
            return length;
    }
}

/* Works on `step` until none of its items is left to take. */
static void work(separable_pool *pool, int32_t self, uint32_t step)
{
    for (int32_t i = 0; i < pool->threads; ++i) {
        const int32_t index = (self + i) % pool->threads;
        int32_t left, length;
        while ((length = take(&pool->workers[index], step, index == self, &left)) > 0) {
            const int32_t begin = share_begin(pool, index + 1) - left;
            pool->task(pool->context, self, begin, begin + length);
            /* Releases what the task wrote to the acquiring load in separable_pool_run(). */
            atomic_fetch_sub_explicit(&pool->pending, length, memory_order_release);
        }
    }
}

static uint32_t step_of_share(worker *owner)
{
    /* Acquires what publish() wrote before it released the share. */
    return (uint32_t)(atomic_load_explicit(&owner->share, memory_order_acquire) >> 32);
}

static void sleep_until_changed(worker *self, uint32_t seen)
{
    /*
     * Either the exchange in publish() finds this flag and wakes, or it came first; then this exchange acquires what it
     * released, and the share has changed already.
     */
    atomic_exchange_explicit(&self->asleep, 1, memory_order_acq_rel);
    if (step_of_share(self) == seen)
        syscall(SYS_futex, &self->asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

/* Returns the number of the first step after `seen`: busy for a while, since steps follow each other, then asleep. */
static uint32_t wait_for_step(worker *self, uint32_t seen)
{
    const int64_t deadline = separable_nanoseconds() + SPIN_NANOSECONDS;
    uint32_t step;
    for (unsigned spins = 1; (step = step_of_share(self)) == seen; ++spins) {
        relax();
        if (spins % 64 == 0 && separable_nanoseconds() > deadline)
            sleep_until_changed(self, seen);
    }
    return step;
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    separable_pool *pool = self->pool;
    uint32_t step = 0;
    sched_setaffinity(0, sizeof pool->cpus, &pool->cpus);
    self->id = (pid_t)syscall(SYS_gettid);
    while (!atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
        step = wait_for_step(self, step);
        work(pool, self->index, step);
    }
    return NULL;
}

/*
 * Wakes a worker away from the CPU of the calling thread. The system likes to wake a thread where its waker runs, and
 * there it would not get to run before the caller, which is busy with the same step, has used up its time slice:
 * milliseconds.
 */
static void wake(worker *sleeper)
{
    const int cpu = sched_getcpu();
    if (cpu != sleeper->cpu_left_free && getpid() == sleeper->pool->process) {
        cpu_set_t cpus = sleeper->pool->cpus;
        CPU_CLR(cpu, &cpus);
        sched_setaffinity(sleeper->id, sizeof cpus, &cpus); /* fails when no CPU is left; then they share the one */
        sleeper->cpu_left_free = cpu;
    }
    syscall(SYS_futex, &sleeper->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Makes a step known to the workers. Step numbers wrap after 2^32; no worker is late by that many. */
static uint32_t publish(separable_pool *pool)
{
    const uint32_t step = ++pool->step;
    atomic_store_explicit(&pool->pending, pool->extent, memory_order_relaxed);
    for (int32_t i = 0; i < pool->shares; ++i) {
        const int32_t items = share_begin(pool, i + 1) - share_begin(pool, i);
        /* Releases all of the above, and what earlier steps wrote, to the acquiring load in step_of_share(). */
        atomic_store_explicit(&pool->workers[i].share, (uint64_t)step << 32 | (uint32_t)items, memory_order_release);
    }
    for (int32_t i = 1; i < pool->shares; ++i) {
        if (atomic_exchange_explicit(&pool->workers[i].asleep, 0, memory_order_acq_rel))
            wake(&pool->workers[i]);
    }
    return step;
}

void separable_pool_run(separable_pool *pool, separable_task *task, void *context, int32_t extent, int32_t max_threads)
{
    const int32_t shares = max_threads > 0 && max_threads < pool->threads ? max_threads : pool->threads;
    if (shares == 1 || extent == 1) {
        task(context, 0, 0, extent);
        return;
    }
    pool->task = task;
    pool->context = context;
    pool->extent = extent;
    pool->worth = max_threads > 0 ? (int32_t)((int64_t)extent * THREADS_PER_PIECE / max_threads) : 0;
    pool->shares = shares;
    work(pool, 0, publish(pool));
    for (unsigned spins = 1; atomic_load_explicit(&pool->pending, memory_order_acquire) > 0; ++spins) {
        if (spins < SPINS_BEFORE_YIELD)
            relax();
        else
            sched_yield();
    }
}

/* Starts the threads; returns whether all could be started. They leave all signals to the threads of the program. */
static bool start(separable_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (worker *next; pool->started < pool->threads; ++pool->started) {
        next = &pool->workers[pool->started];
        if (pthread_create(&next->thread, NULL, worker_main, next) != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->started == pool->threads;
}

int32_t separable_pool_create(int32_t threads, const cpu_set_t *cpus, separable_pool **result)
{
    *result = NULL;
    void *memory;
    const size_t bytes = sizeof(separable_pool) + (size_t)threads * sizeof(worker);
    if (posix_memalign(&memory, CACHE_LINE, bytes) != 0)
        return SEPARABLE_OUT_OF_MEMORY;
    separable_pool *pool = memset(memory, 0, bytes);
    pool->threads = threads;
    pool->started = 1;
    pool->process = getpid();
    pool->cpus = *cpus;
    for (int32_t i = 0; i < threads; ++i) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
        pool->workers[i].cpu_left_free = -1;
    }
    if (!start(pool)) {
        separable_pool_destroy(pool);
        return SEPARABLE_NO_THREADS;
    }
    *result = pool;
    return SEPARABLE_OK;
}

void separable_pool_destroy(separable_pool *pool)
{
    if (!pool)
        return;
    /* A step without items lets the workers look whether they shall stop. */
    atomic_store_explicit(&pool->stopping, true, memory_order_relaxed);
    pool->extent = 0;
    pool->shares = pool->threads;
    publish(pool);
    for (int32_t i = 1; i < pool->started && getpid() == pool->process; ++i)
        pthread_join(pool->workers[i].thread, NULL);
    free(pool);
}
