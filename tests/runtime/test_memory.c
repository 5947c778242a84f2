/* Memory and threads: none taken in run, all given back by destroy, none lost when the system refuses some. */
#define _GNU_SOURCE /* cpu_set_t */

#include "blur.h"
#include "blur_case.h"
#include "cores.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/*
 * The linker sends the runtime's calls of these functions here (--wrap). `refuse_at` makes that one of the following
 * calls fail, 1 being the next; 0 lets all succeed.
 */
static int taken, given_back, calls, refuse_at;

static bool refused(void)
{
    return ++calls == refuse_at;
}

void *__real_calloc(size_t count, size_t size);
int __real_posix_memalign(void **result, size_t alignment, size_t size);
void __real_free(void *memory);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_posix_memalign(void **result, size_t alignment, size_t size);
void __wrap_free(void *memory);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
void __wrap_separable_allowed_cpus(cpu_set_t *cpus);

void *__wrap_malloc(size_t size)
{
    fprintf(stderr, "malloc(%zu): not counted by this test\n", size);
    abort();
}

void *__wrap_realloc(void *memory, size_t size)
{
    fprintf(stderr, "realloc(%p, %zu): not counted by this test\n", memory, size);
    abort();
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    fprintf(stderr, "aligned_alloc(%zu, %zu): not counted by this test\n", alignment, size);
    abort();
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (refused())
        return NULL;
    ++taken;
    return __real_calloc(count, size);
}

int __wrap_posix_memalign(void **result, size_t alignment, size_t size)
{
    if (refused())
        return ENOMEM;
    ++taken;
    const int status = __real_posix_memalign(result, alignment, size);
    if (status == 0)
        memset(*result, 0xa5, size); /* nothing may rely on fresh memory being zero */
    return status;
}

void __wrap_free(void *memory)
{
    given_back += memory != NULL;
    __real_free(memory);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    return refused() ? EAGAIN : __real_pthread_create(thread, attributes, start, argument);
}

/* Three threads on any machine. */
void __wrap_separable_allowed_cpus(cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (size_t cpu = 0; cpu < 3; ++cpu)
        CPU_SET(cpu, cpus);
}

static int32_t create_blur(separable_handle **handle)
{
    return blur_create(&(separable_options){.struct_size = sizeof(separable_options), .cores = SEPARABLE_CORES_ALL},
                       handle);
}

static void run_blur(separable_handle *handle)
{
    float x[BLUR_SIZE], y[BLUR_SIZE];
    blur_fill(x, 5);
    CHECK(blur_run(handle, (const void *const[]){x}, (void *const[]){y}) == SEPARABLE_OK);
    blur_check(x, y);
}

static void test_run_allocates_nothing(void)
{
    separable_handle *handle;
    CHECK(create_blur(&handle) == SEPARABLE_OK);
    const int taken_by_create = taken;
    CHECK(taken_by_create > 0);
    for (int run = 0; run < 100; ++run)
        run_blur(handle);
    CHECK(taken == taken_by_create && given_back == 0);
    blur_destroy(handle);
    CHECK(taken == given_back);
}

static void test_choosing_cores_allocates_nothing(void)
{
    const separable_options options = {.struct_size = sizeof options, .cores = SEPARABLE_CORES_BIG};
    cpu_set_t cpus;
    char error[64];
    const int before = taken;
    __wrap_separable_allowed_cpus(&cpus);
    CHECK(separable_choose_cpus("/sys", &options, &cpus, error, sizeof error) == SEPARABLE_OK);
    CHECK(taken == before);
}

static void test_thousand_handles(void)
{
    for (int i = 0; i < 1000; ++i) {
        separable_handle *handle;
        CHECK(create_blur(&handle) == SEPARABLE_OK);
        run_blur(handle);
        blur_destroy(handle);
        CHECK(taken == given_back);
    }
}

/* Refuses the first thing that create asks for, then the second, ... and expects a clear failure every time. */
static void test_refusals(void)
{
    static const struct {
        int32_t status;
        const char *error;
    } expected[] = {
        {SEPARABLE_OUT_OF_MEMORY, "there is no handle: create found no memory for it, or was never called"},
        {SEPARABLE_OUT_OF_MEMORY, "blur: no memory for the arena of 1408 bytes"},
        {SEPARABLE_OUT_OF_MEMORY, "blur: no memory for the scratch of 192 bytes"},
        {SEPARABLE_OUT_OF_MEMORY, "blur: no memory for a pool of 3 threads"},
        {SEPARABLE_NO_THREADS, "blur: the system refused to start 3 threads; set options.threads lower"},
        {SEPARABLE_NO_THREADS, "blur: the system refused to start 3 threads; set options.threads lower"},
        {SEPARABLE_OK, ""},
    };
    for (int i = 0; i < (int)(sizeof expected / sizeof expected[0]); ++i) {
        separable_handle *handle;
        calls = 0;
        refuse_at = i + 1;
        CHECK(create_blur(&handle) == expected[i].status);
        CHECK((handle == NULL) == (i == 0));
        CHECK(strcmp(blur_last_error(handle), expected[i].error) == 0);
        blur_destroy(handle);
        CHECK(taken == given_back);
    }
    refuse_at = 0;
}

int main(void)
{
    test_run_allocates_nothing();
    test_choosing_cores_allocates_nothing();
    test_thousand_handles();
    test_refusals();
    return EXIT_SUCCESS;
}
