#define _GNU_SOURCE /* cpu_set_t; posix_memalign, nanosleep */

#include "harness.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void harness_fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

void *harness_allocate(size_t bytes)
{
    void *memory;
    if (posix_memalign(&memory, 64, bytes ? bytes : 64) != 0)
        harness_fail(HARNESS_NO_MEMORY, "no memory for %zu bytes", bytes);
    memset(memory, 0xff, bytes);
    return memory;
}

void *harness_load(const char *path, size_t slack, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        harness_fail(HARNESS_NO_FILE, "cannot open %s", path);
    const long size = ftell(file);
    rewind(file);
    if (size < 0)
        harness_fail(HARNESS_NO_FILE, "cannot read %s", path);
    unsigned char *memory = harness_allocate((size_t)size + slack);
    if (fread(memory, 1, (size_t)size, file) != (size_t)size)
        harness_fail(HARNESS_NO_FILE, "cannot read %s", path);
    fclose(file);
    if (bytes)
        *bytes = (size_t)size;
    return memory;
}

int64_t harness_number(const char *text)
{
    char *end;
    const long long number = strtoll(text, &end, 10);
    if (end == text || *end || number < 0)
        harness_fail(HARNESS_USAGE, "'%s' is no number", text);
    return number;
}

void harness_pin(const char *list, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    if (!*list) {
        sched_getaffinity(0, sizeof *cpus, cpus);
        return;
    }
    for (const char *at = list; *at;) {
        char *end;
        const long first = strtol(at, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (end == at || first < 0 || last < first || last >= CPU_SETSIZE || (*end && *end != ','))
            harness_fail(HARNESS_USAGE, "'%s' is no list of CPUs", list);
        for (long cpu = first; cpu <= last; ++cpu)
            CPU_SET((size_t)cpu, cpus);
        at = *end ? end + 1 : end;
    }
    if (sched_setaffinity(0, sizeof *cpus, cpus) != 0)
        harness_fail(HARNESS_USAGE, "the CPUs %s cannot be used", list);
}

int64_t harness_frequency(const cpu_set_t *cpus)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET((size_t)cpu, cpus))
            continue;
        char path[96];
        int64_t khz = 0;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
        FILE *file = fopen(path, "r");
        if (!file)
            return 0;
        const int read = fscanf(file, "%" SCNd64, &khz);
        fclose(file);
        return read == 1 ? khz : 0;
    }
    return 0;
}

void harness_sleep(int64_t milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

double harness_error(const float *actual, const float *expected, size_t count)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(expected[i]))
            continue;
        const double difference = fabs((double)actual[i] - expected[i]);
        if (!(difference <= worst))
            worst = isnan(difference) ? INFINITY : difference;
        largest = fmax(largest, fabs(expected[i]));
    }
    return worst / (largest > 0 ? largest : 1);
}

void harness_print_samples(const char *name, const int64_t *samples, int count)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < count; ++i)
        printf("%s%" PRId64, i ? ", " : "", samples[i]);
    printf("], ");
}

void harness_print_end(double error, int64_t before, int64_t after)
{
    printf("\"max_error\": %.3g, ", error < 1e30 ? error : 1e30);
    if (before && after)
        printf("\"frequency_khz\": [%" PRId64 ", %" PRId64 "], ", before, after);
    else
        printf("\"frequency_khz\": null, ");
    printf("\"cpu\": %d}\n", sched_getcpu());
}
