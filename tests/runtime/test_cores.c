/* The choice of CPUs, on made-up machines and on this one. */
#define _GNU_SOURCE /* cpu_set_t, nftw; sched_getaffinity */

#include "check.h"
#include "cores.h"
#include "threads.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CPUS = 8 };

/* What a made-up machine tells about its CPUs; 0: the file is missing. */
typedef struct machine {
    long capacity[CPUS], megahertz[CPUS], midr[CPUS];
} machine;

static const machine prime_and_small = {{284, 284, 284, 284, 871, 871, 871, 1024}, {0}, {0}};
/* Capacities count, not the clocks, which are the same. */
static const machine big_little = {{1024, 1024, 1024, 1024, 446, 446, 446, 446},
                                   {1800, 1800, 1800, 1800, 1800, 1800, 1800, 1800}, {0}};
static const machine clocks_only = {{0}, {1785, 1785, 1785, 1785, 2419, 2419, 2419, 2841}, {0}};
static const machine alike = {{1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}, {0}, {0}};
static const machine favoured = {{0}, {5500, 5500, 5700, 5700, 5500, 5500, 5500, 5500}, {0}};
static const machine silent = {{0}, {0}, {0}};
static const machine two_silent = {{284, 284, 284, 284, 871, 871, 0, 0},
                                   {1785, 1785, 1785, 1785, 2419, 2419, 0, 0}, {0}};

enum { A53 = 0x410fd034, A55 = 0x411fd050, A72 = 0x410fd083, A76 = 0x413fd0b1, SILVER = 0x51df805e };
static const machine mixed = {{446, 446, 446, 446, 1024, 1024, 1024, 1024}, {0},
                              {A55, A55, SILVER, A55, A76, A76, A76, A76}};
static const machine old_and_mixed = {{0}, {0}, {A53, A53, A53, A53, A72, A72, A72, A72}};
static const machine small_only = {{1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024}, {0},
                                   {A53, A53, A53, A53, A53, A53, A53, A53}};
/* One file is missing: capacities decide. */
static const machine one_secret = {{284, 284, 284, 284, 871, 871, 871, 1024}, {0},
                                   {A55, A55, A55, A55, 0, A76, A76, A76}};

static char sysfs[] = "/tmp/separable-sysfs-XXXXXX";

__attribute__((format(printf, 2, 3)))
static void write_file(long value, const char *format, ...)
{
    char path[200];
    va_list arguments;
    va_start(arguments, format);
    const int root = snprintf(path, sizeof path, "%s/", sysfs);
    vsnprintf(path + root, sizeof path - (size_t)root, format, arguments);
    va_end(arguments);
    for (char *slash = path + root; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fprintf(file, strstr(path, "midr") ? "0x%016lx\n" : "%ld\n", value) > 0 && fclose(file) == 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void build(const machine *m)
{
    nftw(sysfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    CHECK(mkdir(sysfs, 0700) == 0);
    for (int cpu = 0; cpu < CPUS; ++cpu) {
        if (m->capacity[cpu])
            write_file(m->capacity[cpu], "devices/system/cpu/cpu%d/cpu_capacity", cpu);
        if (m->megahertz[cpu])
            write_file(1000 * m->megahertz[cpu], "devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
        if (m->midr[cpu])
            write_file(m->midr[cpu], "devices/system/cpu/cpu%d/regs/identification/midr_el1", cpu);
    }
}

/* Sets as text, one digit or dot a CPU: "0123....". */
static cpu_set_t parse(const char *text)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (size_t cpu = 0; cpu < strlen(text); ++cpu) {
        if (text[cpu] != '.')
            CPU_SET(cpu, &cpus);
    }
    return cpus;
}

static void check_choice(const machine *m, int32_t cores, const char *allowed, const char *expected)
{
    const separable_options options = {.struct_size = sizeof options, .cores = cores};
    cpu_set_t cpus = parse(allowed);
    const cpu_set_t right = parse(expected);
    char error[64] = "";
    build(m);
    CHECK(separable_choose_cpus(sysfs, &options, &cpus, error, sizeof error) == SEPARABLE_OK);
    CHECK(CPU_EQUAL(&cpus, &right));
    CHECK(strcmp(error, "") == 0);
}

static void test_big_cores(void)
{
    for (int32_t cores = SEPARABLE_CORES_DEFAULT; cores <= SEPARABLE_CORES_BIG; cores += SEPARABLE_CORES_BIG) {
        check_choice(&prime_and_small, cores, "01234567", "....4567");
        check_choice(&big_little, cores, "01234567", "0123....");
        check_choice(&clocks_only, cores, "01234567", "....4567");
        check_choice(&alike, cores, "01234567", "01234567");
        check_choice(&favoured, cores, "01234567", "01234567");
        check_choice(&silent, cores, "01234567", "01234567");
    }
    check_choice(&prime_and_small, SEPARABLE_CORES_ALL, "01234567", "01234567");
}

/* A process that may use some CPUs only, because of its affinity mask or because the others are offline. */
static void test_allowed_cores(void)
{
    check_choice(&prime_and_small, SEPARABLE_CORES_BIG, "0123456.", "....456.");
    check_choice(&prime_and_small, SEPARABLE_CORES_BIG, "0.2.....", "0.2.....");
    check_choice(&prime_and_small, SEPARABLE_CORES_BIG, ".......7", ".......7");
    check_choice(&prime_and_small, SEPARABLE_CORES_ALL, "0.2....7", "0.2....7");
    /* The two that tell nothing count only where they may be used; half of an answer is none. */
    check_choice(&two_silent, SEPARABLE_CORES_BIG, "012345..", "....45..");
    check_choice(&two_silent, SEPARABLE_CORES_BIG, "01234567", "01234567");
}

static int32_t choose_listed(const int32_t *list, int32_t count, cpu_set_t *cpus, char *error, size_t size)
{
    const separable_options options = {.struct_size = sizeof options, .cpu_count = count, .cpus = list};
    return separable_choose_cpus(sysfs, &options, cpus, error, size);
}

static void test_listed_cores(void)
{
    cpu_set_t cpus = parse("01.34567");
    const cpu_set_t right = parse(".1...5.");
    char error[128] = "";
    CHECK(choose_listed((const int32_t[]){5, 1, 5}, 3, &cpus, error, sizeof error) == SEPARABLE_OK);
    CHECK(CPU_EQUAL(&cpus, &right));

    static const int32_t wrong[] = {2, 8, -1, CPU_SETSIZE, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
        char expected[128];
        snprintf(expected, sizeof expected, "options.cpus[1] is %" PRId32 ", a CPU that is not there or not allowed",
                 wrong[i]);
        cpus = parse("01.34567");
        const int32_t list[] = {0, wrong[i]};
        CHECK(choose_listed(list, 2, &cpus, error, sizeof error) == SEPARABLE_INVALID_ARGUMENT);
        CHECK(strcmp(error, expected) == 0);
    }
    cpus = parse("0");
    CHECK(choose_listed(wrong, 0, &cpus, error, sizeof error) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strstr(error, "options.cpu_count 0, expected"));
    CHECK(choose_listed(wrong, -1, &cpus, error, sizeof error) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(choose_listed(NULL, 1, &cpus, error, sizeof error) == SEPARABLE_INVALID_ARGUMENT);
    for (int32_t cores = -1; cores <= 3; cores += 4) {
        const separable_options options = {.struct_size = sizeof options, .cores = cores};
        CHECK(separable_choose_cpus(sysfs, &options, &cpus, error, sizeof error) == SEPARABLE_INVALID_ARGUMENT);
        CHECK(strstr(error, cores < 0 ? "options.cores is -1" : "options.cores is 3"));
    }
}

static bool in_order(const machine *m, const char *text)
{
    const cpu_set_t cpus = parse(text);
    build(m);
    return separable_in_order(sysfs, &cpus);
}

static void test_order_of_instructions(void)
{
    CHECK(!in_order(&mixed, "....4567"));
    CHECK(in_order(&mixed, "0123...."));
    CHECK(in_order(&mixed, "..2....."));
    CHECK(in_order(&mixed, "01234567"));
    CHECK(!in_order(&old_and_mixed, "....4..7"));
    CHECK(in_order(&old_and_mixed, "0..3...."));
    CHECK(in_order(&small_only, "01234567"));
    CHECK(!in_order(&one_secret, "....4567"));
    CHECK(in_order(&one_secret, "0.......") && in_order(&one_secret, "...34..."));
    CHECK(!in_order(&prime_and_small, "....4567"));
    CHECK(in_order(&prime_and_small, "01234567"));
#if !defined(__aarch64__)
    /* Nothing tells: what loses least. */
    CHECK(in_order(&silent, "01234567") && in_order(&alike, "01234567"));
#else
    /* The core that this runs on tells for all, and all the same. */
    CHECK(in_order(&silent, "01234567") == in_order(&alike, "0......."));
#endif
}

typedef struct places {
    _Atomic int32_t workers_seen;
    cpu_set_t allowed[3];
} places;

static void note_affinity(void *context, int32_t worker, int32_t begin, int32_t end)
{
    (void)begin, (void)end;
    places *p = context;
    CHECK(sched_getaffinity(0, sizeof(cpu_set_t), &p->allowed[worker]) == 0);
    atomic_fetch_or(&p->workers_seen, 1 << worker);
}

static bool is_within(const cpu_set_t *part, const cpu_set_t *whole)
{
    cpu_set_t both;
    CPU_AND(&both, part, whole);
    return CPU_EQUAL(&both, part);
}

/* Started threads keep to the CPUs chosen, also after they were woken; the caller may run where it might before. */
static void test_affinity(void)
{
    cpu_set_t before, after, chosen;
    separable_allowed_cpus(&before);
    CPU_ZERO(&chosen);
    for (size_t cpu = 0; CPU_COUNT(&chosen) == 0; ++cpu) {
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &chosen);
    }
    separable_pool *pool;
    CHECK(separable_pool_create(3, &chosen, &pool) == SEPARABLE_OK);
    for (int round = 0; round < 3; ++round) {
        places p = {.workers_seen = 0};
        for (int step = 0; atomic_load(&p.workers_seen) != 7; ++step) {
            CHECK(step < 1000000); /* only ends a failing test */
            separable_pool_run(pool, note_affinity, &p, 3, 0);
        }
        CHECK(CPU_EQUAL(&p.allowed[0], &before));
        CHECK(is_within(&p.allowed[1], &chosen) && is_within(&p.allowed[2], &chosen));
        usleep(2000); /* for the workers to fall asleep */
    }
    separable_pool_destroy(pool);
    separable_allowed_cpus(&after);
    CHECK(CPU_EQUAL(&before, &after) && CPU_COUNT(&before) >= 1);
}

int main(void)
{
    CHECK(mkdtemp(sysfs));
    test_big_cores();
    test_allowed_cores();
    test_listed_cores();
    test_order_of_instructions();
    nftw(sysfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    test_affinity();
    return EXIT_SUCCESS;
}
