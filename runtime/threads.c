/*
 * How a loop is shared out. Each worker owns a contiguous share of the items, so that in consecutive steps it meets the
 * data it has in its cache. A worker takes three quarters of what is left of its own share at a time, then helps the
 * others by taking a quarter of what is left of theirs: large pieces first, small ones to even out the end.
 *
 * Nobody waits for a thread that has not begun: a step is over when all items are done, whoever did them. A worker that
 * sleeps, or that the system keeps off the CPU, loses its share to the others instead of delaying them.
 *
 * What makes this safe is that a share carries the number of its step. A worker that comes late finds another number
 * and takes nothing; a worker that took a piece keeps its step from ending, hence the step's data from changing.
 */
#define _GNU_SOURCE /* sched_getaffinity, sched_getcpu, syscall */

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

typedef struct worker {
    _Alignas(CACHE_LINE) _Atomic uint64_t share; /* step number << 32 | items left */
    separable_pool *pool;
    int32_t index;
    _Atomic pid_t id; /* of the kernel's thread, 0 until it runs */
    pthread_t thread;
} worker;

struct separable_pool {
    /* Written by the caller between steps; read by a worker only while it holds a piece of the step. */
    separable_task *task;
    void *context;
    int32_t extent;
    int32_t threads;
    int cpu_left_free; /* the CPU that the workers keep off, -1 for none */

    _Alignas(CACHE_LINE) _Atomic uint32_t step; /* number of the latest step; also the futex that workers sleep on */
    _Atomic int32_t sleepers;
    atomic_bool stopping;
    _Alignas(CACHE_LINE) _Atomic int32_t pending; /* items of the step that are not done */
    worker workers[];
};

int32_t separable_cpu_count(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        return CPU_COUNT(&cpus);
    const long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    return online > 0 ? (int32_t)online : 1;
}

static void relax(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* yield is a no-op on most cores; isb waits for about as long as pause does */
#endif
}

static int32_t share_begin(int32_t extent, int32_t threads, int32_t index)
{
    return (int32_t)((int64_t)extent * index / threads);
}

/* Takes a piece of a share of `step`. Returns its length, 0 if there is none, and the items left before in *left. */
static int32_t take(worker *owner, uint32_t step, bool own, int32_t *left)
{
    /* Relaxed: a share only deals out items. What they need became visible with the number of the step. */
    uint64_t share = atomic_load_explicit(&owner->share, memory_order_relaxed);
    for (;;) {
        *left = (int32_t)(uint32_t)share;
        if (share >> 32 != step || *left == 0)
            return 0;
        const int32_t quarter = (*left + 1) / 4;
        const int32_t length = own ? *left - quarter : quarter + (quarter == 0);
        if (atomic_compare_exchange_weak_explicit(&owner->share, &share, share - (uint64_t)length,
                                                  memory_order_relaxed, memory_order_relaxed))
            return length;
    }
}

/* Works on `step` until none of its items is left to take. */
static void work(separable_pool *pool, int32_t self, uint32_t step)
{
    const int32_t threads = pool->threads;
    for (int32_t i = 0; i < threads; ++i) {
        const int32_t index = (self + i) % threads;
        int32_t left, length;
        while ((length = take(&pool->workers[index], step, index == self, &left)) > 0) {
            const int32_t begin = share_begin(pool->extent, threads, index + 1) - left;
            pool->task(pool->context, self, begin, begin + length);
            /* Releases what the task wrote to the acquiring load in separable_pool_run(). */
            atomic_fetch_sub_explicit(&pool->pending, length, memory_order_release);
        }
    }
}

/*
 * Keeps the workers off the CPU of the calling thread. The system likes to wake a thread where its waker runs, and there
 * it would not get to run before the caller, which is busy with the same step, has used up its time slice: milliseconds.
 */
static void leave_cpu_to_caller(separable_pool *pool)
{
    const int cpu = sched_getcpu();
    cpu_set_t cpus;
    if (cpu == pool->cpu_left_free || cpu < 0 || sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return;
    CPU_CLR(cpu, &cpus);
    pool->cpu_left_free = cpu;
    for (int32_t i = 1; i < pool->threads; ++i) {
        const pid_t id = atomic_load_explicit(&pool->workers[i].id, memory_order_relaxed);
        /* It fails when no CPU is left; then they share the one there is. A thread that has not started is told later. */
        if (id == 0)
            pool->cpu_left_free = -1;
        else
            sched_setaffinity(id, sizeof cpus, &cpus);
    }
}

static void wake_sleepers(separable_pool *pool)
{
    /* Sequentially consistent, as is the store of pool->step before it: see sleep_until_changed(). */
    if (atomic_load(&pool->sleepers) == 0)
        return;
    leave_cpu_to_caller(pool);
    syscall(SYS_futex, &pool->step, FUTEX_WAKE_PRIVATE, pool->threads, NULL, NULL, 0);
}

static void sleep_until_changed(separable_pool *pool, uint32_t seen)
{
    /*
     * Either wake_sleepers() sees this count, or its load came first in the one order of all sequentially consistent
     * operations; then so did the store of the step, and the kernel finds the number changed and does not sleep.
     */
    atomic_fetch_add(&pool->sleepers, 1);
    syscall(SYS_futex, &pool->step, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
}

/* Returns the number of the first step after `seen`: busy for a while, since steps follow each other, then asleep. */
static uint32_t wait_for_step(separable_pool *pool, uint32_t seen)
{
    const int64_t deadline = separable_nanoseconds() + SPIN_NANOSECONDS;
    uint32_t step;
    for (unsigned spins = 1; (step = atomic_load_explicit(&pool->step, memory_order_acquire)) == seen; ++spins) {
        relax();
        if (spins % 64 == 0 && separable_nanoseconds() > deadline)
            sleep_until_changed(pool, seen);
    }
    return step;
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    separable_pool *pool = self->pool;
    uint32_t step = 0;
    atomic_store_explicit(&self->id, (pid_t)syscall(SYS_gettid), memory_order_relaxed);
    for (;;) {
        step = wait_for_step(pool, step);
        if (atomic_load_explicit(&pool->stopping, memory_order_relaxed))
            return NULL;
        work(pool, self->index, step);
    }
}

/* Makes a step known to the workers. Step numbers wrap after 2^32; no worker is late by that many. */
static uint32_t publish(separable_pool *pool, separable_task *task, void *context, int32_t extent)
{
    const uint32_t step = atomic_load_explicit(&pool->step, memory_order_relaxed) + 1;
    pool->task = task;
    pool->context = context;
    pool->extent = extent;
    atomic_store_explicit(&pool->pending, extent, memory_order_relaxed);
    for (int32_t i = 0; i < pool->threads; ++i) {
        const int32_t items = share_begin(extent, pool->threads, i + 1) - share_begin(extent, pool->threads, i);
        const uint64_t share = (uint64_t)step << 32 | (uint32_t)items;
        atomic_store_explicit(&pool->workers[i].share, share, memory_order_relaxed);
    }
    /* Releases all of the above, and what earlier steps wrote, to the acquiring load in wait_for_step(). */
    atomic_store(&pool->step, step);
    wake_sleepers(pool);
    return step;
}

void separable_pool_run(separable_pool *pool, separable_task *task, void *context, int32_t extent)
{
    if (pool->threads == 1 || extent == 1) {
        task(context, 0, 0, extent);
        return;
    }
    work(pool, 0, publish(pool, task, context, extent));
    for (unsigned spins = 1; atomic_load_explicit(&pool->pending, memory_order_acquire) > 0; ++spins) {
        if (spins < SPINS_BEFORE_YIELD)
            relax();
        else
            sched_yield();
    }
}

/* Ends the first `count` threads. */
static void stop(separable_pool *pool, int32_t count)
{
    /* Relaxed: the store of the step publishes it. No share carries this number, so nobody works on it. */
    atomic_store_explicit(&pool->stopping, true, memory_order_relaxed);
    atomic_fetch_add(&pool->step, 1);
    wake_sleepers(pool);
    for (int32_t i = 1; i <= count; ++i)
        pthread_join(pool->workers[i].thread, NULL);
}

/* Starts the threads; returns how many could be started. They leave all signals to the threads of the program. */
static int32_t start(separable_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int32_t started = 0;
    while (started < pool->threads - 1) {
        worker *next = &pool->workers[started + 1];
        if (pthread_create(&next->thread, NULL, worker_main, next) != 0)
            break;
        ++started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

int32_t separable_pool_create(int32_t threads, separable_pool **result)
{
    *result = NULL;
    void *memory;
    const size_t bytes = sizeof(separable_pool) + (size_t)threads * sizeof(worker);
    if (posix_memalign(&memory, CACHE_LINE, bytes) != 0)
        return SEPARABLE_OUT_OF_MEMORY;
    separable_pool *pool = memset(memory, 0, bytes);
    pool->threads = threads;
    pool->cpu_left_free = -1;
    for (int32_t i = 0; i < threads; ++i) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
    }
    const int32_t started = start(pool);
    if (started < threads - 1) {
        stop(pool, started);
        free(pool);
        return SEPARABLE_NO_THREADS;
    }
    *result = pool;
    return SEPARABLE_OK;
}

void separable_pool_destroy(separable_pool *pool)
{
    if (!pool)
        return;
    stop(pool, pool->threads - 1);
    free(pool);
}
