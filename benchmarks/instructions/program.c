/*
 * Runs a compiled model twice on one thread. The second run lies between two marks that the counter (counter.c) knows:
 * calls of getpriority with a number that no program uses, which fail and do nothing else.
 *
 * Built for one model and linked with its library: MODEL is its name, MODEL_HEADER its header.
 */
#define _DEFAULT_SOURCE /* syscall */

#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)

enum { INPUTS = API(INPUT_COUNT), OUTPUTS = API(OUTPUT_COUNT), MARK = 0x5e9a };
static const int64_t input_bytes[] = API(INPUT_BYTES);
static const int64_t output_bytes[] = API(OUTPUT_BYTES);

static void *zeros(int64_t bytes)
{
    void *memory = calloc((size_t)bytes, 1);
    if (!memory)
        exit(EXIT_FAILURE);
    return memory;
}

int main(void)
{
    const void *inputs[INPUTS];
    void *outputs[OUTPUTS];
    for (int i = 0; i < INPUTS; ++i)
        inputs[i] = zeros(input_bytes[i]);
    for (int i = 0; i < OUTPUTS; ++i)
        outputs[i] = zeros(output_bytes[i]);

    const separable_options options = {.struct_size = sizeof options, .threads = 1};
    separable_handle *handle;
    int32_t status = API(create)(&options, &handle);
    if (status == SEPARABLE_OK)
        status = API(run)(handle, inputs, outputs);
    if (status == SEPARABLE_OK) {
        syscall(SYS_getpriority, MARK, 0);
        status = API(run)(handle, inputs, outputs);
        syscall(SYS_getpriority, MARK, 1);
    }
    if (status != SEPARABLE_OK)
        fprintf(stderr, "%s\n", API(last_error)(handle));
    API(destroy)(handle);
    return status == SEPARABLE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
