/*
 * Runs a whole model, checks its outputs and times it, as a whole and kernel by kernel.
 *
 *   program RUNS THREADS CPUS TOLERANCE COOLDOWN INPUTS OUTPUTS
 *
 * The files are named input0, ... and expected0, ...; OUTPUTS has one letter for each: `f` floats, which are compared
 * within the tolerance, `b` bytes, which must be equal.
 */
#define _GNU_SOURCE /* cpu_set_t; clock_gettime */

#include "clock.h"
#include "harness.h"
#include "separable.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = 64, MOST_CPUS = 64, MOST_RUNS = 100 };

int32_t network_create(const separable_options *options, separable_handle **handle);
int32_t network_run(separable_handle *handle, const void *const inputs[], void *const outputs[]);
int32_t network_profile(separable_handle *handle, const void *const inputs[], void *const outputs[],
                        separable_kernel_time times[], int32_t capacity);
const char *network_last_error(const separable_handle *handle);

static void check(int32_t status, const separable_handle *handle)
{
    if (status < 0)
        harness_fail(HARNESS_USAGE, "%s", network_last_error(handle));
}

/* Whether this step is the first one of its kernel. */
static int is_first(const separable_kernel_time *times, int32_t step)
{
    for (int32_t i = 0; i < step; ++i) {
        if (strcmp(times[i].kernel, times[step].kernel) == 0)
            return 0;
    }
    return 1;
}

/* Prints for each kernel the nanoseconds of all its calls, run by run. */
static void print_kernels(const separable_kernel_time *times, int32_t steps, int runs)
{
    printf("\"kernels\": {");
    for (int32_t first = 0; first < steps; ++first) {
        if (!is_first(times, first))
            continue;
        printf("%s\"%s\": [", first ? ", " : "", times[first].kernel);
        for (int run = 0; run < runs; ++run) {
            int64_t sum = 0;
            for (int32_t i = first; i < steps; ++i) {
                if (strcmp(times[i].kernel, times[first].kernel) == 0)
                    sum += times[(size_t)run * (size_t)steps + (size_t)i].nanoseconds;
            }
            printf("%s%" PRId64, run ? ", " : "", sum);
        }
        printf("]");
    }
    printf("}, ");
}

int main(int argc, char **argv)
{
    if (argc != 8)
        harness_fail(HARNESS_USAGE, "7 arguments expected");
    const int runs = (int)harness_number(argv[1]);
    const double tolerance = strtod(argv[4], NULL);
    const int inputs = (int)harness_number(argv[6]);
    const int outputs = (int)strlen(argv[7]);
    if (runs < 1 || runs > MOST_RUNS || inputs > MOST_TENSORS || outputs > MOST_TENSORS)
        harness_fail(HARNESS_USAGE, "an argument is out of range");
    cpu_set_t cpus;
    harness_pin(argv[3], &cpus);

    const void *in[MOST_TENSORS];
    void *out[MOST_TENSORS], *expected[MOST_TENSORS];
    size_t sizes[MOST_TENSORS];
    char name[32];
    for (int i = 0; i < inputs; ++i) {
        snprintf(name, sizeof name, "input%d", i);
        in[i] = harness_load(name, 0, NULL);
    }
    for (int i = 0; i < outputs; ++i) {
        snprintf(name, sizeof name, "expected%d", i);
        expected[i] = harness_load(name, 0, &sizes[i]);
        out[i] = harness_allocate(sizes[i]);
    }

    int32_t numbers[MOST_CPUS], count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < MOST_CPUS; ++cpu) {
        if (CPU_ISSET((size_t)cpu, &cpus))
            numbers[count++] = cpu;
    }
    const separable_options options = {sizeof options, (int32_t)harness_number(argv[2]), 0, count, numbers};
    separable_handle *handle = NULL;
    check(network_create(&options, &handle), handle);
    check(network_run(handle, in, out), handle);
    double error = 0;
    for (int i = 0; i < outputs; ++i) {
        const int floats = argv[7][i] == 'f';
        const double off = floats ? harness_error(out[i], expected[i], sizes[i] / sizeof(float))
                                  : (memcmp(out[i], expected[i], sizes[i]) == 0 ? 0 : INFINITY);
        error = fmax(error, off);
    }

    const int right = error <= tolerance;
    int64_t whole[MOST_RUNS];
    const int32_t steps = network_profile(handle, in, out, NULL, 0);
    separable_kernel_time *times = calloc((size_t)steps * (size_t)runs, sizeof *times);
    if (!times)
        harness_fail(HARNESS_NO_MEMORY, "no memory for the times");
    harness_sleep(harness_number(argv[5]));
    const int64_t before = harness_frequency(&cpus);
    for (int run = 0; right && run < runs; ++run) {
        const int64_t start = separable_nanoseconds();
        check(network_run(handle, in, out), handle);
        whole[run] = separable_nanoseconds() - start;
        check(network_profile(handle, in, out, times + (size_t)run * (size_t)steps, steps), handle);
    }
    const int64_t after = harness_frequency(&cpus);
    printf("{");
    harness_print_samples("samples_ns", whole, right ? runs : 0);
    print_kernels(times, right ? steps : 0, runs);
    harness_print_end(error, before, after);
    return 0;
}
