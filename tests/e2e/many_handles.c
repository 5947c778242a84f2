/*
 * Handles of one model: several threads run their own at once and must agree to the bit; then many come and go, and no
 * memory and no thread may stay behind.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "strict_memory.h"
#include "tiny.h"

/*
 * The kernel counts resident pages per CPU and adds up only now and then, so its number is off by some dozens; a leak of
 * half a page a round is found all the same.
 */
enum { THREADS = 4, RUNS = 200, ROUNDS = 1000, WARM_UP = 50, MAX_GROWTH_PAGES = (ROUNDS - WARM_UP) / 2 };

static const int input_bytes[] = tiny_INPUT_BYTES, output_bytes[] = tiny_OUTPUT_BYTES;
static float *input, *expected;

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void run_once(separable_handle *handle, float *output)
{
    const void *inputs[] = {input};
    void *outputs[] = {output};
    require(tiny_run(handle, inputs, outputs) == SEPARABLE_OK, "run failed");
}

static separable_handle *create(int32_t threads)
{
    const separable_options options = {.struct_size = sizeof options, .threads = threads};
    separable_handle *handle;
    require(tiny_create(&options, &handle) == SEPARABLE_OK, "create failed");
    return handle;
}

static void *run_often(void *argument)
{
    (void)argument;
    separable_handle *handle = create(2);
    float *output = malloc((size_t)output_bytes[0]);
    for (int i = 0; i < RUNS; i++) {
        memset(output, 0xff, (size_t)output_bytes[0]);
        run_once(handle, output);
        require(memcmp(output, expected, (size_t)output_bytes[0]) == 0, "threads disturb each other");
    }
    free(output);
    tiny_destroy(handle);
    return NULL;
}

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    require(file && fscanf(file, "%ld %ld", &size, &resident) == 2, "no /proc/self/statm");
    fclose(file);
    return resident;
}

static int thread_count(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    require(tasks != NULL, "no /proc/self/task");
    for (const struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

int main(void)
{
    input = malloc((size_t)input_bytes[0]);
    expected = malloc((size_t)output_bytes[0]);
    for (int i = 0; i < input_bytes[0] / 4; i++)
        input[i] = (float)(i % 17) / 17 - 0.5f;
    separable_handle *handle = create(1);
    run_once(handle, expected);
    tiny_destroy(handle);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, run_often, NULL) == 0, "no thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    long blocks = 0, resident = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i == WARM_UP) {
            resident = resident_pages();
            blocks = strict_live_blocks();
        }
        float output[64];
        require(sizeof output >= (size_t)output_bytes[0], "the test's buffer is too small");
        handle = create(2);
        run_once(handle, output);
        tiny_destroy(handle);
    }
    require(strict_live_blocks() == blocks, "heap blocks stay behind");
    require(resident_pages() - resident <= MAX_GROWTH_PAGES, "resident memory grows");
    require(thread_count() == 1, "threads stay behind");
    return 0;
}
