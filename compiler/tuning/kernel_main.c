/*
 * Runs one kernel, checks what it computes, and times it as it will run inside of its network.
 *
 * There, nobody has touched a kernel's weights since the last inference: all other weights of the network have passed
 * through the caches meanwhile. So as many copies of the weights take turns as make up the weights of the whole network
 * (`rotate` bytes): the way from one use of a copy to the next is as long as in the network, and the caches of the
 * device decide how much of it they remember. The input, on the other hand, was written by the layer before just now,
 * so it is written anew, outside of the time, before each run.
 *
 *   program ITEMS SCRATCH ROTATE SLACK SAMPLES MICROSECONDS TOLERANCE COOLDOWN THREADS CPUS BUFFERS
 *
 * BUFFERS: one letter for each parameter of the kernel but the output, in their order: `i` an input, `c` a constant.
 * The files are named 0, 1, ... by parameter, and `expected` holds the output, NaN where it is not defined.
 */
#define _GNU_SOURCE /* cpu_set_t; clock_gettime */

#include "clock.h"
#include "harness.h"
#include "separable.h"
#include "threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BUFFERS = 8, MOST_COPIES = 4096 };

typedef int32_t function3(void *, void *, void *, int32_t, int32_t);
typedef int32_t function4(void *, void *, void *, void *, int32_t, int32_t);
typedef int32_t function5(void *, void *, void *, void *, void *, int32_t, int32_t);
typedef int32_t function6(void *, void *, void *, void *, void *, void *, int32_t, int32_t);
typedef int32_t function7(void *, void *, void *, void *, void *, void *, void *, int32_t, int32_t);
typedef int32_t function8(void *, void *, void *, void *, void *, void *, void *, void *, int32_t, int32_t);

extern int32_t separable_candidate(void);

typedef struct call {
    unsigned char *buffers[MOST_BUFFERS + 1]; /* the output comes last */
    unsigned char *scratch;
    size_t scratch_stride;
    int count;
} call;

static void run_items(void *argument, int32_t worker, int32_t begin, int32_t end)
{
    const call *c = argument;
    unsigned char *const *b = c->buffers;
    void *scratch = c->scratch + c->scratch_stride * (size_t)worker;
    void (*const kernel)(void) = (void (*)(void))separable_candidate;
    switch (c->count) {
    case 2: ((function3 *)kernel)(b[0], b[1], scratch, begin, end); break;
    case 3: ((function4 *)kernel)(b[0], b[1], b[2], scratch, begin, end); break;
    case 4: ((function5 *)kernel)(b[0], b[1], b[2], b[3], scratch, begin, end); break;
    case 5: ((function6 *)kernel)(b[0], b[1], b[2], b[3], b[4], scratch, begin, end); break;
    case 6: ((function7 *)kernel)(b[0], b[1], b[2], b[3], b[4], b[5], scratch, begin, end); break;
    case 7: ((function8 *)kernel)(b[0], b[1], b[2], b[3], b[4], b[5], b[6], scratch, begin, end); break;
    default: harness_fail(HARNESS_USAGE, "a kernel with %d buffers", c->count);
    }
}

/* Reads and writes every line: it is then where the layer before leaves it. */
static void write_anew(unsigned char *buffer, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        ((volatile unsigned char *)buffer)[i] = ((volatile unsigned char *)buffer)[i];
}

int main(int argc, char **argv)
{
    if (argc != 12)
        harness_fail(HARNESS_USAGE, "11 arguments expected");
    const int32_t items = (int32_t)harness_number(argv[1]);
    const size_t scratch = (size_t)harness_number(argv[2]), rotate = (size_t)harness_number(argv[3]);
    const size_t slack = (size_t)harness_number(argv[4]);
    const int samples = (int)harness_number(argv[5]);
    const int64_t least_ns = harness_number(argv[6]) * 1000;
    const double tolerance = strtod(argv[7], NULL);
    const int64_t cooldown = harness_number(argv[8]);
    const int32_t threads = (int32_t)harness_number(argv[9]);
    const char *kinds = argv[11];
    const int inputs = (int)strlen(kinds);
    if (inputs > MOST_BUFFERS - 1 || samples < 1 || samples > HARNESS_MAX_SAMPLES || threads < 1)
        harness_fail(HARNESS_USAGE, "an argument is out of range");
    cpu_set_t cpus;
    harness_pin(argv[10], &cpus);

    call c = {.count = inputs + 1};
    size_t sizes[MOST_BUFFERS], constants = 0, output_bytes;
    for (int i = 0; i < inputs; ++i) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        c.buffers[i] = harness_load(name, slack, &sizes[i]);
        if (kinds[i] == 'c')
            constants += (sizes[i] + 63) / 64 * 64;
    }
    float *expected = harness_load("expected", 0, &output_bytes);
    c.buffers[inputs] = harness_allocate(output_bytes);
    c.scratch_stride = (scratch + 63) / 64 * 64;
    c.scratch = harness_allocate(c.scratch_stride * (size_t)threads);
    separable_pool *pool;
    if (separable_pool_create(threads, &cpus, &pool) != SEPARABLE_OK)
        harness_fail(HARNESS_NO_MEMORY, "cannot start %" PRId32 " threads", threads);

    const int64_t before = harness_frequency(&cpus);
    const int64_t first = separable_nanoseconds();
    separable_pool_run(pool, run_items, &c, items, 0);
    const int64_t estimate = separable_nanoseconds() - first;
    const double error = harness_error((float *)c.buffers[inputs], expected, output_bytes / sizeof(float));
    int64_t times[HARNESS_MAX_SAMPLES];
    const int right = error <= tolerance;
    if (right) {
        /* Copies of all constants, one after the other, as the weights of a network lie. */
        size_t copies = constants ? (rotate + constants - 1) / constants : 1;
        copies = copies < 1 ? 1 : copies > MOST_COPIES ? MOST_COPIES : copies;
        unsigned char *all = harness_allocate(constants * copies);
        size_t offset = 0;
        size_t offsets[MOST_BUFFERS];
        for (int i = 0; i < inputs; ++i) {
            if (kinds[i] != 'c')
                continue;
            for (size_t copy = 0; copy < copies; ++copy)
                memcpy(all + copy * constants + offset, c.buffers[i], sizes[i]);
            offsets[i] = offset;
            offset += (sizes[i] + 63) / 64 * 64;
        }
        harness_sleep(cooldown);
        const int64_t runs = 1 + least_ns / (estimate + 1);
        size_t copy = 0;
        for (int sample = -1; sample < samples; ++sample) { /* the first one warms up */
            int64_t total = 0;
            for (int64_t run = 0; run < runs; ++run) {
                for (int i = 0; i < inputs; ++i) {
                    if (kinds[i] == 'c')
                        c.buffers[i] = all + copy * constants + offsets[i];
                    else
                        write_anew(c.buffers[i], sizes[i]);
                }
                copy = (copy + 1) % copies;
                const int64_t start = separable_nanoseconds();
                separable_pool_run(pool, run_items, &c, items, 0);
                total += separable_nanoseconds() - start;
            }
            if (sample >= 0)
                times[sample] = total / runs > 0 ? total / runs : 1;
        }
    }
    const int64_t after = harness_frequency(&cpus);
    printf("{");
    harness_print_samples("samples_ns", times, right ? samples : 0);
    harness_print_end(error, before, after);
    separable_pool_destroy(pool);
    return 0;
}
