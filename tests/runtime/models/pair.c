/*
 * A handwritten model with two inputs and two outputs, and neither weights, arena nor scratch:
 * sum = float(count) + offset and negated = -count, all of shape [4, 3]; count and negated int32, the others float32.
 */
#include "pair.h"

#include "model.h"

#include <stddef.h>

enum { ROWS = 4, COLUMNS = 3 };

static void step_sum(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    (void)scratch;
    const int32_t *count = f->inputs[0];
    const float *offset = f->inputs[1];
    float *sum = f->outputs[0];
    for (int32_t i = begin * COLUMNS; i < end * COLUMNS; ++i)
        sum[i] = (float)count[i] + offset[i];
}

static void step_negate(const separable_frame *f, void *scratch, int32_t begin, int32_t end)
{
    (void)scratch;
    const int32_t *count = f->inputs[0];
    int32_t *negated = f->outputs[1];
    for (int32_t i = begin * COLUMNS; i < end * COLUMNS; ++i)
        negated[i] = -count[i];
}

static const separable_step steps[] = {
    {.name = "sum", .kernel = "k0_sum", .run = step_sum, .extent = ROWS, .threads = 1, .flops = 12, .bytes = 144},
    {.name = "negate", .kernel = "k1_negate", .run = step_negate, .extent = ROWS, .flops = 12, .bytes = 96},
};

static const separable_tensor inputs[] = {
    {.name = "count", .dtype = "int32", .rank = 2, .dims = {4, 3}, .bytes = 48},
    {.name = "offset", .dtype = "float32", .rank = 2, .dims = {4, 3}, .bytes = 48},
};

static const separable_tensor outputs[] = {
    {.name = "sum", .dtype = "float32", .rank = 2, .dims = {4, 3}, .bytes = 48},
    {.name = "negated", .dtype = "int32", .rank = 2, .dims = {4, 3}, .bytes = 48},
};

static const separable_variant variants[] = {
    {.name = "a test CPU", .steps = steps, .step_count = sizeof steps / sizeof steps[0]},
};

static const separable_model model = {
    .name = "pair",
    .target = "a test CPU",
    .description = "{\"name\": \"pair\", \"target\": \"a test CPU\", \"isa\": [], \"arena_bytes\": 0,"
                   " \"inputs\": [{\"name\": \"count\", \"dtype\": \"int32\", \"shape\": [4, 3]},"
                   " {\"name\": \"offset\", \"dtype\": \"float32\", \"shape\": [4, 3]}],"
                   " \"outputs\": [{\"name\": \"sum\", \"dtype\": \"float32\", \"shape\": [4, 3]},"
                   " {\"name\": \"negated\", \"dtype\": \"int32\", \"shape\": [4, 3]}]}",
    .variants = variants,
    .inputs = inputs,
    .outputs = outputs,
    .variant_count = 1,
    .input_count = 2,
    .output_count = 2,
    .default_threads = 1,
};

SEPARABLE_EXPORT int32_t pair_create(const separable_options *options, separable_handle **handle)
{
    return separable_create(&model, options, handle);
}

SEPARABLE_EXPORT int32_t pair_run(separable_handle *handle, const void *const in[], void *const out[])
{
    return separable_run(handle, in, out);
}

SEPARABLE_EXPORT int32_t pair_profile(separable_handle *handle, const void *const in[], void *const out[],
                                      separable_kernel_time times[], int32_t capacity)
{
    return separable_profile(handle, in, out, times, capacity);
}

SEPARABLE_EXPORT void pair_destroy(separable_handle *handle)
{
    separable_destroy(handle);
}

SEPARABLE_EXPORT const char *pair_last_error(const separable_handle *handle)
{
    return separable_last_error(handle);
}

SEPARABLE_EXPORT const char *pair_variant(const separable_handle *handle)
{
    return separable_variant_of(handle);
}

SEPARABLE_EXPORT const char *pair_describe(void)
{
    return model.description;
}

SEPARABLE_EXPORT int32_t pair_abi_version(void)
{
    return SEPARABLE_ABI_VERSION;
}
