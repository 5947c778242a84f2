/* The pool: every item once, no worker twice at a time, results visible, idle threads asleep. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "separable.h"
#include "threads.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { MAX_EXTENT = 1000, MAX_THREADS = 4, STEPS = 300 };

typedef struct record {
    int32_t extent, threads;
    uint8_t done[MAX_EXTENT];         /* plain memory: a race would be one in the thread sanitizer too */
    atomic_bool busy[MAX_THREADS];
} record;

static void count_items(void *context, int32_t worker, int32_t begin, int32_t end)
{
    record *r = context;
    CHECK(worker >= 0 && worker < r->threads);
    CHECK(begin >= 0 && begin < end && end <= r->extent);
    CHECK(!atomic_exchange(&r->busy[worker], true));
    for (int32_t i = begin; i < end; ++i)
        ++r->done[i];
    atomic_store(&r->busy[worker], false);
}

static void test_every_item_once(separable_pool *pool, int32_t threads)
{
    static const int32_t extents[] = {1, 2, 3, 7, 8, 9, 31, 32, 33, MAX_EXTENT};
    for (size_t e = 0; e < sizeof extents / sizeof extents[0]; ++e) {
        for (int repeat = 0; repeat < STEPS; ++repeat) {
            record r = {.extent = extents[e], .threads = threads};
            separable_pool_run(pool, count_items, &r, extents[e]);
            for (int32_t i = 0; i < extents[e]; ++i)
                CHECK(r.done[i] == 1);
        }
    }
}

typedef struct chain {
    const int32_t *from;
    int32_t *to;
} chain;

/* Mirrors, so that most items read what another worker wrote in the step before. */
static void mirror_and_add(void *context, int32_t worker, int32_t begin, int32_t end)
{
    (void)worker;
    const chain *c = context;
    for (int32_t i = begin; i < end; ++i)
        c->to[i] = c->from[MAX_EXTENT - 1 - i] + 1;
}

static void test_steps_see_earlier_steps(separable_pool *pool)
{
    static int32_t buffers[2][MAX_EXTENT];
    memset(buffers, 0, sizeof buffers);
    for (int step = 0; step < STEPS; ++step) {
        chain c = {buffers[step % 2], buffers[1 - step % 2]};
        separable_pool_run(pool, mirror_and_add, &c, MAX_EXTENT);
    }
    for (int32_t i = 0; i < MAX_EXTENT; ++i)
        CHECK(buffers[STEPS % 2][i] == STEPS);
}

/* The threads of this process in state S (sleeping), as the kernel sees them. */
static int sleeping_threads(void)
{
    int sleeping = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300], line[512] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        const size_t length = fread(line, 1, sizeof line - 1, file);
        line[length] = '\0';
        fclose(file);
        const char *name_end = strrchr(line, ')');
        sleeping += name_end && name_end[1] == ' ' && name_end[2] == 'S';
    }
    closedir(tasks);
    return sleeping;
}

static void test_idle_threads_sleep_and_wake(void)
{
    separable_pool *pool;
    const int before = sleeping_threads();
    CHECK(separable_pool_create(3, &pool) == SEPARABLE_OK);
    for (int round = 0; round < 3; ++round) {
        test_steps_see_earlier_steps(pool);
        int waited = 0;
        while (sleeping_threads() - before != 2) {
            CHECK(++waited < 10000); /* they sleep at once; the bound only ends a failing test */
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    separable_pool_destroy(pool);
}

int main(void)
{
    CHECK(separable_cpu_count() >= 1);
    separable_pool_destroy(NULL);
    for (int32_t threads = 1; threads <= MAX_THREADS; ++threads) {
        separable_pool *pool;
        CHECK(separable_pool_create(threads, &pool) == SEPARABLE_OK);
        test_every_item_once(pool, threads);
        test_steps_see_earlier_steps(pool);
        separable_pool_destroy(pool);
    }
    test_idle_threads_sleep_and_wake();
    return EXIT_SUCCESS;
}
