/*
 * What a program in C pays for its first result: loads a compiled model, creates it, runs it once and prints
 *
 *   load_ms 0.310
 *   first_run_ms 9.512
 *   peak_kb 23600
 *
 *   first_result LIBRARY THREADS INPUT... OUTPUT...
 *
 * Inputs are files of the model's bytes, in the order of its header; outputs are written to files likewise. Built for
 * one model: MODEL is its name, MODEL_HEADER its header.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include MODEL_HEADER

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)
#define TEXT_AGAIN(name) #name
#define TEXT(name) TEXT_AGAIN(name)
/* A function of the model in a library that is open. */
#define FIND(library, name) ((__typeof__(&API(name)))find(library, TEXT(API(name))))

enum { INPUTS = API(INPUT_COUNT), OUTPUTS = API(OUTPUT_COUNT) };
static const int64_t input_bytes[] = API(INPUT_BYTES);
static const int64_t output_bytes[] = API(OUTPUT_BYTES);

__attribute__((format(printf, 1, 2), noreturn))
static void give_up(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + (double)now.tv_nsec / 1e6;
}

static void *find(void *library, const char *name)
{
    void *function = dlsym(library, name);
    if (!function)
        give_up("%s", dlerror());
    return function;
}

static void *allocate(int64_t bytes)
{
    void *memory = malloc((size_t)bytes);
    if (!memory)
        give_up("no memory for %lld bytes", (long long)bytes);
    return memory;
}

static void transfer(const char *path, const char *mode, void *memory, int64_t bytes)
{
    FILE *file = fopen(path, mode);
    if (!file)
        give_up("%s: %s", path, strerror(errno));
    const size_t done = *mode == 'r' ? fread(memory, 1, (size_t)bytes, file) : fwrite(memory, 1, (size_t)bytes, file);
    if (fclose(file) != 0 || done != (size_t)bytes)
        give_up("%s: %zu bytes instead of %lld", path, done, (long long)bytes);
}

/*
 * The largest resident memory of this process so far, in KiB. Not getrusage's, which starts with what the parent had
 * resident at exec.
 */
static long peak_kb(void)
{
    char line[128];
    long peak = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && !peak && fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            peak = strtol(line + 6, NULL, 10);
    }
    if (!peak)
        give_up("/proc/self/status has no VmHWM");
    fclose(file);
    return peak;
}

int main(int count, char *arguments[])
{
    if (count != 3 + INPUTS + OUTPUTS)
        give_up("usage: %s LIBRARY THREADS and files for %d inputs and %d outputs", arguments[0], INPUTS, OUTPUTS);
    char **const input_files = arguments + 3, **const output_files = input_files + INPUTS;
    const void *inputs[INPUTS];
    void *outputs[OUTPUTS];
    for (int i = 0; i < INPUTS; ++i) {
        void *input = allocate(input_bytes[i]);
        transfer(input_files[i], "r", input, input_bytes[i]);
        inputs[i] = input;
    }
    for (int i = 0; i < OUTPUTS; ++i)
        outputs[i] = allocate(output_bytes[i]);

    const double start = milliseconds();
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        give_up("%s", dlerror());
    const separable_options options = {.struct_size = sizeof options, .threads = atoi(arguments[2])};
    separable_handle *handle;
    if (FIND(library, create)(&options, &handle) != SEPARABLE_OK)
        give_up("%s", FIND(library, last_error)(handle));
    const double loaded = milliseconds();
    if (FIND(library, run)(handle, inputs, outputs) != SEPARABLE_OK)
        give_up("%s", FIND(library, last_error)(handle));
    const double finished = milliseconds();

    printf("load_ms %.3f\nfirst_run_ms %.3f\npeak_kb %ld\n", loaded - start, finished - loaded, peak_kb());
    for (int i = 0; i < OUTPUTS; ++i)
        transfer(output_files[i], "w", outputs[i], output_bytes[i]);
    FIND(library, destroy)(handle);
    return EXIT_SUCCESS;
}
