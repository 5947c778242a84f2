/* The pool: every item once, no worker twice at a time or uncalled for, results visible, idle threads asleep, forks alone. */
#define _GNU_SOURCE /* cpu_set_t; nanosleep */

#include "check.h"
#include "cores.h"
#include "separable.h"
#include "threads.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EXTENT = 1000, MAX_THREADS = 4, STEPS = 200 };

typedef struct record {
    int32_t extent, threads;
    uint8_t done[MAX_EXTENT];         /* plain memory: a race would be one in the thread sanitizer too */
    atomic_bool busy[MAX_THREADS];
} record;

static void count_items(void *context, int32_t worker, int32_t begin, int32_t end)
{
    record *r = context;
    CHECK(worker >= 0 && worker < r->threads); /* at most so many take part */
    CHECK(begin >= 0 && begin < end && end <= r->extent);
    CHECK(!atomic_exchange(&r->busy[worker], true));
    for (int32_t i = begin; i < end; ++i)
        ++r->done[i];
    atomic_store(&r->busy[worker], false);
}

static separable_pool *create(int32_t threads)
{
    cpu_set_t cpus;
    separable_pool *pool;
    separable_allowed_cpus(&cpus);
    CHECK(separable_pool_create(threads, &cpus, &pool) == SEPARABLE_OK);
    return pool;
}

/* A pool of `threads` workers in steps for up to `max_threads`. */
static void test_every_item_once(separable_pool *pool, int32_t threads, int32_t max_threads)
{
    static const int32_t extents[] = {1, 2, 3, 7, 8, 9, 31, 32, 33, MAX_EXTENT};
    for (size_t e = 0; e < sizeof extents / sizeof extents[0]; ++e) {
        for (int repeat = 0; repeat < STEPS; ++repeat) {
            record r = {.extent = extents[e], .threads = max_threads && max_threads < threads ? max_threads : threads};
            separable_pool_run(pool, count_items, &r, extents[e], max_threads);
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
        separable_pool_run(pool, mirror_and_add, &c, MAX_EXTENT, step % 4);
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
    const int before = sleeping_threads();
    separable_pool *pool = create(3);
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

/* Steps that go on and on leave those workers asleep that they do without. */
static void test_limited_steps_let_the_others_sleep(void)
{
    const int before = sleeping_threads();
    separable_pool *pool = create(4);
    record r = {.extent = 2, .threads = 2};
    int steps = 0;
    do {
        separable_pool_run(pool, count_items, &r, 2, 2);
        CHECK(++steps < 10000000); /* only ends a failing test */
    } while (steps % 1000 != 0 || sleeping_threads() - before < 2);
    separable_pool_destroy(pool);
}

static void check_affinity_of_all_threads(const cpu_set_t *expected)
{
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        cpu_set_t cpus;
        if (task->d_name[0] != '.' && sched_getaffinity(atoi(task->d_name), sizeof cpus, &cpus) == 0)
            CHECK(CPU_EQUAL(&cpus, expected));
    }
    closedir(tasks);
}

/* A forked child does all items itself, leaves its parent's threads where they are, and frees its copy of the pool. */
static void test_forked(void)
{
    cpu_set_t cpus;
    separable_allowed_cpus(&cpus);
    const int before = sleeping_threads();
    separable_pool *pool = create(2);
    for (int waited = 0; sleeping_threads() - before != 1; ++waited) {
        CHECK(waited < 10000);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60); /* ends a child that hangs */
        test_every_item_once(pool, 2, 0);
        separable_pool_destroy(pool);
        _exit(EXIT_SUCCESS);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    check_affinity_of_all_threads(&cpus);
    test_every_item_once(pool, 2, 0);
    separable_pool_destroy(pool);
}

int main(void)
{
    separable_pool_destroy(NULL);
    for (int32_t threads = 1; threads <= MAX_THREADS; ++threads) {
        separable_pool *pool = create(threads);
        for (int32_t max_threads = 0; max_threads <= threads; ++max_threads)
            test_every_item_once(pool, threads, max_threads);
        /* Much work: the more there is, the smaller is a piece. */
        test_every_item_once(pool, threads, 100);
        test_every_item_once(pool, threads, 100000);
        test_steps_see_earlier_steps(pool);
        separable_pool_destroy(pool);
    }
    test_idle_threads_sleep_and_wake();
    test_limited_steps_let_the_others_sleep();
    test_forked();
    return EXIT_SUCCESS;
}
