/*
 * Runs a compiled model once on zeros and prints the first bytes of every output as floats.
 *
 *   cmake -B build -DSEPARABLE_MODEL_DIR=/path/to/folder -DSEPARABLE_MODEL_NAME=mobilenet
 *   cmake --build build --target example && build/example
 *
 * A program for one model writes mobilenet_create(...) where this one has API(create)(...).
 */
#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)

enum { INPUTS = API(INPUT_COUNT), OUTPUTS = API(OUTPUT_COUNT), SHOWN = 5 };
static const int64_t input_bytes[] = API(INPUT_BYTES);
static const int64_t output_bytes[] = API(OUTPUT_BYTES);

static void print_head(int index, const float *values, int64_t bytes)
{
    printf("output %d:", index);
    for (int64_t i = 0; i < bytes / (int64_t)sizeof *values && i < SHOWN; ++i)
        printf(" %g", values[i]);
    printf("\n");
}

int main(void)
{
    void *inputs[INPUTS], *outputs[OUTPUTS];
    int memory = 1;
    for (int i = 0; i < INPUTS; ++i)
        memory &= (inputs[i] = calloc(1, (size_t)input_bytes[i])) != NULL;
    for (int i = 0; i < OUTPUTS; ++i)
        memory &= (outputs[i] = calloc(1, (size_t)output_bytes[i])) != NULL;

    separable_handle *model = NULL;
    int32_t status = SEPARABLE_OUT_OF_MEMORY;
    if (memory) {
        status = API(create)(NULL, &model);
        if (status == SEPARABLE_OK)
            status = API(run)(model, (const void *const *)inputs, outputs);
    }
    if (status == SEPARABLE_OK) {
        printf("%s\n", API(describe)());
        for (int i = 0; i < OUTPUTS; ++i)
            print_head(i, outputs[i], output_bytes[i]);
    } else {
        fprintf(stderr, "%s\n", API(last_error)(model));
    }

    API(destroy)(model);
    for (int i = 0; i < INPUTS; ++i)
        free(inputs[i]);
    for (int i = 0; i < OUTPUTS; ++i)
        free(outputs[i]);
    return status == SEPARABLE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
