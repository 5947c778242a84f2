#define _GNU_SOURCE /* cpu_set_t, sched_getaffinity */

#include "cores.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

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
    return strtol(text, NULL, 0);
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

/*
 * Cores that start instructions in program order, by who made them and the part number in MIDR_EL1: Arm's Cortex-A34,
 * A53, A35, A55, A510 and A520, and the silver cores of Qualcomm's Kryo, which are A53 and A55.
 */
static bool runs_in_order(uint64_t midr)
{
    static const uint32_t cores[] = {0x41d02, 0x41d03, 0x41d04, 0x41d05, 0x41d46, 0x41d80, 0x51801, 0x51803, 0x51805};
    const uint32_t core = (uint32_t)(midr >> 24 & 0xff) << 12 | (uint32_t)(midr >> 4 & 0xfff);
    for (size_t i = 0; i < sizeof cores / sizeof cores[0]; ++i) {
        if (cores[i] == core)
            return true;
    }
    return false;
}

/* MIDR_EL1 of the CPU this runs on; 0 where the system does not let it be read. */
static uint64_t own_midr(void)
{
    uint64_t midr = 0;
#if defined(__aarch64__)
    enum { MIDR_CAN_BE_READ = 1 << 11 }; /* HWCAP_CPUID, which old C libraries do not name */
    if (getauxval(AT_HWCAP) & MIDR_CAN_BE_READ)
        __asm__ volatile("mrs %0, midr_el1" : "=r"(midr));
#endif
    return midr;
}

bool separable_in_order(const char *sysfs, const cpu_set_t *cpus)
{
    enum { SMALL_PERCENT = 50 }; /* of the largest capacity: what small cores have less of, and medium ones more */
    long largest = 0, smallest = 0, least = 0; /* capacity of all CPUs, and of those in `cpus` */
    bool known = true;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        const bool chosen = CPU_ISSET(cpu, cpus);
        const long midr = chosen && known ? read_number(sysfs, cpu, "regs/identification/midr_el1") : 0;
        if (midr > 0 && runs_in_order((uint64_t)midr))
            return true;
        known = known && (!chosen || midr > 0);
    }
    if (known)
        return false;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        const long capacity = read_number(sysfs, cpu, "cpu_capacity");
        if (capacity <= 0)
            break;
        largest = capacity > largest ? capacity : largest;
        smallest = !smallest || capacity < smallest ? capacity : smallest;
        if (CPU_ISSET(cpu, cpus) && (!least || capacity < least))
            least = capacity;
    }
    if (smallest < largest)
        return 100 * least < SMALL_PERCENT * largest;
    const uint64_t midr = own_midr(); /* all are alike */
    return !midr || runs_in_order(midr);
}
