/* Handles: right results for any thread count and any mix of handles and callers, and every error as text. */
#define _GNU_SOURCE /* cpu_set_t */

#include "blur.h"
#include "blur_case.h"
#include "cores.h"
#include "isa.h"
#include "model.h"
#include "pair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { MAX_THREADS = 4, RUNS = 50 };

/* Linked in place of separable_allowed_cpus, so that four threads are tested on any machine. */
void __wrap_separable_allowed_cpus(cpu_set_t *cpus);
void __wrap_separable_allowed_cpus(cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (size_t cpu = 0; cpu < MAX_THREADS; ++cpu)
        CPU_SET(cpu, cpus);
}

static atomic_int threads_started;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    atomic_fetch_add(&threads_started, 1);
    return __real_pthread_create(thread, attributes, start, argument);
}

static separable_handle *create_blur(int32_t threads)
{
    const separable_options options = {.struct_size = sizeof options, .threads = threads};
    separable_handle *handle;
    CHECK(blur_create(&options, &handle) == SEPARABLE_OK);
    CHECK(strcmp(blur_last_error(handle), "") == 0);
    return handle;
}

static void run_blur(separable_handle *handle, int seed)
{
    float x[BLUR_SIZE], y[BLUR_SIZE];
    blur_fill(x, seed);
    CHECK(blur_run(handle, (const void *const[]){x}, (void *const[]){y}) == SEPARABLE_OK);
    blur_check(x, y);
}

static void test_results(void)
{
    for (int32_t threads = 0; threads <= MAX_THREADS + 1; ++threads) {
        separable_handle *handle = create_blur(threads);
        for (int run = 0; run < RUNS; ++run)
            run_blur(handle, run);
        blur_destroy(handle);
    }
}

static void *run_often(void *handle)
{
    for (int run = 0; run < RUNS; ++run)
        run_blur(handle, run);
    return NULL;
}

static void run_from_four_threads(separable_handle *const handles[4])
{
    pthread_t callers[4];
    for (int i = 0; i < 4; ++i)
        CHECK(pthread_create(&callers[i], NULL, run_often, handles[i]) == 0);
    for (int i = 0; i < 4; ++i)
        CHECK(pthread_join(callers[i], NULL) == 0);
}

static void test_one_handle_from_four_threads(void)
{
    separable_handle *handle = create_blur(2);
    run_from_four_threads((separable_handle *const[]){handle, handle, handle, handle});
    blur_destroy(handle);
}

static void test_four_handles_at_once(void)
{
    separable_handle *handles[4];
    for (int i = 0; i < 4; ++i)
        handles[i] = create_blur(1 + i % 2);
    run_from_four_threads(handles);
    for (int i = 0; i < 4; ++i)
        blur_destroy(handles[i]);
}

static void test_two_models_in_one_program(void)
{
    separable_handle *blur = create_blur(2), *pair;
    CHECK(pair_create(NULL, &pair) == SEPARABLE_OK);
    const int32_t count[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const float offset[12] = {0.5f, 1.5f};
    float sum[12];
    int32_t negated[12];
    CHECK(pair_run(pair, (const void *const[]){count, offset}, (void *const[]){sum, negated}) == SEPARABLE_OK);
    for (int i = 0; i < 12; ++i)
        CHECK(sum[i] == (float)count[i] + offset[i] && negated[i] == -count[i]);
    run_blur(blur, 1);
    blur_destroy(blur);
    pair_destroy(pair);
    CHECK(blur_abi_version() == SEPARABLE_ABI_VERSION);
    CHECK(strstr(pair_describe(), "\"negated\""));
}

static void test_profile(void)
{
    separable_handle *handle = create_blur(2);
    float x[BLUR_SIZE], y[BLUR_SIZE];
    const void *const inputs[] = {x};
    void *const outputs[] = {y};
    blur_fill(x, 3);
    const int32_t count = blur_profile(handle, NULL, NULL, NULL, 0);
    CHECK(count == 4);
    separable_kernel_time times[5] = {{.name = NULL}};
    CHECK(blur_profile(handle, inputs, outputs, times, 5) == count);
    blur_check(x, y);
    CHECK(strcmp(times[1].name, "blur+bias") == 0 && strcmp(times[1].kernel, "k1_blur") == 0);
    CHECK(times[1].flops == 912 && times[0].bytes == 768 && times[3].nanoseconds >= 0 && !times[4].name);

    times[2].name = NULL;
    memset(y, 0, sizeof y);
    CHECK(blur_profile(handle, inputs, outputs, times, 2) == count);
    blur_check(x, y);
    CHECK(!times[2].name);

    CHECK(blur_profile(handle, inputs, outputs, NULL, 3) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strstr(blur_last_error(handle), "times is NULL"));
    CHECK(blur_profile(handle, inputs, outputs, times, -1) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strstr(blur_last_error(handle), "-1"));
    CHECK(blur_profile(NULL, inputs, outputs, times, 5) == SEPARABLE_INVALID_ARGUMENT);
    blur_destroy(handle);
}

static void test_run_errors(void)
{
    separable_handle *handle = create_blur(1);
    float x[BLUR_SIZE], y[BLUR_SIZE];
    const void *const inputs[] = {x}, *const no_input[] = {NULL};
    void *const outputs[] = {y}, *const no_output[] = {NULL};
    CHECK(blur_run(NULL, inputs, outputs) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(blur_run(handle, NULL, outputs) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(blur_run(handle, no_input, outputs) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strcmp(blur_last_error(handle), "blur: inputs[0] is NULL, expected 384 bytes for 'x'") == 0);
    CHECK(blur_run(handle, inputs, NULL) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(blur_run(handle, inputs, no_output) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strcmp(blur_last_error(handle), "blur: outputs[0] is NULL, expected 384 bytes for 'y'") == 0);
    run_blur(handle, 4);
    blur_destroy(handle);
    blur_destroy(NULL);
    CHECK(strstr(blur_last_error(NULL), "no handle"));
}

/* Options that create must refuse with this text; the handle it stores refuses to run and can be destroyed. */
static void check_refused(const separable_options *options, const char *text)
{
    separable_handle *handle;
    CHECK(blur_create(options, &handle) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(handle && strstr(blur_last_error(handle), text));
    CHECK(blur_run(handle, NULL, NULL) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(blur_profile(handle, NULL, NULL, NULL, -1) == SEPARABLE_INVALID_ARGUMENT);
    CHECK(strstr(blur_last_error(handle), text));
    blur_destroy(handle);
}

static void test_options(void)
{
    struct {
        separable_options known;
        int64_t unknown;
    } newer = {.known = {.struct_size = sizeof newer}};
    separable_handle *handle;
    CHECK(blur_create(&newer.known, &handle) == SEPARABLE_OK);
    blur_destroy(handle);
    newer.unknown = 1;
    check_refused(&newer.known, "does not know");
    check_refused(&(separable_options){.threads = 1}, "struct_size is 0, no version's size");
    for (uint32_t size = 1; size < sizeof(separable_options); ++size) {
        if (size != offsetof(separable_options, cores) && size != offsetof(separable_options, variant))
            check_refused(&(separable_options){.struct_size = size}, "expected sizeof(separable_options)");
    }
    check_refused(&(separable_options){.struct_size = sizeof(separable_options), .threads = -2}, "threads is -2");
    CHECK(blur_create(NULL, NULL) == SEPARABLE_INVALID_ARGUMENT);
}

/* The number of a model's threads with these options: those that create starts, and the caller. */
static int count_threads(const separable_options *options)
{
    const int before = threads_started;
    separable_handle *handle;
    CHECK(blur_create(options, &handle) == SEPARABLE_OK);
    const int threads = 1 + threads_started - before;
    run_blur(handle, threads);
    blur_destroy(handle);
    return threads;
}

static void test_cores(void)
{
    int32_t cpus[] = {2, 0, 2};
    separable_options options = {.struct_size = sizeof options, .cores = SEPARABLE_CORES_ALL};
    CHECK(count_threads(&options) == MAX_THREADS);
    options.threads = 3;
    CHECK(count_threads(&options) == 3);
    options.cpus = cpus;
    options.cpu_count = 3;
    CHECK(count_threads(&options) == 2);
    options.threads = 0;
    CHECK(count_threads(&options) == 2);
    options.cpu_count = 1;
    CHECK(count_threads(&options) == 1);

    cpus[1] = MAX_THREADS;
    options.cpu_count = 2;
    check_refused(&options, "options.cpus[1] is 4, a CPU that is not there or not allowed");
    options = (separable_options){.struct_size = sizeof options, .cores = 3};
    check_refused(&options, "options.cores is 3");

    /* A program built when the options ended before the cores; what comes behind them is none of the library's. */
    options = (separable_options){.struct_size = offsetof(separable_options, cores), .threads = 2, .cores = -1};
    CHECK(count_threads(&options) == 2);
    /* Or before the variant. */
    options = (separable_options){.struct_size = offsetof(separable_options, variant), .threads = 3, .variant = "none"};
    CHECK(count_threads(&options) == 3);
}

static void test_isa_guard(void)
{
    const separable_variant impossible = {
        .name = "one",
        .isa = UINT64_C(1) << SEPARABLE_ISA_avx512f | UINT64_C(1) << SEPARABLE_ISA_asimd,
    };
    const separable_model foreign = {
        .name = "foreign",
        .target = "all CPUs at once",
        .variants = &impossible,
        .variant_count = 1,
    };
    separable_handle *handle;
    CHECK(separable_create(&foreign, NULL, &handle) == SEPARABLE_UNSUPPORTED_CPU);
    CHECK(strstr(separable_last_error(handle), "foreign was compiled for all CPUs at once, but this CPU lacks "));
#if defined(__x86_64__)
    CHECK(strstr(separable_last_error(handle), "Advanced SIMD"));
#else
    CHECK(strstr(separable_last_error(handle), "AVX-512F"));
#endif
    CHECK(separable_run(handle, NULL, NULL) == SEPARABLE_UNSUPPORTED_CPU);
    separable_destroy(handle);
}

int main(void)
{
    test_results();
    test_one_handle_from_four_threads();
    test_four_handles_at_once();
    test_two_models_in_one_program();
    test_profile();
    test_run_errors();
    test_options();
    test_cores();
    test_isa_guard();
    return EXIT_SUCCESS;
}
