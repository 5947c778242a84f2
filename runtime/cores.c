#define _GNU_SOURCE /* cpu_set_t, sched_getaffinity */

#include "cores.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A core is big if it has at least this part of the fastest one's speed. A phone with one prime, three big and four
 * small cores shall use the first four: in the Snapdragon 855, the clocks of 2.84, 2.42 and 1.78 GHz are 85 % and 63 %
 * of the prime core's. Where the system tells the capacity, which knows that small cores also do less per cycle, they
 * come out below 50 %. Small cores bring less than they cost: all wait for the piece that one of them took last.
 */
enum { BIG_PERCENT = 70 };

void separable_allowed_cpus(cpu_set_t *cpus)
{
    if (sched_getaffinity(0, sizeof *cpus, cpus) == 0)
        return;
    /* The system has more CPUs than a cpu_set_t holds; those that it holds are enough. */
    CPU_ZERO(cpus);
    for (long cpu = 0; cpu == 0 || (cpu < CPU_SETSIZE && cpu < sysconf(_SC_NPROCESSORS_ONLN)); ++cpu)
        CPU_SET((size_t)cpu, cpus);
}

/* The number in a file about a CPU, 0 if there is none. Allocates nothing, as the streams of stdio would. */
static long read_number(const char *sysfs, int cpu, const char *name)
{
    char text[512];
    snprintf(text, sizeof text, "%s/devices/system/cpu/cpu%d/%s", sysfs, cpu, name);
    const int file = open(text, O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = '\0';
    return strtol(text, NULL, 10);
}

/* Removes the small cores, judged by one kind of file. Returns false if that does not tell the speed of all. */
static bool remove_small(const char *sysfs, const char *name, cpu_set_t *cpus)
{
    long speeds[CPU_SETSIZE] = {0}, fastest = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, cpus) && (speeds[cpu] = read_number(sysfs, cpu, name)) <= 0)
            return false;
        fastest = speeds[cpu] > fastest ? speeds[cpu] : fastest;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (100 * speeds[cpu] < BIG_PERCENT * fastest)
            CPU_CLR(cpu, cpus);
    }
    return true;
}

static int32_t choose_listed(const separable_options *options, cpu_set_t *cpus, char *error, size_t size)
{
    const cpu_set_t allowed = *cpus;
    CPU_ZERO(cpus);
    for (int32_t i = 0; i < options->cpu_count; ++i) {
        const int32_t cpu = options->cpus[i];
        if (!CPU_ISSET(cpu, &allowed)) { /* it holds no number that is negative or too large */
            snprintf(error, size, "options.cpus[%" PRId32 "] is %" PRId32 ", a CPU that is not there or not allowed", i,
                     cpu);
            return SEPARABLE_INVALID_ARGUMENT;
        }
        CPU_SET(cpu, cpus);
    }
    return SEPARABLE_OK;
}

int32_t separable_choose_cpus(const char *sysfs, const separable_options *options, cpu_set_t *cpus, char *error,
                              size_t size)
{
    if (options->cpus && options->cpu_count > 0)
        return choose_listed(options, cpus, error, size);
    if (options->cpus || options->cpu_count != 0 || (uint32_t)options->cores > SEPARABLE_CORES_BIG) {
        snprintf(error, size, "options.cores is %" PRId32 " and options.cpu_count %" PRId32 ", expected"
                 " SEPARABLE_CORES_DEFAULT, _ALL or _BIG, or a list of at least one CPU",
                 options->cores, options->cpu_count);
        return SEPARABLE_INVALID_ARGUMENT;
    }
    /* Nothing may tell the speeds; then the cores are taken to be alike. */
    if (options->cores != SEPARABLE_CORES_ALL && !remove_small(sysfs, "cpu_capacity", cpus))
        remove_small(sysfs, "cpufreq/cpuinfo_max_freq", cpus);
    return SEPARABLE_OK;
}
